#!/usr/bin/env bash
# Makes cron or systemd run "polisen-events-collector collect" every 30 minutes, or
# removes that schedule. A second run changes only what differs. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: install-scheduler.sh [options] cron|systemd

Makes a scheduler run "polisen-events-collector collect" every 30 minutes.

  cron     adds a line to the crontab of the user who runs this script
  systemd  installs a service and a timer, and creates the system user
           polisen-events-collector for them (needs root)

options:
  --binary PATH    the program (default /usr/local/bin/polisen-events-collector)
  --env-file PATH  the file with the settings as NAME=value lines
                   (default for systemd: /etc/polisen-events-collector/env; for cron: none)
  --unit-dir DIR   the folder for systemd units (default /etc/systemd/system)
  --uninstall      remove the crontab lines or units; keep the archive, settings and user
  --dry-run        show the changes without making them
  -h, --help       show this help

Exit code: 0 done, 1 failed, 64 wrong usage.
END
}

name=polisen-events-collector
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=/usr/local/bin/$name
env_file=
unit_dir=/etc/systemd/system
uninstall=false
dry_run=false
scheduler=

# fail CODE MESSAGE... prints the message and exits with the code.
fail() {
	local code=$1
	shift
	printf 'install-scheduler: %s\n' "$*" >&2
	exit "$code"
}

# check_path OPTION PATH fails unless the path is safe to write into a crontab, a
# unit file and a sed command.
check_path() {
	[[ $2 =~ ^/[A-Za-z0-9/._+-]+$ ]] || fail 64 "$1 '$2': use an absolute path with only letters, digits and . _ + -"
}

while (($# > 0)); do
	case $1 in
	--binary | --env-file | --unit-dir)
		(($# > 1)) || fail 64 "$1 needs a path"
		check_path "$1" "$2"
		case $1 in
		--binary) binary=$2 ;;
		--env-file) env_file=$2 ;;
		--unit-dir) unit_dir=$2 ;;
		esac
		shift
		;;
	--uninstall) uninstall=true ;;
	--dry-run) dry_run=true ;;
	-h | --help)
		usage
		exit 0
		;;
	cron | systemd)
		[[ -z $scheduler ]] || fail 64 'choose one scheduler: cron or systemd (see --help)'
		scheduler=$1
		;;
	*) fail 64 "unknown argument '$1' (see --help)" ;;
	esac
	shift
done
[[ -n $scheduler ]] || fail 64 'choose a scheduler: cron or systemd (see --help)'
$uninstall || [[ -f $binary && -x $binary ]] || fail 1 "$binary is not an executable file: install the program there, or set --binary"
case $scheduler in
cron) tool=crontab settings=$env_file ;;
systemd) tool=systemctl settings=${env_file:-/etc/$name/env} ;;
esac
if ! command -v "$tool" >/dev/null; then
	$dry_run || fail 1 "$tool is not installed: install $scheduler, or choose the other scheduler"
	printf 'install-scheduler: note: %s is not installed; these are the changes on a host that has it\n' "$tool" >&2
fi
if ! $uninstall; then
	[[ -z $env_file || -r $env_file ]] || fail 1 "$env_file cannot be read: create it with the settings first"
	if [[ -z $settings ]]; then
		echo 'install-scheduler: note: without --env-file, runs store events in the home folder and send no contact address' >&2
	elif [[ ! -r $settings ]]; then
		printf 'install-scheduler: note: %s cannot be read: until it exists, runs store events in the home folder and send no contact address\n' "$settings" >&2
	fi
fi

# run COMMAND... runs the command, or shows it in a dry run.
run() {
	if $dry_run; then
		printf 'would run: %s\n' "$*"
	else
		"$@"
	fi
}

begin="# BEGIN $name"
end="# END $name"

# current_crontab prints the user's crontab, or nothing if there is none. It fails
# if the crontab cannot be read: as an empty one, the script would replace it.
current_crontab() {
	local out err
	command -v crontab >/dev/null || return 0 # in a dry run
	err=$(mktemp)
	if ! out=$(LC_ALL=C crontab -l 2>"$err"); then
		if ! grep -q 'no crontab for' "$err"; then
			cat "$err" >&2
			rm -f "$err"
			return 1
		fi
		out=
	fi
	rm -f "$err"
	[[ -z $out ]] || printf '%s\n' "$out"
}

# cron_block prints the lines to add to the crontab.
cron_block() {
	local command="$binary collect"
	[[ -z $env_file ]] || command+=" --env-file $env_file"
	printf '%s\n' "$begin"
	sed "s|/usr/local/bin/$name collect|$command|" "$here/crontab"
	printf '%s\n' "$end"
}

# with_cron changes the crontab.
with_cron() {
	local old new
	old=$(current_crontab) || fail 1 'cannot read the crontab: see the message above'
	[[ $(grep -cxF "$begin" <<<"$old") == $(grep -cxF "$end" <<<"$old") ]] ||
		fail 1 "the crontab does not have both lines '$begin' and '$end': correct it with crontab -e"
	new=$(sed "/^$begin\$/,/^$end\$/d" <<<"$old")
	if ! $uninstall; then
		new=${new:+$new$'\n'}$(cron_block)
	fi
	if [[ $new == "$old" ]]; then
		echo 'the crontab is up to date'
	elif $dry_run; then
		printf 'would change the crontab:\n'
		diff <(printf '%s\n' "$old") <(printf '%s\n' "$new") || true
	elif [[ -z $new ]]; then
		crontab -r
		echo 'removed the crontab, which had no other lines'
	else
		crontab - <<<"$new"
		echo 'changed the crontab'
	fi
}

# with_systemd installs or removes the units.
with_systemd() {
	local unit changed=false work
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # expand $work now
	trap "rm -rf '$work'" EXIT
	if $uninstall; then
		for unit in "$name.timer" "$name.service"; do
			[[ -e $unit_dir/$unit ]] || continue
			[[ $unit == *.service ]] || run systemctl disable --now "$unit"
			run rm -f "$unit_dir/$unit"
			changed=true
		done
		if $changed; then run systemctl daemon-reload; else echo 'the units are not installed'; fi
		return
	fi
	id -u "$name" >/dev/null 2>&1 ||
		run useradd --system --user-group --no-create-home --home-dir "/var/lib/$name" --shell /usr/sbin/nologin "$name"
	for unit in "$name.service" "$name.timer"; do
		sed -e "s|^ExecStart=[^ ]*|ExecStart=$binary|" \
			-e "${env_file:+s|^EnvironmentFile=.*|EnvironmentFile=$env_file|}" "$here/$unit" >"$work/$unit"
		if ! cmp -s "$work/$unit" "$unit_dir/$unit"; then
			run install -m 0644 "$work/$unit" "$unit_dir/$unit"
			changed=true
		fi
	done
	if $changed; then run systemctl daemon-reload; else echo 'the units are up to date'; fi
	run systemctl enable --now "$name.timer"
}

"with_$scheduler"
