#!/usr/bin/env bash
# Checks the source without running tests. The versions of staticcheck and hclfmt are set
# here, since they are not part of go.mod.
set -euo pipefail

usage() {
	cat <<'END'
usage: check.sh

Checks the source: gofmt, go.mod, go vet, staticcheck, shellcheck, the systemd units,
the alert rules, the Terraform files and static builds. Stops at the first problem with exit code 1.
END
}

case ${1-} in
'') ;;
-h | --help)
	usage
	exit 0
	;;
*)
	printf "check.sh: unknown argument '%s' (see --help)\n" "$1" >&2
	exit 64
	;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
hclfmt=github.com/hashicorp/hcl/v2/cmd/hclfmt@v2.25.0

say() { printf '== %s\n' "$*"; }

say gofmt
unformatted=$(gofmt -l .)
if [[ -n $unformatted ]]; then
	printf 'check.sh: run gofmt -w on these files:\n%s\n' "$unformatted" >&2
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
# Find shell scripts by their line with #!, since some have no suffix. The bash of macOS has
# no mapfile.
scripts=()
while IFS= read -r file; do
	scripts+=("$file")
done < <(grep -rlIE '^#!.*\b(ba)?sh\b' --exclude-dir=.git --exclude-dir={testdata,node_modules} . | sort)
((${#scripts[@]} > 0)) || { echo 'check.sh: found no shell scripts' >&2; exit 1; }
shellcheck "${scripts[@]}"

if command -v systemd-analyze >/dev/null; then
	say 'systemd units'
	# The service's program may not be installed here.
	units=$(mktemp -d)
	trap 'rm -rf "$units"' EXIT
	for unit in scripts/*.service scripts/*.timer; do
		sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" >"$units/${unit##*/}"
	done
	systemd-analyze verify "$units"/*
fi

if command -v promtool >/dev/null; then
	say 'alert rules'
	promtool check rules scripts/monitoring/polisen.rules.yml
	promtool test rules scripts/monitoring/polisen.rules_test.yml
fi

say 'Terraform files'
go run "$hclfmt" -check scripts/oci/*.tf | diff -u <(cat scripts/oci/*.tf) - ||
	{ echo 'check.sh: correct the syntax, or run terraform fmt in scripts/oci' >&2; exit 1; }

for system in linux darwin freebsd; do
	say "static build for $system"
	CGO_ENABLED=0 GOOS=$system go build -trimpath -ldflags '-s -w' -o /dev/null .
done

say 'no build for other systems'
# The build may have more errors, but has to name the systems that are served.
if errors=$(GOOS=windows go build ./pkg/statefile ./pkg/filelock 2>&1) || [[ $errors != *this_program_runs_on_Linux_macOS_and_FreeBSD_only* ]]; then
	printf 'check.sh: the build for Windows does not say which systems are served:\n%s\n' "$errors" >&2
	exit 1
fi

say 'all checks passed'
