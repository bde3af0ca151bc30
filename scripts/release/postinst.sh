#!/bin/sh
# Runs after the files of the package are unpacked. The first argument is "configure" in a
# .deb, followed by the version that was installed before, if any. In an .rpm it is the number of
# installed versions of the package.
set -e
name=polisen-events-collector
case $1 in
configure) upgrade=${2:+yes} ;;
1) upgrade= ;;
*) upgrade=yes ;;
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
if [ -z "$upgrade" ]; then
	# dpkg reads the users before preinst runs, so the files belong to root. An upgrade keeps the
	# owners, which an administrator may have changed.
	chown "root:$name" "/etc/$name" "/etc/$name/env"
	chown "$name:$name" "/var/lib/$name" "/var/lib/$name/.oci"
	cat <<END
$name is installed. Set your address and the place of the archive in
/etc/$name/env. Then run it once, and start its timer:
  sudo systemctl start $name.service && journalctl -u $name -n 5
  sudo systemctl enable --now $name.timer
OCI configuration and keys go to /var/lib/$name/.oci, owned by the user $name.
The documents are in /usr/share/$name: begin with README.md.
END
fi
if [ -e "/etc/systemd/system/$name.service" ]; then
	cat <<END
/etc/systemd/system/$name.service is used in place of the unit of this package.
To use the package's, which reads /etc/$name/env, and to delete the other program:
  sudo /usr/share/$name/scripts/install.sh systemd && sudo rm -f /usr/local/bin/$name
END
fi
