#!/usr/bin/env bash
# Installs polisen-events-collector, and makes cron or systemd run it every 30 minutes. A
# second run changes only what differs. See --help.
set -euo pipefail
export LC_ALL=C # the messages of tools, which this script reads

usage() {
	cat <<'END'
usage: install.sh [options] cron|systemd

Installs polisen-events-collector, makes a scheduler run it every 30 minutes, and runs it
once. Run it again to upgrade, or after a failure: it changes only what differs.

  cron     for the user who runs this script: the program in ~/.local/bin, the settings in
           ~/.config/polisen-events-collector/env, and a line in the crontab
  systemd  for the host (needs root): the program in /usr/local/bin, the settings in
           /etc/polisen-events-collector/env, a service with a timer, and the system user
           polisen-events-collector with the home /var/lib/polisen-events-collector

settings, which are written into a new settings file (an existing one stays as it is):
  --contact ADDRESS   your mail or web address, which the API's rules ask for
  --store URL         the archive: a folder, or oci://namespace/bucket[/prefix]
  --set NAME=VALUE    any other setting, such as OCI_AUTH=instance_principal; can be repeated

options:
  --binary PATH       the program (default: that of a package, else the one beside the folder
                      of this script or in it, one installed before, or the one that PATH
                      finds). It is copied, unless a package has installed it
  --env-file PATH     the settings file, if it is not the one above
  --oci-config FILE   copy a profile of this OCI config file and its key to the home of the
                      service, readable only there (systemd)
  --oci-profile NAME  the profile to copy (default DEFAULT)
  --check-timer       also install a timer that checks the health twice an hour (systemd)
  --no-run            do not run the program once
  --uninstall         remove the program, and the crontab line or the units; the archive, the
                      settings and the user stay
  --dry-run           show the changes without making them
  --root DIR          only write the files below DIR, such as a system image: create no user,
                      set no owner, start nothing (systemd)
  -h, --help          show this help

Exit code: 0 done, 1 failed, 64 wrong usage.
END
}

name=polisen-events-collector
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=     # folder before all paths of systemd and of the installed files
live=true # false with --root
scheduler=
binary=
env_file=
oci_config=
oci_profile=
settings=() # NAME=VALUE
check_timer=false
no_run=false
uninstall=false
dry_run=false

# fail CODE MESSAGE... prints the message and exits with the code.
fail() {
	local code=$1
	shift
	printf 'install.sh: %s\n' "$*" >&2
	exit "$code"
}

# check_path OPTION PATH fails unless the path is safe to write into a crontab, a unit file
# and a sed command.
check_path() {
	[[ $2 =~ ^/[A-Za-z0-9/._+@,=-]+$ ]] || fail 64 "$1 '$2': use an absolute path with only letters, digits and . _ + @ , = -"
}

