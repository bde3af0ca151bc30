// Command release does the steps of scripts/release.sh that need a program:
//
//	release describe --version VERSION --licenses FILE BINARY...
//	release archive FOLDER FILE.tar.gz
//
// describe checks that the binaries are a release of this version. It writes one file with
// the licences of all software that is built into them, and beside each binary a list of
// that software (a software bill of materials, SBOM) with the suffix .cdx.json. It runs in the
// folder of the module. archive packs a folder. The time of all entries, and of the SBOM, is
// that of SOURCE_DATE_EPOCH, in seconds since 1970.
package main

import (
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const usage = `usage: release describe --version VERSION --licenses FILE BINARY...
       release archive FOLDER FILE.tar.gz

Steps of scripts/release.sh. The time in the files is that of SOURCE_DATE_EPOCH.

options of describe:
`

func main() {
	err := run(os.Args[1:], os.Stdout)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "release:", err)
	os.Exit(1)
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the error
	version := flags.String("version", "", "`VERSION` that the binaries should have, such as v1.2.3")
	licenses := flags.String("licenses", "", "`FILE` to write the licences to")
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return err
	}
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return errors.New("set SOURCE_DATE_EPOCH to the time of the commit in seconds since 1970")
	}
	built := time.Unix(epoch, 0).UTC()
	switch {
	case command == "describe" && flags.NArg() > 0 && *version != "" && *licenses != "":
		return describe(flags.Args(), *version, *licenses, built)
	case command == "archive" && flags.NArg() == 2:
		return archive(flags.Arg(0), flags.Arg(1), built)
	}
	return errors.New("wrong arguments (see -h)")
}

// describe checks the binaries, and writes the files about them.
func describe(binaries []string, version, licenses string, built time.Time) error {
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
