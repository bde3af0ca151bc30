// Command release does the steps of scripts/release.sh that need a program:
//
//	release describe VERSION LICENSES BINARY...
//	release unlink FOLDER
//	release archive FOLDER FILE.tar.gz
//
// describe checks that the binaries are a release of this version. It writes the file LICENSES
// with the licences of all software that is built into them, and beside each binary a list of
// that software (a software bill of materials, SBOM) with the suffix .cdx.json. It runs in the
// folder of the module. unlink replaces links in the folder's documents by their texts, if they
// lead to files that the folder lacks. archive packs a folder. The time of all entries, and of
// the SBOM, is that of SOURCE_DATE_EPOCH, in seconds since 1970.
package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return errors.New("set SOURCE_DATE_EPOCH to the time of the commit in seconds since 1970")
	}
	built := time.Unix(epoch, 0).UTC()
	switch {
	case len(args) >= 4 && args[0] == "describe":
		return describe(args[1], args[2], args[3:], built)
	case len(args) == 2 && args[0] == "unlink":
		return unlink(args[1])
	case len(args) == 3 && args[0] == "archive":
		return archive(args[1], args[2], built)
	}
	return errors.New("usage: release describe VERSION LICENSES BINARY..., release unlink FOLDER, or release archive FOLDER FILE.tar.gz")
}

// describe checks the binaries, and writes the files about them.
func describe(version, licenses string, binaries []string, built time.Time) error {
	var all []part
	for _, binary := range binaries {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return fmt.Errorf("read the build information of a program: %w", err)
		}
		if err := checkBuild(info, version); err != nil {
			return fmt.Errorf("%s: %w", binary, err)
		}
		parts, err := readParts(info)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(binary)
		if err != nil {
			return err
		}
		bom, err := newBOM(info, content, parts, built).encode()
		if err != nil {
			return err
		}
		if err := os.WriteFile(binary+".cdx.json", bom, 0o644); err != nil {
			return err
		}
		all = merge(all, parts)
	}
	return os.WriteFile(licenses, licenseText(version, all), 0o644)
}
