#!/usr/bin/env bash
# Has cron or systemd run "polisen-events-collector collect" every 30 minutes.
# Running it again changes nothing, or takes over what has changed.
set -euo pipefail

usage() {
	cat <<'END'
usage: install-scheduler.sh [options] cron|systemd

  cron     into the crontab of the user who runs this
  systemd  as a system service and timer with a user of their own (needs root)

options:
  --binary PATH    the program (default /usr/local/bin/polisen-events-collector)
  --env-file PATH  file of settings, NAME=value lines
                   (default none for cron, /etc/polisen-events-collector/env for systemd)
  --unit-dir DIR   where systemd's units go (default /etc/systemd/system)
  --uninstall      undo it; the archive, the settings and the user stay
  --dry-run        show what would be done, and do nothing
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

fail() { # code message...
	local code=$1
	shift
	printf 'install-scheduler: %s\n' "$*" >&2
	exit "$code"
}

# Paths end up in a crontab, a unit file and a sed command: plain ones only.
plain_path() { # option path
	[[ $2 =~ ^/[A-Za-z0-9/._+-]+$ ]] || fail 64 "$1: want an absolute path of letters, digits and . _ + -, not '$2'"
}

while (($# > 0)); do
	case $1 in
	--binary | --env-file | --unit-dir)
		(($# > 1)) || fail 64 "$1: a path is missing"
		plain_path "$1" "$2"
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
		[[ -z $scheduler ]] || fail 64 'give cron or systemd, not several'
		scheduler=$1
		;;
	*) fail 64 "unknown argument '$1' (see --help)" ;;
	esac
	shift
done
[[ -n $scheduler ]] || fail 64 'give cron or systemd (see --help)'
$uninstall || [[ -f $binary && -x $binary ]] || fail 1 "$binary is no program: install it there, or name it with --binary"
case $scheduler in
cron) tool=crontab settings=$env_file ;;
systemd) tool=systemctl settings=${env_file:-/etc/$name/env} ;;
esac
if ! command -v "$tool" >/dev/null; then
	$dry_run || fail 1 "there is no $tool here: install $scheduler, or choose the other scheduler"
	printf 'install-scheduler: note: there is no %s here; this shows the changes on a host that has it\n' "$tool" >&2
fi
if ! $uninstall; then
	[[ -z $env_file || -r $env_file ]] || fail 1 "$env_file cannot be read: write the settings into it first"
	[[ -r $settings ]] ||
		printf 'install-scheduler: note: without %s runs have no settings: they collect into the home folder, and give no contact\n' \
			"${settings:-an --env-file}" >&2
fi

run() {
	if $dry_run; then
		printf 'would run: %s\n' "$*"
	else
		"$@"
	fi
}

begin="# BEGIN $name"
end="# END $name"

# current_crontab prints the user's crontab, empty if there is none. Any other
# failure must not be taken for an empty one, which would then replace it.
current_crontab() {
	local out err
	command -v crontab >/dev/null || return 0 # only a dry run gets here
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

cron_block() {
	local command="$binary collect"
	[[ -z $env_file ]] || command+=" --env-file $env_file"
	printf '%s\n' "$begin"
	sed "s|/usr/local/bin/$name collect|$command|" "$here/crontab"
	printf '%s\n' "$end"
}

with_cron() {
	local old new
	old=$(current_crontab) || fail 1 'cannot read the crontab'
	[[ $(grep -cxF "$begin" <<<"$old") == $(grep -cxF "$end" <<<"$old") ]] ||
		fail 1 "the crontab has '$begin' without '$end': mend it with crontab -e"
	new=$(sed "/^$begin\$/,/^$end\$/d" <<<"$old")
	if ! $uninstall; then
		new=${new:+$new$'\n'}$(cron_block)
	fi
	if [[ $new == "$old" ]]; then
		echo 'the crontab is as it should be'
	elif $dry_run; then
		printf 'would change the crontab:\n'
		diff <(printf '%s\n' "$old") <(printf '%s\n' "$new") || true
	elif [[ -z $new ]]; then
		crontab -r
		echo 'removed from the crontab, which is empty now'
	else
		crontab - <<<"$new"
		echo 'the crontab has been changed'
	fi
}

with_systemd() {
	local unit changed=false work
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder's name is to be taken now
	trap "rm -rf '$work'" EXIT
	if $uninstall; then
		for unit in "$name.timer" "$name.service"; do
			[[ -e $unit_dir/$unit ]] || continue
			[[ $unit == *.service ]] || run systemctl disable --now "$unit"
			run rm -f "$unit_dir/$unit"
			changed=true
		done
		if $changed; then run systemctl daemon-reload; else echo 'the units are gone already'; fi
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
	if $changed; then run systemctl daemon-reload; else echo 'the units are as they should be'; fi
	run systemctl enable --now "$name.timer"
}

"with_$scheduler"
