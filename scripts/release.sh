#!/usr/bin/env bash
# Builds the files of a release from a tag, twice, and compares the two. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: release.sh [options] VERSION

Builds the files of a release:

  .tar.gz      for each platform: the static program, documents, licences, man pages,
               completions, the installer with its units
  .deb, .rpm   packages for Linux
  .cdx.json    for each platform: a list of the software in the program (SBOM, CycloneDX)
  licenses.txt the licences of that software
  SHA256SUMS   the checksums of these files

VERSION is the name of a tag of the current commit, such as v1.2.3. Only committed files
count. The script builds everything twice, in different folders, and fails unless both have
the same bytes. It needs git, the Go release that go.mod asks for, and the Go module proxy.

options:
  --platform OS/ARCH  build only for this platform; may be repeated
                      (default linux/amd64, linux/arm64, darwin/arm64 and freebsd/amd64)
  --output DIR        the folder for the files, which must not exist (default dist/VERSION)
  -h, --help          show this help

Exit code: 0 done, 1 failed, 64 wrong usage.
END
}

name=polisen-events-collector
# Newer versions need modules of other hosts, which some proxies do not serve.
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
all_platforms=(linux/amd64 linux/arm64 darwin/arm64 freebsd/amd64)
platforms=()
output=
version=

# fail CODE MESSAGE... prints the message and exits with the code.
fail() {
	local code=$1
	shift
	printf 'release.sh: %s\n' "$*" >&2
	exit "$code"
}

say() { printf '== %s\n' "$*"; }

