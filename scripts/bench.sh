#!/usr/bin/env bash
# Measures the program and prints the results as Markdown: see bench/README.md. It exits
# with 1 if a part does not run. A goal that is missed is not an error, since figures
# depend on the machine.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench.sh [--no-duckdb]

Builds the program, measures its CPU, memory, requests and time, and prints tables in
Markdown, and the Go benchmarks. Takes a few minutes. Some rows compare the program
with DuckDB, which comes from npm (70 MB) if Node.js is installed.

  --no-duckdb   do not download DuckDB; these rows then have no result
END
}

duckdb=yes
for argument; do
	case $argument in
	-h | --help)
		usage
		exit 0
		;;
	--no-duckdb) duckdb=no ;;
	*)
		printf "bench.sh: unknown argument '%s' (see --help)\n" "$argument" >&2
		exit 64
		;;
	esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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
		grep -E "^Benchmark$name(-[0-9]+)?[[:space:]]" "$out" || {
			echo "$package has no benchmark $name" >&2
			return 1
		}
	done
}

export CGO_ENABLED=0
go build -trimpath -ldflags '-s -w' -o "$work/program" .
for command in bare sdk launch; do
	go build -trimpath -ldflags '-s -w' -o "$work/$command" "./scripts/bench/$command"
done
go build -o "$work/bench" ./scripts/bench
if [ "$duckdb" = yes ] && command -v npm >/dev/null; then
	npm install --silent --no-audit --no-fund --prefix "$work" @duckdb/node-api@1.5.6-r.1 >&2
	cp scripts/bench/duckdb.mjs "$work"
fi

model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1 || true)
printf 'Machine: %s cores (%s), %s, %s; load %s at the start. Program: commit %s, %s bytes. Date: %s.\n\n' \
	"$(nproc)" "${model:-unknown model}" "$(uname -s) $(uname -r | cut -d. -f1,2)" "$(go version | cut -d' ' -f3)" \
	"$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)" \
	"$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" "$(stat -c %s "$work/program")" "$(date -u +%F)"
"$work/bench" "$work"

printf '\nGo benchmarks, comparable with benchstat; a response of 500 events (budget of Dedup: 20,000,000 ids/s):\n\n```text\n'
go_benchmarks ./pkg/polisen Parse
go_benchmarks ./pkg/archive Dedup Partition Encode ReadDocument
printf '```\n'
