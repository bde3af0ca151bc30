#!/bin/sh
# Runs before the files of the package are removed. On removal, and not on an upgrade, it
# stops the timers. The first argument is "remove" in a .deb, and 0 in an .rpm.
set -e
name=polisen-events-collector
case $1 in
remove | 0) ;;
*) exit 0 ;;
esac
command -v systemctl >/dev/null 2>&1 || exit 0
now=
[ ! -d /run/systemd/system ] || now=--now
for timer in "$name.timer" "$name-check.timer"; do
	# shellcheck disable=SC2086 # without systemd there is no option
	systemctl disable $now "$timer" >/dev/null 2>&1 || true
done