while (($# > 0)); do
	case $1 in
	--platform)
		(($# > 1)) || fail 64 '--platform needs a value, such as linux/amd64'
		[[ " ${all_platforms[*]} " == *" $2 "* ]] || fail 64 "unknown platform '$2': use one of ${all_platforms[*]}"
		platforms+=("$2")
		shift
		;;
	--output)
		(($# > 1)) || fail 64 '--output needs a folder'
		output=$2
		shift
		;;
	-h | --help)
		usage
		exit 0
		;;
	-*) fail 64 "unknown option '$1' (see --help)" ;;
	*)
		[[ -z $version ]] || fail 64 "unexpected argument '$1' (see --help)"
		version=$1
		;;
	esac
	shift
done
[[ -n $version ]] || fail 64 'name the version, such as v1.2.3 (see --help)'
number='(0|[1-9][0-9]*)'
[[ $version =~ ^v$number\.$number\.$number(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$ ]] ||
	fail 64 "'$version' is not a version: use a tag such as v1.2.3 or v1.2.3-rc.1"
((${#platforms[@]} > 0)) || platforms=("${all_platforms[@]}")

from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repository=$(git rev-parse --show-toplevel 2>/dev/null) || fail 1 'this folder is not a clone: a release is built from a tag of a clone'
[[ $repository == "$(pwd -P)" ]] || fail 1 "$PWD is not the top folder of the clone $repository"
output=${output:-$repository/dist/$version}
[[ $output == /* ]] || output=$from/$output
[[ ! -e $output ]] || fail 1 "$output exists: delete it, or choose another folder with --output"
[[ -z $(git status --porcelain) ]] || fail 1 'the files differ from the commit: commit or remove the changes that git status shows'
commit=$(git rev-parse HEAD)
tagged=$(git rev-parse --quiet --verify "refs/tags/$version^{commit}") || fail 1 "there is no tag $version: create it with git tag $version"
[[ $tagged == "$commit" ]] || fail 1 "the tag $version is not at the current commit: run git checkout $version first"

# Settings of the user, also those of "go env -w", change neither the program nor the packages.
GOPROXY=$(go env GOPROXY) GOSUMDB=$(go env GOSUMDB)
unset GOOS GOARCH GOAMD64 GOARM64 GOEXPERIMENT GODEBUG GOFLAGS
export GOPROXY GOSUMDB GOENV=off GOWORK=off CGO_ENABLED=0 LC_ALL=C TZ=UTC
umask 022
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
maintainer=$(git log -1 --format='%cn <%ce>')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# clone FOLDER clones the commit into the folder, with the tag of this version alone: the go
# command takes the version of the program from the tags.
clone() {
	git clone --quiet --no-tags --no-checkout --shared "$repository" "$1"
	git -C "$1" -c advice.detachedHead=false checkout --quiet --detach "$commit"
	git -C "$1" tag "$version" "$commit"
}

# write_overlay FILE writes an overlay for go build that adds an empty file to each package
# of the module in the current folder. With it the go command compiles these packages again,
# and does not take them from its cache.
write_overlay() {
	local file=$1 package folder comma=
	{
		printf '{"Replace":{'
		go list -deps -f '{{if .Module}}{{if .Module.Main}}{{.Name}} {{.Dir}}{{end}}{{end}}' . | sed '/^$/d' |
			while read -r package folder; do
				printf 'package %s // built in %s\n' "$package" "$work" >"$file.$package.go"
				printf '%s\n"%s/zz_again.go":"%s"' "$comma" "$folder" "$file.$package.go"
				comma=,
			done
		printf '}}\n'
	} >"$file"
}

# base PLATFORM prints the name of the files for a platform.
base() { printf '%s_%s_%s' "$name" "${version#v}" "${1/\//_}"; }

# build_programs FOLDER [OPTION...] builds the programs for all platforms from the clone in the
# current folder. The options are for go build.
build_programs() {
	local folder=$1 platform
	shift
	for platform in "${platforms[@]}"; do
		say "build for $platform"
		GOOS=${platform%/*} GOARCH=${platform#*/} go build -buildvcs=true -trimpath -ldflags '-s -w -buildid=' \
			-o "$folder/$(base "$platform")" "$@" .
	done
}

# make_release FOLDER [OPTION...] writes all files of the release into FOLDER/files, from the clone
# in the current folder. The options are for go build.
make_release() {
	local folder=$1 platform common=$1/common
	shift
	mkdir -p "$folder"/{files,programs,tools} "$common"/{completions,man}
	build_programs "$folder/programs" "$@"
	go build -trimpath -o "$folder/tools/" ./scripts/release ./scripts/manpages
	say 'licences and SBOMs'
	"$folder/tools/release" describe "$version" "$common/licenses.txt" "$folder/programs"/*
	mv "$folder/programs"/*.cdx.json "$folder/files/"
	cp "$common/licenses.txt" "$folder/files/${name}_${version#v}_licenses.txt"

	"$folder/tools/manpages" "$version" "$common/man"
	go build -trimpath -ldflags '-s -w' -o "$folder/tools/$name" .
	"$folder/tools/$name" completion bash >"$common/completions/$name.bash"
	"$folder/tools/$name" completion zsh >"$common/completions/_$name"
	"$folder/tools/$name" completion fish >"$common/completions/$name.fish"
	# All documents, in their folders, and the files that a user of the program needs. Links to
	# other source become text.
	git -c tar.umask=022 archive HEAD -- LICENSE '*.md' scripts/{env,crontab,install.sh,monitoring,queries,container,oci} \
		'scripts/*.service' 'scripts/*.timer' ':!*_test.go' ':!scripts/queries/golden' ':!.github/PULL_REQUEST_TEMPLATE.md' |
		tar xf - -C "$common"
	mv "$common/.github/CHANGELOG.md" "$common/"
	"$folder/tools/release" unlink "$common"
	for platform in "${platforms[@]}"; do
		say "archive for $platform"
		cp -R "$common" "$folder/$(base "$platform")"
		cp "$folder/programs/$(base "$platform")" "$folder/$(base "$platform")/$name"
		"$folder/tools/release" archive "$folder/$(base "$platform")" "$folder/files/$(base "$platform").tar.gz"
		[[ $platform != linux/* ]] || make_packages "$folder/$(base "$platform")" "$folder/files" "${platform#*/}"
	done
	(cd "$folder/files" && sha256 -- * >"$folder/SHA256SUMS" && mv "$folder/SHA256SUMS" .)
}

# sha256 FILE... prints the checksums of the files in the form of sha256sum.
sha256() {
	if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

# make_packages FOLDER FILES ARCH makes the packages from the content of an archive, which
# it extends, and from the packaging scripts in the clone in the current folder.
make_packages() {
	local folder=$1 files=$2 arch=$3 packaging=$1/packaging unit page kind
	say "packages for $arch"
	mkdir -p "$packaging"/{units,man1,man7,share}
	cp scripts/release/{nfpm.yaml,preinst.sh,postinst.sh,prerm.sh,postrm.sh} scripts/env "$packaging/"
	for unit in scripts/*.service scripts/*.timer; do
		sed 's|/usr/local/bin/|/usr/bin/|' "$unit" >"$packaging/units/${unit##*/}"
	done
	for page in "$folder"/man/*.[17]; do
		gzip -9n <"$page" >"$packaging/man${page##*.}/${page##*/}.gz"
	done
	cp -R "$folder"/{README.md,.github,cmd,pkg,scripts} "$packaging/share/"
	# The packages hold the times of these folders.
	find "$packaging/share" -type d -exec touch -d "$(git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)" {} +
	# Package managers show this changelog; CHANGELOG.md is beside it.
	cat >"$packaging/changelog.yaml" <<END
- semver: ${version#v}
  date: $(git log -1 --format=%cI)
  packager: "$maintainer"
  deb: {urgency: medium, distributions: [stable]}
  changes:
    - note: Release $version. CHANGELOG.md lists the changes.
END
	cat "$folder/LICENSE" <(echo) "$folder/licenses.txt" >"$packaging/copyright"
	for kind in deb rpm; do
		(cd "$folder" && VERSION=${version#v} MAINTAINER=$maintainer GOARCH=$arch "$work/tools/nfpm" package --config packaging/nfpm.yaml --packager "$kind" --target "$files/" >/dev/null)
	done
}

say 'nfpm'
mkdir -p "$work/tools"
GOBIN=$work/tools go install "$nfpm"
clone "$work/first"
clone "$work/second/in/another/folder"
(cd "$work/first" && make_release "$work/release")
say 'once more, to compare'
(
	cd "$work/second/in/another/folder"
	write_overlay "$work/overlay.json"
	make_release "$work/again/release" -overlay "$work/overlay.json"
)
differ=()
for file in "$work/release/files"/*; do
	cmp -s "$file" "$work/again/release/files/${file##*/}" || differ+=("${file##*/}")
done
((${#differ[@]} == 0)) || fail 1 "the release is not reproducible: the two builds of these files differ: ${differ[*]}"
mkdir -p "$(dirname "$output")"
mv "$work/release/files" "$output"
say "the release is in $output"
