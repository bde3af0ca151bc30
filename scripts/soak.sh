#!/usr/bin/env bash
# Plays random histories of an archive, far more than the tests do.
set -euo pipefail

usage() {
	cat <<'END'
usage: soak.sh [--histories N] [--first SEED]

Plays N random histories of an archive (default 100000) on all cores, with the seeds from
SEED on (default 0). In a history several hosts collect, backfill and repair, while calls
fail and processes are killed. Prints each seed whose history breaks a promise, and the
shortest trace of it. Stops after 10 of them. Exit code 1 means that there was one.

To see the trace of a history: go test -v -run TestHistories ./pkg/simtest -args -first SEED -histories 1 -trace
END
}

histories=100000 first=0
while (($# > 0)); do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--histories | --first)
		if [[ ! ${2-} =~ ^[0-9]+$ ]]; then
			printf 'soak.sh: %s needs a number (see --help)\n' "$1" >&2
			exit 64
		fi
		if [[ $1 == --first ]]; then first=$2; else histories=$2; fi
		shift 2
		;;
	*)
		printf "soak.sh: unknown argument '%s' (see --help)\n" "$1" >&2
		exit 64
		;;
	esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec go test -count=1 -v -timeout 48h -run '^TestHistories$' ./pkg/simtest -args -first "$first" -histories "$histories"