# absolute PATH prints the path as an absolute one.
absolute() {
	case $1 in
	/*) printf '%s\n' "$1" ;;
	*) printf '%s\n' "$PWD/$1" ;;
	esac
}

# add_setting NAME VALUE adds a line for a new settings file. The program and systemd read a
# value in single quotes in the same way.
add_setting() {
	[[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || fail 64 "--set '$1': use NAME=VALUE with the name of a setting"
	[[ -n $2 && $2 != *\'* && $2 != *$'\n'* ]] || fail 64 "the value of $1 is empty, or has a quote or a line break: write it into the settings file"
	[[ $2 != ./* && $2 != ../* ]] || fail 64 "the value of $1 is a relative path, but the scheduler starts runs in another folder: write it from / or ~/ on"
	if [[ $2 =~ ^[A-Za-z0-9/._+@,=:%?\&~-]+$ ]]; then
		settings+=("$1=$2")
	else
		settings+=("$1='$2'")
	fi
}

while (($# > 0)); do
	case $1 in
	--contact | --store | --set | --binary | --env-file | --oci-config | --oci-profile | --root)
		(($# > 1)) || fail 64 "$1 needs a value (see --help)"
		case $1 in
		--contact) add_setting API_CONTACT_EMAIL "$2" ;;
		--store) add_setting POLISEN_STORE "$2" ;;
		--set)
			[[ $2 == *=* ]] || fail 64 "--set '$2': use NAME=VALUE with the name of a setting"
			add_setting "${2%%=*}" "${2#*=}"
			;;
		--binary) binary=$(absolute "$2") ;;
		--env-file) check_path "$1" "$2" && env_file=$2 ;;
		--oci-config) oci_config=$(absolute "$2") ;;
		--oci-profile) oci_profile=$2 ;;
		--root) root=$2 live=false ;;
		esac
		shift
		;;
	--check-timer) check_timer=true ;;
	--no-run) no_run=true ;;
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
if [[ $scheduler == cron ]]; then
	$live || fail 64 '--root works with systemd only: a crontab belongs to a user of a running host'
	! $check_timer || fail 64 '--check-timer works with systemd only: scripts/README.md has a crontab line that checks the health from another host'
	[[ -z $oci_config ]] || fail 64 '--oci-config works with systemd only: under cron the program reads your own ~/.oci/config'
fi
[[ -z $oci_profile || -n $oci_config ]] || fail 64 '--oci-profile names a profile of the file that --oci-config names: give both'
oci_profile=${oci_profile:-DEFAULT}
if ! $live; then
	[[ -d $root ]] || fail 64 "--root $root: create this folder first"
fi
[[ -z $root ]] || root=$(cd "$root" && pwd -P)

user=$name              # of the service
home=/var/lib/$name     # of this user
unit_dir=$root/etc/systemd/system
package_dir=$root/usr/lib/systemd/system # for the units of a package
drop_in=$unit_dir/$name.service.d/writable.conf
case $scheduler in
cron)
	[[ -n ${HOME-} ]] || fail 64 'HOME is not set: set it to the home folder of the user who will run the collector'
	bin_dir=$HOME/.local/bin
	check_path 'the folder for the program' "$bin_dir"
	env_file=${env_file:-${XDG_CONFIG_HOME:-$HOME/.config}/$name/env}
	check_path 'the settings file' "$env_file"
	;;
systemd)
	bin_dir=$root/usr/local/bin
	env_file=${env_file:-/etc/$name/env}
	;;
esac
target=$bin_dir/$name       # the program's path if it is copied
service_owner=              # for the folders of the service; empty with --root
! $live || service_owner=$user:
settings_file=$env_file     # its path for this script, which differs with --root
[[ $scheduler == cron ]] || settings_file=$root$env_file

# attempt WHAT COMMAND... runs the command. If it fails, the script ends with one line.
attempt() {
	local what=$1 output
	shift
	output=$("$@" 2>&1) ||
		fail 1 "cannot $what: $(printf '%s' "$output" | tr '\n' ' '): correct this, and run the same command again, which continues"
}

changed=false # whether this run changed anything
ran=false     # whether this run started the program
# change WHAT COMMAND... prints what changes, and runs the command unless this is a dry run.
change() {
	changed=true
	if $dry_run; then
		printf 'would %s\n' "$1"
	else
		printf '%s\n' "$1"
		attempt "$@"
	fi
}

# put PATH MODE [OWNER] replaces the file by stdin, whole or not at all.
put() {
	mkdir -p "$(dirname "$1")" && (umask 077 && cat >"$1.new") && chmod "$2" "$1.new" || return 1
	[[ -z ${3-} ]] || chown "$3" "$1.new" || return 1
	mv -f "$1.new" "$1"
}

# runs PATH reports whether the program runs from this path, and prints the reason if it does
# not.
runs() {
	local output code=0
	output=$("$1" version 2>&1) || code=$?
	case $code:$output in
	0:"$name "*) return ;;
	0:*) echo "it is not $name: \"version\" prints ${output%%$'\n'*}" ;;
	126:*'Exec format error'*) echo "it was built for another system or processor than this host ($(uname -sm))" ;;
	126:*) echo "this host cannot run programs from the folder ${1%/*}: its file system may be mounted noexec" ;;
	127:*) echo 'it needs libraries that this host does not have: build it with CGO_ENABLED=0' ;;
	*) echo "it ends with exit code $code: ${output%%$'\n'*}" ;;
	esac
	return 1
}

# hidden PATH reports whether the service cannot see the path (ProtectHome=, PrivateTmp=).
hidden() {
	case $1/ in
	/home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/*) return 0 ;;
	*) return 1 ;;
	esac
}

# resolve PATH prints the path without symbolic links, and without the folder of --root.
resolve() {
	local path
	path=$(readlink -f "$1" 2>/dev/null) || path=$1
	printf '%s\n' "${path#"$root"}"
}

# package_program prints the program that the units of an installed package run.
package_program() {
	local path
	[[ $scheduler == systemd && -e $package_dir/$name.service ]] || return 0
	path=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$package_dir/$name.service")
	printf '%s\n' "$root$path"
}

# find_binary sets binary to the program to use, and fails if this host cannot run it.
find_binary() {
	local reason candidate packaged
	packaged=$(package_program)
	if [[ -n $packaged ]]; then
		[[ -z $binary || $binary == "$packaged" ]] ||
			fail 1 "a package has installed $packaged and its units: leave --binary out, or remove the package"
		[[ $env_file == "/etc/$name/env" ]] ||
			fail 1 "a package has installed units that read /etc/$name/env: leave --env-file out, or remove the package"
		binary=$packaged
	elif [[ -z $binary ]]; then
		for candidate in "${here%/*}/$name" "$here/$name" "$target" "$(command -v "$name" || true)"; do
			[[ -n $binary || ! -f $candidate ]] || binary=$candidate
		done
		[[ -n $binary ]] || fail 1 "there is no program ${here%/*}/$name: build it there with CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' ., or set --binary"
	fi
	[[ -f $binary ]] || fail 1 "$binary is not a file: build the program there, or set --binary"
	[[ -x $binary ]] || fail 1 "$binary is not executable: run chmod +x $binary"
	reason=$(runs "$binary") || fail 1 "cannot use $binary: $reason"
}

# in_place reports whether a package or an earlier run has put the program where it can stay.
in_place() {
	case $binary in
	"$target" | "$root"/usr/bin/"$name" | "$root"/usr/local/bin/"$name") ;;
	*) return 1 ;;
	esac
	[[ $scheduler == cron ]] || ! hidden "$(resolve "$binary")"
}

# install_binary copies the program to where the scheduler finds it, and sets program to its
# path there.
install_binary() {
	if in_place; then
		program=${binary#"$root"}
		return
	fi
	program=${target#"$root"}
	if ! cmp -s "$binary" "$target" || [[ -L $target || ! -x $target ]]; then
		change "copy $binary to $target" copy_binary
	fi
}

# copy_binary replaces the target by the program, if it can be run from there.
copy_binary() {
	mkdir -p "$bin_dir" && cp "$binary" "$target.new" && chmod 0755 "$target.new" || return 1
	if ! runs "$target.new"; then
		rm -f "$target.new"
		return 1
	fi
	mv -f "$target.new" "$target"
}

# setting NAME prints the value of the setting in the settings file, or in the new one that a
# dry run does not write.
setting() {
	local text
	if [[ -r $settings_file ]] && ! $fill; then
		text=$(cat "$settings_file")
	else
		text=$new_settings
	fi
	text=${text#$'\357\273\277'} # a byte order mark, which some editors write
	printf '%s\n' "$text" | tr -d '\r' | sed -n "s/^[[:blank:]]*$1[[:blank:]]*=[[:blank:]]*//p" | tail -n 1 |
		sed "s/[[:blank:]]*\$//; s/^'\(.*\)'\$/\1/; s/^\"\(.*\)\"\$/\1/"
}

