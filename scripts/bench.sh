#!/usr/bin/env bash
# Prints what a run costs, beside the budgets. Nothing is judged, since figures
# depend on the machine, but whatever does not run is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n== %s\n' "$*"; }

# go_benchmarks PACKAGE NAME... runs these, each of which must exist.
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
