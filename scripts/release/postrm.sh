#!/bin/sh
# Runs after the files of the package are removed. The archive and the user stay, since a
# package manager should not delete what was collected over years.
set -e
name=polisen-events-collector
case $1 in
remove | purge | 0) ;;
*) exit 0 ;;
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
if [ "$1" != remove ] && [ -d "/var/lib/$name" ]; then
	echo "/var/lib/$name and the user $name stay. To delete them with all that is in the folder: rm -r /var/lib/$name && userdel $name"
fi
