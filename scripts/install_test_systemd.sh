#!/usr/bin/env bash
# Tests install.sh with a real systemd: boots the systemd of this host in namespaces of its
# own, over a copy-on-write view of this host's files, and installs there. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: install_test_systemd.sh

Boots the systemd of this host in namespaces of its own, with no network and with changes
to files kept in memory. It installs the program there, lets the timer run it against a
fake events API and a fake Object Storage, and removes it again. This host stays as it is.
It needs root, Go, and a Linux host that allows namespaces, overlayfs and cgroup2.

Exit code: 0 all checks passed, 1 one failed, 64 wrong usage, 77 this host cannot run it.
END
}

case ${1-} in
'') ;;
-h | --help)
	usage
	exit 0
	;;
inside | boot) ;; # the parts below, in the namespaces
*)
	printf "install_test_systemd.sh: unknown argument '%s' (see --help)\n" "$1" >&2
	exit 64
	;;
esac
name=polisen-events-collector
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
	printf 'install_test_systemd.sh: skipped: %s\n' "$*" >&2
	exit 77
}

# boot mounts the file systems of the new host below $work, and becomes its systemd.
boot() {
	local device
	mount --make-rprivate /
	mount -t tmpfs tmpfs "$work"
	mkdir "$work/upper" "$work/work" "$work/root"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
	cd "$work/root"
	mount -t proc proc proc
	mount --bind proc/sys proc/sys
	mount -o remount,bind,ro proc/sys # the settings of the kernel are those of this host
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs tmpfs run
	mount -t tmpfs tmpfs tmp
	mount -t tmpfs -o mode=755 tmpfs dev
	for device in null zero full random urandom tty; do
		touch "dev/$device"
		mount --bind "/dev/$device" "dev/$device"
	done
	mkdir dev/shm dev/pts
	ln -s /proc/self/fd dev/fd
	ln -s pts/ptmx dev/ptmx
	# No file of an earlier installation, and no unit of this host but those that systemd needs.
	rm -rf etc/systemd/system/* usr/lib/systemd/system/$name* var/lib/systemd/timers/* \
		var/lib/$name etc/$name usr/bin/$name usr/local/bin/$name var/log/journal
	sed -i "/^$name:/d" etc/passwd etc/shadow etc/group etc/gshadow
	mkdir -p srv/test
	cp -r "$here" srv/test/scripts
	cp "$built"/* srv/test/
	mkdir before
	pivot_root . before
	umount -l /before
	exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		/lib/systemd/systemd --system --unit=basic.target --log-target=journal-or-kmsg
}

# outside boots the host and runs the checks in it.
outside() {
	local work built cgroup unshare pid='' code=0 tool
	[[ $(id -u) == 0 ]] || skip 'this needs root'
	[[ -x /lib/systemd/systemd ]] || skip 'systemd is not installed'
	for tool in go findmnt unshare nsenter pgrep ip; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
	work=$(mktemp -d)
	built=$(mktemp -d)
	# shellcheck disable=SC2064 # expand them now
	trap "rm -rf '$work' '$built'" EXIT
	# With the options of check.sh, whose build has compiled the same packages.
	(cd "$here/.." && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$built/" . ./scripts/fakecloud)
	cgroup=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[[ -n $cgroup ]] || skip 'there is no cgroup2 file system'
	cgroup+=/$name-test-$$
	mkdir "$cgroup" 2>/dev/null || skip 'the cgroup2 file system cannot be written'
	# shellcheck disable=SC2064
	trap "remove_cgroup '$cgroup'; rm -rf '$work' '$built'" EXIT
	export work built here
	# shellcheck disable=SC2016 # the new shell expands $1
	bash -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child "$2" boot' \
		bash "$cgroup" "$here/install_test_systemd.sh" >"$work.log" 2>&1 &
	unshare=$!
	disown "$unshare" # bash does not report its end
	# shellcheck disable=SC2064
	trap "kill -9 $unshare 2>/dev/null; remove_cgroup '$cgroup'; rm -rf '$work' '$built' '$work.log'" EXIT
	for _ in $(seq 100); do
		pid=$(pgrep -P "$unshare" -x systemd) && break
		kill -0 "$unshare" 2>/dev/null || skip "this host does not allow the namespaces: $(tr '\n' ' ' <"$work.log")"
		sleep 0.1
	done
	[[ -n $pid ]] || skip 'systemd did not start'
	env -i nsenter --target "$pid" --all bash /srv/test/scripts/install_test_systemd.sh inside || code=$?
	return "$code"
}

remove_cgroup() {
	for _ in $(seq 50); do
		[[ -n $(find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null) ]] || break
		sleep 0.1
	done
	find "$1" -depth -type d -exec rmdir {} +
}

failures=0
# check WHAT COMMAND... fails the test unless the command succeeds.
check() {
	local what=$1
	shift
	if "$@"; then
		printf 'ok: %s\n' "$what"
	else
		printf 'FAILED: %s\n%s\n' "$what" "${output-}"
		failures=$((failures + 1))
	fi
}

# installs CODE ARGUMENTS... runs install.sh, whose output is then in output.
installs() {
	local want=$1 got=0
	shift
	output=$(/srv/test/scripts/install.sh systemd "$@" 2>&1) || got=$?
	[[ $got == "$want" ]] || output="exit code $got, want $want: $output"
	[[ $got == "$want" ]]
}

says() { [[ $output == *"$1"* ]]; }
invocation() { systemctl show --property InvocationID --value $name.service; }
mode() { [[ $(stat -c '%a %U:%G' "$2") == "$1" ]]; }
active() { systemctl is-active --quiet "$1" && systemctl is-enabled --quiet "$1"; }

# inside runs the checks on the new host.
inside() {
	local before unit binary=/srv/test/$name
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	for _ in $(seq 100); do ! systemctl is-active --quiet basic.target 2>/dev/null || break; sleep 0.1; done
	ip link set lo up
	mkdir -p /srv/cloud
	/srv/test/fakecloud --dir /srv/cloud --listen 127.0.0.1:8080 >/dev/null 2>&1 &
	for _ in $(seq 50); do [[ ! -e /srv/cloud/env ]] || break; sleep 0.1; done
	# shellcheck disable=SC1091 # fakecloud writes it
	. /srv/cloud/env
	local oci=("--set" "POLISEN_API_URL=$POLISEN_API_URL" "--set" "POLISEN_MIN_INTERVAL=1ms" "--set" "OCI_ENDPOINT=$OCI_ENDPOINT" "--store" "$POLISEN_STORE" "--contact" you@example.org)

	# Refusals leave nothing behind.
	check 'an archive below /home is refused' installs 1 --store /home/me/archive
	check '  and the message says why' says 'the service cannot see /home/me/archive'
	printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\377\377' >/srv/foreign && chmod 755 /srv/foreign
	check 'a program for another processor is refused' installs 1 --binary /srv/foreign "${oci[@]}"
	check '  and the message says why' says 'another system or processor'
	mount -t tmpfs -o noexec tmpfs /usr/local/bin
	check 'a folder without execute permission is refused' installs 1 "${oci[@]}"
	check '  and the message says why' says 'mounted noexec'
	check '  and no copy stays' test -z "$(ls -A /usr/local/bin)"
	umount /usr/local/bin
	check 'no unit was written' test ! -e /etc/systemd/system/$name.service

	# A bucket without credentials: all but the timer is ready.
	check 'a bucket without credentials is not finished' installs 1 "${oci[@]}"
	check '  and the message says where they go' says "/var/lib/$name/.oci"
	check '  and the timer waits for them' test ! -e /etc/systemd/system/timers.target.wants/$name.timer

	# Finished by a second command.
	check 'it installs with credentials' installs 0 "${oci[@]}" --oci-config "$OCI_CONFIG_FILE" --check-timer
	check '  and shows the run' says '500 new'
	check '  which succeeded' says 'the run succeeded'
	printf '%s\n' "$output" | sed 's/^/    /'
	check 'the timer is active' active $name.timer
	check 'the check timer is active' active $name-check.timer
	check 'the next run is within 32 minutes' test "$(systemctl show --property NextElapseUSecRealtime --value $name.timer | xargs -I{} date -d {} +%s)" -lt "$(date -d '+32 minutes' +%s)"
	check 'the settings belong to root and the service' mode "640 root:$name" /etc/$name/env
	check 'so does their folder' mode "750 root:$name" /etc/$name
	check 'the credentials belong to the service' mode "700 $name:$name" /var/lib/$name/.oci
	check 'so does the key' mode "600 $name:$name" /var/lib/$name/.oci/key.pem
	check 'the program is executable' mode '755 root:root' /usr/local/bin/$name

	# Again.
	before=$(invocation)
	check 'a second run succeeds' installs 0 "${oci[@]}" --oci-config "$OCI_CONFIG_FILE" --check-timer
	check '  and changes nothing' says 'nothing to change'
	check '  and does not run the service' test "$(invocation)" == "$before"
	check 'an administrator can read the archive as the service' test -n "$(cd / && runuser -u $name -- env HOME=/var/lib/$name $name inspect-metadata --env-file /etc/$name/env)"
	output=$(cd / && runuser -u nobody -- $name verify --env-file /etc/$name/env 2>&1) || true
	check 'another user cannot read the settings' says 'permission denied: run the command as root, or as the user of the collector'
	chown root:root /var/lib/$name/.oci/key.pem && chmod 644 /var/lib/$name/.oci/key.pem
	check 'a key with a wrong owner' installs 0
	check '  becomes the key of the service' mode "600 $name:$name" /var/lib/$name/.oci/key.pem

	# The health check and the timer.
	check 'the health check succeeds' systemctl start $name-check.service
	check '  and leaves its line in the journal' test -n "$(journalctl -q -o cat -u $name-check | grep '^OK - ')"
	mkdir -p /run/systemd/system/$name.timer.d
	printf '[Timer]\nOnActiveSec=1\nAccuracySec=1ms\nRandomizedDelaySec=0\n' >/run/systemd/system/$name.timer.d/soon.conf
	before=$(invocation)
	systemctl daemon-reload && systemctl restart $name.timer
	for _ in $(seq 100); do [[ $(invocation) == "$before" || $(systemctl is-active $name.service) == activating ]] || break; sleep 0.1; done
	check 'the timer starts the service' test "$(invocation)" != "$before"
	check '  and the run succeeds' test "$(systemctl show --property Result,ExecMainStatus --value $name.service | tr '\n' ' ')" == 'success 0 '
	rm -r /run/systemd/system/$name.timer.d

	# Upgrade, and another archive.
	echo >>$binary
	check 'an upgrade succeeds' installs 0
	check '  and copies the program' cmp $binary /usr/local/bin/$name
	sed -i 's|^POLISEN_STORE=.*|POLISEN_STORE=/srv/polisen|' /etc/$name/env
	check 'an archive outside the home of the service' installs 0
	check '  is written' test -e /srv/polisen/metadata/last_seen.json
	check '  by the service' mode "640 $name:$name" /srv/polisen/metadata/last_seen.json
	check 'a run of root' env HOME=/root $name collect --env-file /etc/$name/env
	check '  leaves the archive to the service' test -z "$(find /srv/polisen ! -user $name)"
	check '  and checked' systemctl start $name-check.service
	echo 'POLISEN_TIMEOUT=soon' >>/etc/$name/env
	systemctl start $name.service 2>/dev/null || true
	check 'a wrong setting fails the run' installs 1
	check '  and is explained' says 'exit code 64 (usage: '
	sed -i '/^POLISEN_TIMEOUT/d' /etc/$name/env
	check 'a corrected one runs again' installs 0

	# A settings file elsewhere keeps its mode, and so does its folder.
	install -m 600 /etc/$name/env /etc/polisen.env
	check 'a settings file of root alone' installs 0 --env-file /etc/polisen.env
	check '  keeps its mode' mode '600 root:root' /etc/polisen.env
	check '  and that of its folder' mode '755 root:root' /etc
	chmod 600 /etc/$name/env
	check 'the usual settings file' installs 0
	check '  becomes readable to the service' mode "640 root:$name" /etc/$name/env

	# A package that is installed later.
	cp $binary /usr/bin/
	for unit in /srv/test/scripts/*.service /srv/test/scripts/*.timer; do
		sed 's|/usr/local/bin/|/usr/bin/|' "$unit" >"/usr/lib/systemd/system/${unit##*/}"
	done
	check 'with a package it is installed' installs 0
	check '  with the units of the package' test -z "$(find /etc/systemd/system -type f -name "$name*" ! -path '*.d/*')"
	check '  which run its program' test -n "$(systemctl show --property ExecStart $name.service | grep "path=/usr/bin/$name ")"
	check '  and the run succeeds' says 'the run succeeded'
	check '  and the timer is active' active $name.timer
	check '  and so is the check timer' active $name-check.timer
	systemctl disable --quiet --now $name.timer $name-check.timer
	rm /usr/bin/$name /usr/lib/systemd/system/$name*
	check 'without the package it is installed again' installs 0 --check-timer

	# Removal.
	check 'it can be removed' installs 0 --uninstall
	check '  with its units' test -z "$(find /etc/systemd -name "*$name*")"
	check '  and its program' test ! -e /usr/local/bin/$name
	check '  and systemd knows none of them' test "$(systemctl list-units --all --plain --no-legend "$name*")" == ''
	check '  and keeps the archive, the settings and the key' test -e /srv/polisen/metadata/last_seen.json -a -e /etc/$name/env -a -e /var/lib/$name/.oci/key.pem
	check 'a second removal succeeds' installs 0 --uninstall
	check '  and changes nothing' says 'nothing to change'
	# The journal reads the messages of this run only after it.
	systemctl kill --signal STOP systemd-journald
	(sleep 3; systemctl kill --signal CONT systemd-journald) &
	check 'it can be installed again' installs 0
	check '  and shows the run' says '500 events: 3 new, '
	check '  which continues the archive' says '; file:///srv/polisen'
	return $((failures > 0))
}

case ${1-} in
'') outside ;;
*) "$1" ;;
esac