# with_settings NAME=VALUE... prints the template with these settings.
with_settings() {
	local text line
	text=$(cat "$here/env")
	for line in "$@"; do
		text=$(printf '%s\n' "$text" | LINE=$line awk '
			BEGIN { line = ENVIRON["LINE"]; name = substr(line, 1, index(line, "=")) }
			!found && (index($0, name) == 1 || index($0, "#" name) == 1) { print line; found = 1; next }
			{ print }
			END { if (!found) print line }')
	done
	printf '%s\n' "$text"
}

# plan_settings decides whether the settings file is to be written (fill), and fails if the
# command line asks for settings that an existing file does not have.
plan_settings() {
	local line value defaults=()
	[[ $scheduler == systemd ]] || defaults=('POLISEN_STORE=~/polisen-events')
	new_settings=$(with_settings ${defaults[@]+"${defaults[@]}"} ${settings[@]+"${settings[@]}"})
	fill=false
	if [[ ! -e $settings_file ]] || { ((${#settings[@]} > 0)) && cmp -s "$here/env" "$settings_file"; }; then
		fill=true
	elif [[ -r $settings_file ]]; then
		for line in ${settings[@]+"${settings[@]}"}; do
			value=${line#*=}
			[[ $value != \'* ]] || value=${value:1:${#value}-2}
			[[ $(setting "${line%%=*}") == "$value" ]] ||
				fail 1 "$settings_file exists and does not have this ${line%%=*}: change it there, and leave the option out"
		done
	else
		$dry_run || fail 1 "$settings_file cannot be read: correct its owner or mode"
	fi
}

# write_settings MODE [OWNER] writes a new settings file.
write_settings() {
	! $fill || change "write the settings file $settings_file" put "$settings_file" "$@" <<<"$new_settings"
}

# note_shell_settings names settings that only this shell has.
note_shell_settings() {
	local variable
	for variable in $("$binary" help environment | grep -oE '^[A-Z][A-Z_]+(, [A-Z][A-Z_]+)*' | tr -d ,); do
		[[ $variable == HOME || $variable == POLISEN_ENV_FILE || -z ${!variable-} || -n $(setting "$variable") ]] ||
			printf 'note: %s is set in this shell, but not in %s: %s will not have it\n' "$variable" "$settings_file" "$scheduler"
	done
}

# explain CODE prints the meaning of an exit code of the program or of systemd, and the next
# step.
explain() {
	local meaning next
	meaning=$("$binary" help exit-codes 2>/dev/null | sed -n "s/^  *$1  *//p") || true
	case $1 in
	3) next='the warnings above say what to look at' ;;
	4) next="check the network, and set HTTPS_PROXY in $env_file if this host needs a proxy" ;;
	5) next='check that the user may write to the archive and that its disk is not full; or, for a bucket, check the network' ;;
	6) next='check the credentials and permissions that the message names' ;;
	8) next='wait: the next run continues' ;;
	64) next="correct $env_file" ;;
	200) meaning='systemd cannot use the home folder' next="check that the user $user may use $home" ;;
	203) meaning='systemd cannot execute the program' next="check that the user $user may execute $program" ;;
	217) meaning='systemd does not know the user' next="check the user $user with: id $user" ;;
	226) meaning='systemd cannot set up the protection of the service' next="check that the folders in $drop_in exist" ;;
	*) next='see the messages above' ;;
	esac
	printf 'exit code %s (%s): %s' "$1" "${meaning:-no exit code of the program}" "$next"
}

