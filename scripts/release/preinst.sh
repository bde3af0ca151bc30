#!/bin/sh
# Runs before the files of the package are unpacked. rpm gives some of them to the user of the
# service, who has to exist then.
set -e
name=polisen-events-collector
if ! id -u "$name" >/dev/null 2>&1; then
	shell=/usr/sbin/nologin
	[ -x "$shell" ] || shell=/sbin/nologin
	useradd --system --user-group --no-create-home --home-dir "/var/lib/$name" --shell "$shell" "$name"
fi
