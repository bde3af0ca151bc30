#!/usr/bin/env bash
# Measures the program and prints the figures next to their budgets. It exits with 1
# if a part does not run. A figure over its budget is not an error, since figures
# depend on the machine.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench.sh

Runs the Go benchmarks and measures the built program: CPU, memory, requests and
time of a run. Prints each figure next to its budget. Takes about two minutes.
END
}

case ${1-} in
'') ;;
-h | --help)
	usage
	exit 0
	;;
*)
	printf "bench.sh: unknown argument '%s' (see --help)\n" "$1" >&2
	exit 64
	;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n== %s\n' "$*"; }

# go_benchmarks PACKAGE NAME... runs these benchmarks. It fails if one of them does
# not exist.
go_benchmarks() {
	local package=$1 out=$work/benchmarks name
	shift
	go test -run '^$' -bench "^Benchmark($(IFS='|' && echo "$*"))\$" "$package" >"$out" || {
		cat "$out" >&2
		return 1
	}
	for name in "$@"; do
		grep "^Benchmark$name-" "$out" || {
			echo "$package has no benchmark $name" >&2
			return 1
		}
	done
}

say 'machine'
go version
printf '%s cores, load %s\n' "$(nproc)" "$(cut -d' ' -f1-3 /proc/loadavg)"

say 'a response of 500 events (budget of Dedup: 20,000,000 ids/s)'
go_benchmarks ./pkg/polisen Parse
go_benchmarks ./pkg/archive Dedup Partition Encode ReadDocument

say 'the built program, stripped'
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$work/program" .
go build -o "$work/bench" ./scripts/bench
printf 'size %s bytes\n' "$(stat -c %s "$work/program")"
"$work/bench" "$work/program"