# report_run CODE RETRY prints the result of the run, and fails if it failed.
report_run() {
	case $1 in
	0) echo 'the run succeeded' ;;
	3 | 8) printf 'the run ended with %s\n' "$(explain "$1")" ;;
	*) fail 1 "the run failed with $(explain "$1"); then try again with: $2" ;;
	esac
}

begin="# BEGIN $name"
end="# END $name"

# current_crontab prints the user's crontab, or nothing if there is none. It fails if the
# crontab cannot be read: otherwise the script would replace it.
current_crontab() {
	local out err
	command -v crontab >/dev/null || return 0 # in a dry run
	err=$(mktemp)
	if ! out=$(crontab -l 2>"$err"); then
		if ! grep -q 'no crontab for' "$err"; then
			tr '\n' ' ' <"$err"
			rm -f "$err"
			return 1
		fi
		out=
	fi
	rm -f "$err"
	[[ -z $out ]] || printf '%s\n' "$out"
}

# cron_minute prints a minute from 1 to 29. It depends on the host's name, so that hosts call
# the API at different times, and never on the full or half hour.
cron_minute() {
	local sum
	sum=$(uname -n | cksum)
	echo $((${sum%% *} % 29 + 1))
}

# cron_block prints the lines for the crontab.
cron_block() {
	local minute
	minute=$(cron_minute)
	printf '%s\n' "$begin"
	sed -e "s|^7,37 |$minute,$((minute + 30)) |" \
		-e "s|/usr/local/bin/$name collect|$program collect --env-file $env_file|" "$here/crontab"
	printf '%s\n' "$end"
}

# change_crontab NEW OLD makes NEW the crontab.
change_crontab() {
	if [[ $1 == "$2" ]]; then
		return
	elif $dry_run; then
		change 'change the crontab:'
		diff <(printf '%s\n' "$2") <(printf '%s\n' "$1") || true
	elif [[ -z $1 ]]; then
		change 'remove the crontab, which has no other lines' crontab -r
	else
		change 'change the crontab' crontab - <<<"$1"
	fi
}

