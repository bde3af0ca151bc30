#!/usr/bin/env bash
# Checks everything about the source but its behaviour, which the tests check.
# Tools run at the versions named here and do not enter go.mod.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

say() { printf '== %s\n' "$*"; }

say gofmt
unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
	printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted" >&2
	exit 1
fi

say 'go.mod and go.sum'
go mod tidy -diff
go mod verify

say vet
go vet ./...

say staticcheck
go run "$staticcheck" ./...

say shellcheck
# Shell scripts are known by their first line, with or without a suffix.
mapfile -t scripts < <(grep -rlIE '^#!.*\b(ba)?sh\b' --exclude-dir=.git --exclude-dir=testdata . | sort)
((${#scripts[@]} > 0)) || { echo 'found no shell scripts' >&2; exit 1; }
shellcheck "${scripts[@]}"

if command -v systemd-analyze >/dev/null; then
	say 'systemd units'
	# The unit names a program that need not be installed here.
	units=$(mktemp -d)
	trap 'rm -rf "$units"' EXIT
	for unit in scripts/*.service scripts/*.timer; do
		sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" >"$units/${unit##*/}"
	done
	systemd-analyze verify "$units"/*
fi

say 'static build'
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /dev/null .

say 'all checks passed'
