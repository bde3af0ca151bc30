#!/usr/bin/env bash
# Plays random histories of an archive, far more than the tests do, and then runs all fuzz
# targets.
set -euo pipefail

usage() {
	cat <<'END'
usage: soak.sh [--histories N] [--first SEED] [--fuzz SECONDS]

Plays N random histories of an archive (default 100000, 0 for none) on all cores, with the
seeds from SEED on (default 0). In a history several hosts collect, backfill and repair,
while calls fail and processes are killed. Prints each seed whose history breaks a promise,
and the shortest trace of it. Stops after 10 of them.

Then runs the fuzz targets of all packages, one after the other and each for an equal share
of SECONDS (default 3600, 0 for none), at least for a second. Goes on after a target that
fails. Its input is then in testdata/fuzz of the package, where the tests find it.

Names what failed at the end, with the exit code 1.

To see the trace of a history: go test -v -run TestHistories ./pkg/simtest -args -first SEED -histories 1 -trace
END
}

histories=100000 first=0 fuzz=3600
while (($# > 0)); do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--histories | --first | --fuzz)
		if [[ ! ${2-} =~ ^(0|[1-9][0-9]*)$ ]]; then
			printf 'soak.sh: %s needs a number (see --help)\n' "$1" >&2
			exit 64
		fi
		case $1 in
		--histories) histories=$2 ;;
		--first) first=$2 ;;
		--fuzz) fuzz=$2 ;;
		esac
		shift 2
		;;
	*)
		printf "soak.sh: unknown argument '%s' (see --help)\n" "$1" >&2
		exit 64
		;;
	esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run_target FOLDER TARGET SECONDS runs a fuzz target for that long.
run_target() {
	# Without a limit, Go spends up to a minute on a single input to make it smaller.
	go test -timeout 48h -run '^$' -fuzz "^$2\$" -fuzztime "${3}s" -fuzzminimizetime 1s "./$1" </dev/null | tee "$work/output" && return
	# Go 1.26 sometimes fails when the time is over, without a failing input: https://go.dev/issue/75804.
	grep -q '^ *context deadline exceeded$' "$work/output" && ! grep -q 'Failing input written to' "$work/output"
}

failed=()
if ((histories > 0)); then
	# Rare garbage collections save a quarter of the time and use some 200 MB of memory.
	GOGC=${GOGC-1000} go test -count=1 -v -timeout 48h -run '^TestHistories$' ./pkg/simtest -args -first "$first" -histories "$histories" || failed+=(TestHistories)
fi

if ((fuzz > 0)); then
	# Each line is a folder and the name of a target.
	targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' pkg cmd | sed -E 's|^(.*)/[^/]*:func |\1 |' | LC_ALL=C sort)
	count=$(wc -l <<<"$targets")
	share=$((fuzz / count > 0 ? fuzz / count : 1))
	while read -r folder target; do
		printf '%s in ./%s for %d s\n' "$target" "$folder" "$share"
		run_target "$folder" "$target" "$share" || failed+=("$target")
	done <<<"$targets"
fi
if ((${#failed[@]} > 0)); then
	printf 'soak.sh: failed: %s\n' "${failed[*]}" >&2
	exit 1
fi