# with_cron installs or removes everything for cron.
with_cron() {
	local old others new code=0
	if ! command -v crontab >/dev/null; then
		$dry_run || fail 1 'crontab is not installed: install cron (on Debian: apt-get install cron), or choose systemd'
		echo 'install.sh: note: crontab is not installed; these are the changes on a host that has it' >&2
	fi
	old=$(current_crontab) || fail 1 "cannot read the crontab: $old: correct this first"
	[[ $(grep -cxF "$begin" <<<"$old") == $(grep -cxF "$end" <<<"$old") ]] ||
		fail 1 "the crontab does not have both lines '$begin' and '$end': correct it with crontab -e"
	others=$(sed "/^$begin\$/,/^$end\$/d" <<<"$old")
	if $uninstall; then
		change_crontab "$others" "$old"
		remove_binary
		return
	fi
	plan_settings
	find_binary
	install_binary
	write_settings 0600
	new=${others:+$others$'\n'}$(cron_block)
	change_crontab "$new" "$old"
	note_shell_settings
	if ! $no_run && ! $dry_run && { $changed || ! "$program" verify --quick --env-file "$env_file" >/dev/null 2>&1; }; then
		ran=true
		echo "run the program once: $program collect --env-file $env_file"
		LOG_LEVEL=info "$program" collect --env-file "$env_file" || code=$?
		report_run "$code" "$program collect --env-file $env_file"
	fi
}

# remove_binary removes the copy of the program.
remove_binary() {
	[[ ! -e $target && ! -L $target ]] || change "remove $target" rm -f "$target"
}

# owner prints the owner of the settings file, or nothing with --root.
owner() {
	! $live || echo "root:$(id -gn "$user" 2>/dev/null || echo "$user")"
}

# as_user COMMAND... runs the command as the user of the service. In the home of the service
# root writes nothing, since that user could have put links to other files there.
as_user() {
	if $live; then
		(cd / && runuser -u "$user" -- "$@")
	else
		"$@"
	fi
}

# put_private NAME writes stdin to a file that only the service can read.
put_private() {
	# shellcheck disable=SC2016 # the inner shell expands these
	as_user sh -c 'umask 077 && mkdir -p "$1" && cat >"$1/$2.new" && mv -f "$1/$2.new" "$1/$2"' sh "$root$home/.oci" "$1"
}

# secure_oci gives the OCI config file and the key to the service alone.
secure_oci() {
	if $live; then
		find "$root$home/.oci" \( -type f -o -type d \) -execdir chown -h "$user:" {} + || return 1
	fi
	as_user find "$root$home/.oci" -type d -exec chmod 0700 {} + &&
		as_user find "$root$home/.oci" -type f -exec chmod 0600 {} +
}

# read_profile prints the entries of the profile, and those that it has from [DEFAULT], as a
# profile [DEFAULT] whose key is in the home of the service. It writes the profile's key_file
# to the file that FILE names.
read_profile() {
	FILE=$work/key_file awk -v want="$oci_profile" -v key="$home/.oci/key.pem" '
		{ sub(/\r$/, ""); sub(/^[ \t]+/, ""); sub(/[ \t]+$/, "") }
		/^\[/ { section = $0; sub(/^\[[ \t]*/, "", section); sub(/[ \t]*\].*/, "", section); if (section == want) found = 1; next }
		/^[#;]/ || !index($0, "=") { next }
		section == "DEFAULT" || section == want {
			name = tolower(substr($0, 1, index($0, "=") - 1)); sub(/[ \t]+$/, "", name)
			value = substr($0, index($0, "=") + 1); sub(/^[ \t]+/, "", value)
			if (!(name in values)) order[++n] = name
			if (section == want || !(name in own)) values[name] = value
			if (section == want) own[name] = 1
		}
		END {
			if (!found) exit 3
			print "[DEFAULT]"
			for (i = 1; i <= n; i++) print order[i] "=" (order[i] == "key_file" ? key : values[order[i]])
			print values["key_file"] >ENVIRON["FILE"]
		}' "$oci_config"
}

# plan_oci reads the OCI config file and sets oci_text and oci_key, the path of its key.
plan_oci() {
	[[ -n $oci_config ]] || return 0
	[[ -r $oci_config ]] || fail 1 "$oci_config cannot be read: create it with \"oci setup config\", or correct --oci-config"
	oci_config=$(readlink -f "$oci_config")
	oci_text=$(read_profile) || fail 1 "$oci_config has no profile [$oci_profile]: choose another one with --oci-profile"
	[[ $oci_text != *$'\nsecurity_token_file='* ]] ||
		fail 1 "the profile [$oci_profile] of $oci_config is a session, which expires: choose a profile with an API key"
	oci_key=$(cat "$work/key_file")
	# shellcheck disable=SC2088 # the file has this text
	case $oci_key in
	'') fail 1 "the profile [$oci_profile] of $oci_config has no key_file: choose a profile with an API key" ;;
	'~/'*)
		if [[ $oci_config == */.oci/* ]]; then
			oci_key=${oci_config%/.oci/*}/${oci_key#??}
		else
			oci_key=$HOME/${oci_key#??}
		fi
		;;
	esac
	[[ -f $oci_key && -r $oci_key ]] || fail 1 "$oci_key, the key_file of $oci_config, cannot be read: correct the path there"
}

# install_oci copies the OCI config file and the key, and makes them readable to the service
# alone.
install_oci() {
	local dir=$root$home/.oci wrong=
	if [[ -n $oci_config ]]; then
		cmp -s "$oci_key" "$dir/key.pem" || change "copy the key $oci_key to $dir/key.pem" put_private key.pem <"$oci_key"
		[[ $oci_text == "$(cat "$dir/config" 2>/dev/null)" ]] ||
			change "copy the profile [$oci_profile] of $oci_config to $dir/config" put_private config <<<"$oci_text"
	fi
	[[ -d $dir ]] || return 0
	if $live && id -u "$user" >/dev/null 2>&1; then
		wrong=$(find "$dir" \( -type f -o -type d \) ! -user "$user" 2>/dev/null | head -n 1)
	fi
	[[ -n $wrong ]] || wrong=$(find "$dir" \( -type f -o -type d \) -perm /077 2>/dev/null | head -n 1)
	[[ -z $wrong ]] || change "make $dir readable to the user $user alone" secure_oci
}

# needs_oci_config reports whether the service needs an OCI config file that is missing.
needs_oci_config() {
	local variable store
	store=$(setting POLISEN_STORE)
	[[ $store == oci:* || -z $store && -n $(setting OCI_NAMESPACE) ]] || return 1
	case $(setting OCI_AUTH) in '' | api_key) ;; *) return 1 ;; esac
	for variable in OCI_CONFIG_FILE OCI_CLI_CONFIG_FILE OCI_CLI_KEY_CONTENT OCI_CLI_AUTH OCI_VAULT_ID OCI_VAULT_NAME; do
		[[ -z $(setting "$variable") ]] || return 1
	done
	[[ -z $oci_config && ! -e $root$home/.oci/config ]]
}

# check_paths fails if the program would be in a folder that the service cannot see, or if a
# setting names such a path, or one that cannot be written into a unit.
check_paths() {
	local variable path
	if ! in_place && hidden "$(resolve "$bin_dir")"; then
		fail 1 "$bin_dir is a link to $(resolve "$bin_dir"), which the service cannot see: make it a folder"
	fi
	while IFS= read -r path; do
		[[ -z $path ]] || check_path 'the folder' "$path"
	done < <(writable)
	for variable in POLISEN_STORE POLISEN_STATE_DIR POLISEN_METRICS_FILE OCI_CONFIG_FILE OCI_CLI_CONFIG_FILE SSL_CERT_FILE; do
		path=$(setting "$variable")
		path=${path#file://}
		if [[ $path == /* ]] && hidden "$(resolve "$root$path")"; then
			fail 1 "the service cannot see $path ($variable), since it is below a home folder or a folder for temporary files: choose a path such as $home/${path##*/}"
		fi
	done
}

# writable prints the folders outside its home that the service writes to.
writable() {
	local variable path
	for variable in POLISEN_STORE POLISEN_STATE_DIR POLISEN_METRICS_FILE; do
		path=$(setting "$variable")
		path=${path#file://}
		[[ $variable != POLISEN_METRICS_FILE ]] || path=${path%/*}
		case $path in
		"$home" | "$home"/* | '~'* | [!/]* | '') ;;
		*) printf '%s\n' "$path" ;;
		esac
	done
}

# install_writable creates these folders, and lets the service write there.
install_writable() {
	local path text=
	while IFS= read -r path; do
		[[ -d $root$path ]] || change "create the folder $root$path" make_folder "$root$path" "$service_owner"
		text+="RequiresMountsFor=$path"$'\n'
	done < <(writable)
	if [[ -n $text ]]; then
		put_unit "$drop_in" "# Folders outside the home of the service that it writes to, from $env_file.
[Unit]
${text}
[Service]
${text//RequiresMountsFor=/ReadWritePaths=}"
	elif [[ -e $drop_in ]]; then
		change "remove $drop_in" rm -f "$drop_in"
	fi
}

# make_folder PATH [OWNER] creates the folder, with its mode and owner or not at all.
make_folder() {
	mkdir -p "$1.new" && chmod 0750 "$1.new" || return 1
	[[ -z ${2-} ]] || chown "$2" "$1.new" || return 1
	mv "$1.new" "$1"
}

# put_unit PATH TEXT writes a file of a unit if it differs.
put_unit() {
	[[ ${2%$'\n'} == "$(cat "$1" 2>/dev/null)" ]] || change "write $1" put "$1" 0644 <<<"${2%$'\n'}"
}

# systemd_value PROPERTY prints a property of the service.
systemd_value() {
	systemctl show --property "$1" --value "$name.service"
}

# units prints the units that are installed or to be installed.
units() {
	printf '%s\n' "$name.service" "$name.timer"
	if $check_timer || [[ -e $unit_dir/$name-check.timer ]]; then
		printf '%s\n' "$name-check.service" "$name-check.timer"
	fi
}

# install_units writes the units, or uses those of a package.
install_units() {
	local unit
	if [[ -n $(package_program) ]]; then
		for unit in $(units); do
			[[ ! -e $unit_dir/$unit ]] || change "remove $unit_dir/$unit, which hides the unit of the package" rm -f "$unit_dir/$unit"
		done
		return
	fi
	for unit in $(units); do
		put_unit "$unit_dir/$unit" "$(sed -e "s|^ExecStart=[^ ]*|ExecStart=$program|" \
			-e "s|^EnvironmentFile=.*|EnvironmentFile=$env_file|" "$here/$unit")"
	done
}

# start_timers makes systemd run the timers now and after each boot.
start_timers() {
	local timer
	for timer in $(units | grep '\.timer$'); do
		if ! systemctl is-enabled --quiet "$timer" 2>/dev/null || ! systemctl is-active --quiet "$timer"; then
			change "start $timer, now and at each boot" systemctl enable --now "$timer"
		fi
	done
}

# run_service runs the service once and shows its messages, unless nothing has changed since a
# successful run.
run_service() {
	local code result invocation pid
	if ! $changed && [[ -n $(systemd_value ExecMainStartTimestamp) && $(systemd_value ExecMainStatus) =~ ^[03]$ ]]; then
		return
	fi
	ran=true
	echo 'run the service once; its messages are:'
	systemctl start "$name.service" >/dev/null 2>&1 || true # the exit code follows
	code=$(systemd_value ExecMainStatus)
	result=$(systemd_value Result)
	invocation=$(systemd_value InvocationID)
	pid=$(systemd_value ExecMainPID)
	journalctl --sync >/dev/null 2>&1 || true
	# The journal does not know the invocation of a process that ended before it looked.
	journalctl --quiet --no-pager --output cat --boot "_SYSTEMD_INVOCATION_ID=$invocation" + "INVOCATION_ID=$invocation" \
		+ "_PID=$pid" "SYSLOG_IDENTIFIER=$name" | sed 's/^/  /'
	case $result in
	success | exit-code) report_run "$code" "systemctl start $name" ;;
	*) fail 1 "the run failed (systemd calls the reason $result): see the messages above, then try again with: systemctl start $name" ;;
	esac
}

# with_systemd installs or removes everything for systemd.
with_systemd() {
	if $live && ! $dry_run; then
		[[ $(id -u) == 0 ]] || fail 1 'systemd needs root: run this with sudo, or choose cron'
		[[ -d $root/run/systemd/system ]] || fail 1 'systemd does not run on this host: choose cron'
	fi
	if $uninstall; then
		uninstall_systemd
		return
	fi
	plan_settings
	plan_oci
	find_binary
	check_paths
	if $live && ! id -u "$user" >/dev/null 2>&1; then
		change "create the system user $user" \
			useradd --system --user-group --no-create-home --home-dir "$home" --shell /usr/sbin/nologin "$user"
	fi
	if [[ ! -d $root$home ]]; then
		change "create the folder $root$home" make_folder "$root$home" "$service_owner"
	elif $live && [[ -z $(find "$root$home" -maxdepth 0 -user "$user" 2>/dev/null) ]]; then
		change "make the user $user the owner of $root$home" chown "$user:" "$root$home"
	fi
	install_binary
	if [[ ! -d ${settings_file%/*} ]]; then
		change "create the folder ${settings_file%/*}" make_folder "${settings_file%/*}" "$(owner)"
	fi
	write_settings 0640 "$(owner)"
	if $live && ! $dry_run && [[ $env_file == "/etc/$name/env" ]] && ! as_user test -r "$settings_file"; then
		change "make $settings_file readable to the user $user" share_settings
	fi
	install_oci
	install_units
	install_writable
	if ! $live; then
		printf 'then, on the host: create the user with useradd --system --user-group --home-dir %s --shell /usr/sbin/nologin %s, and run install.sh systemd\n' "$home" "$user"
		return
	fi
	note_shell_settings
	$dry_run || attempt 'make systemd read the units' systemctl daemon-reload
	if needs_oci_config && ! $dry_run; then
		fail 1 "the archive is a bucket, and the service has no OCI config file: run this again with --oci-config FILE, or put the file and its key into $home/.oci (with key_file=$home/.oci/key.pem) and run this again, which sets their owner and starts the timer; on an OCI instance set OCI_AUTH=instance_principal in $env_file"
	fi
	start_timers
	$no_run || $dry_run || run_service
}

# share_settings lets the user of the service read the settings file and its folder, which hold
# nothing else, for commands that an administrator runs as this user.
share_settings() {
	chown "$(owner)" "${settings_file%/*}" "$settings_file" && chmod 0750 "${settings_file%/*}" && chmod 0640 "$settings_file"
}

# uninstall_systemd stops and removes the units, then the program.
uninstall_systemd() {
	local unit
	for unit in "$name-check.timer" "$name.timer" "$name-check.service" "$name.service"; do
		if [[ ! -e $unit_dir/$unit ]]; then
			if $live && [[ $unit == *.timer && -e $package_dir/$unit ]] && systemctl is-enabled --quiet "$unit"; then
				change "stop $unit; remove the package to remove its units" systemctl disable --now "$unit"
			fi
			continue
		fi
		if $live; then
			case $unit in
			*.timer) change "stop $unit" systemctl disable --now "$unit" ;;
			*) change "stop $unit" systemctl stop "$unit" ;;
			esac
		fi
		change "remove $unit_dir/$unit" rm -f "$unit_dir/$unit"
	done
	[[ ! -e $drop_in ]] || change "remove $drop_in" rm -f "$drop_in"
	$dry_run || rmdir "${drop_in%/*}" 2>/dev/null || true # it may hold other files, or be missing
	if $live && ! $dry_run; then
		attempt 'make systemd read the units' systemctl daemon-reload
		systemctl reset-failed "$name*" >/dev/null 2>&1 || true # there may be none
	fi
	remove_binary
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"with_$scheduler"

$changed || $ran || echo 'nothing to change'
if $dry_run; then
	exit
fi
if $uninstall; then
	if [[ $scheduler == systemd ]]; then
		printf 'these stay: the settings (%s), the user %s and its home %s with the OCI key, the state folder and the archive, if POLISEN_STORE names no other place\n' "$settings_file" "$user" "$home"
	else
		printf 'these stay: the settings (%s), the archive that they name, and ~/.local/state/%s\n' "$settings_file" "$name"
	fi
	exit
fi
[[ -n $(setting API_CONTACT_EMAIL)$(setting API_USER_AGENT) ]] ||
	printf 'next: set API_CONTACT_EMAIL in %s, which the API'\''s rules ask for\n' "$settings_file"
case $scheduler:$live in
cron:*) printf 'the program is %s, and the settings are in %s; cron mails the output of failed runs: set MAILTO with crontab -e\n' "$program" "$env_file" ;;
systemd:true) printf 'the program is %s, and the settings are in %s; see the runs with: journalctl -u %s\n' "$program" "$env_file" "$name" ;;
esac
