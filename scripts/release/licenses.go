package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// part is a module that is built into the program, or the Go standard library.
type part struct {
	path    string // module path; "std" for the standard library
	version string
	sum     string // hash in the form of go.sum; "" for the standard library
	files   []licenseFile
}

// licenseFile is a file with a licence, a copyright notice or a list of further licences.
type licenseFile struct {
	name string // relative to the root of its module
	text []byte
}

// licenses returns the SPDX identifiers of the licences in the files, in alphabetical order.
func (p part) licenses() []string {
	found := map[string]bool{}
	for _, f := range p.files {
		if isLicense(f.name) {
			for _, id := range identify(f.text) {
				found[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// legal matches the names of files that have to accompany the program.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|notice|copying|patents|third_party_licenses)`)

// license matches the names of files with the licence of the code beside them.
var license = regexp.MustCompile(`(?i)^(licen[cs]e|copying)`)

func isLicense(name string) bool { return license.MatchString(filepath.Base(name)) }

// known has a text of each licence that may be built into the program, by its SPDX
// identifier. Blanks and line ends do not matter.
var known = []struct{ id, text string }{
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"Apache-2.0", "Licensed under the Apache License, Version 2.0"},
	{"BSD-2-Clause", "binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the documentation and/or other materials provided with the distribution. THIS SOFTWARE"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from this software without specific prior written permission"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files"},
	{"UPL-1.0", "The Universal Permissive License (UPL), Version 1.0"},
}

// identify returns the identifiers of the licences in the text. A text may have several.
func identify(text []byte) []string {
	words := string(bytes.Join(bytes.Fields(text), []byte(" ")))
	var ids []string
	for _, l := range known {
		if strings.Contains(words, l.text) && !slices.Contains(ids, l.id) {
			ids = append(ids, l.id)
		}
	}
	return ids
}

// listedPackage is the part of the output of go list that the licences need.
type listedPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Dir string
		Main      bool
		Replace   *struct{ Path string }
	}
}

// readParts returns the parts of the program with their licence files, the standard library
// first. It asks the go command for the packages of the program in the current folder, for
// the platform of info. A part without a known licence is an error.
func readParts(info *debug.BuildInfo) ([]part, error) {
	packages, err := listPackages(setting(info, "GOOS"), setting(info, "GOARCH"))
	if err != nil {
		return nil, err
	}
	modules, err := modulesOf(packages)
	if err != nil {
		return nil, err
	}
	goroot, err := goOutput(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	std := part{path: "std", version: info.GoVersion}
	root := strings.TrimSpace(string(goroot))
	if std.files, err = readFiles(module{root, map[string]bool{root: true}}); err != nil {
		return nil, err
	}
	parts := []part{std}
	for _, dep := range info.Deps {
		m, ok := modules[dep.Path]
		if !ok {
			return nil, fmt.Errorf("module %s is built into the program, but go list does not name it: run this in the folder that the program was built in", dep.Path)
		}
		p := part{path: dep.Path, version: dep.Version, sum: dep.Sum}
		if p.files, err = readFiles(m); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, check(parts)
}

// module is where a module is in the module cache.
type module struct {
	root string
	// folders has the folders of the packages in the program, and all above them up to the
	// root. Each may have a licence of its own.
	folders map[string]bool
}

// modulesOf returns the modules of the packages, by module path, without the main module.
func modulesOf(packages []listedPackage) (map[string]module, error) {
	all := map[string]module{}
	for _, p := range packages {
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		if p.Module.Replace != nil {
			return nil, fmt.Errorf("module %s is replaced by %s: build a release without replace directives", p.Module.Path, p.Module.Replace.Path)
		}
		m, ok := all[p.Module.Path]
		if !ok {
			m = module{p.Module.Dir, map[string]bool{}}
			all[p.Module.Path] = m
		}
		for dir := p.Dir; strings.HasPrefix(dir, m.root); dir = filepath.Dir(dir) {
			m.folders[dir] = true
		}
	}
	return all, nil
}

// check returns an error that names each part without a known licence.
func check(parts []part) error {
	var errs []error
	for _, p := range parts {
		if !slices.ContainsFunc(p.files, func(f licenseFile) bool { return isLicense(f.name) }) {
			errs = append(errs, fmt.Errorf("module %s %s has no licence file: it may not be built into the program", p.path, p.version))
			continue
		}
		if len(p.licenses()) == 0 {
			errs = append(errs, fmt.Errorf("the licence of module %s %s is not known: read it, and add it to the table in scripts/release/licenses.go", p.path, p.version))
		}
	}
	return errors.Join(errs...)
}

// listPackages returns the packages of the program in the current folder.
func listPackages(goos, goarch string) ([]listedPackage, error) {
	out, err := goOutput([]string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}, "list", "-deps", "-json=Dir,Standard,Module", ".")
	if err != nil {
		return nil, err
	}
	var all []listedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the output of go list: %w", err)
		}
		all = append(all, p)
	}
}

// goOutput runs the go command and returns its output.
func goOutput(env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}

// readFiles returns the licence files of a module, with names relative to its root.
func readFiles(m module) ([]licenseFile, error) {
	var files []licenseFile
	for folder := range m.folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() || !legal.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
				continue
			}
			path := filepath.Join(folder, e.Name())
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			name, err := filepath.Rel(m.root, path)
			if err != nil {
				return nil, err
			}
			files = append(files, licenseFile{filepath.ToSlash(name), text})
		}
	}
	slices.SortFunc(files, byName)
	return files, nil
}

// merge returns the parts of both lists, ordered by their paths, the standard library first.
// Programs for different platforms may have different files of one module.
func merge(a, b []part) []part {
	all := map[string]part{}
	for _, p := range slices.Concat(a, b) {
		files := slices.Concat(all[p.path].files, p.files)
		slices.SortFunc(files, byName)
		p.files = slices.CompactFunc(files, func(a, b licenseFile) bool { return a.name == b.name })
		all[p.path] = p
	}
	return slices.SortedFunc(maps.Values(all), func(a, b part) int { return strings.Compare(a.order(), b.order()) })
}

func byName(a, b licenseFile) int { return strings.Compare(a.name, b.name) }

// licenseText returns the file with the licences of all parts: a list, then the texts.
func licenseText(version string, parts []part) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "polisen-events-collector %s contains this software. Its licences and notices follow the list.\nThe licence of the program itself is in the file LICENSE.\n\n", version)
	for _, p := range parts {
		fmt.Fprintf(&b, "%s %s: %s\n", p.title(), p.version, strings.Join(p.licenses(), ", "))
	}
	for _, p := range parts {
		for _, f := range p.files {
			line := strings.Repeat("=", 80)
			fmt.Fprintf(&b, "\n%s\n%s %s, file %s\n%s\n\n%s\n", line, p.title(), p.version, f.name, line, trimText(f.text))
		}
	}
	return b.Bytes()
}

// trimText returns the text without blank lines around it and with the line ends of Unix.
func trimText(text []byte) []byte {
	return bytes.Trim(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), "\n")
}

// order returns the text by which parts are ordered.
func (p part) order() string {
	if p.path == "std" {
		return ""
	}
	return p.path
}

// title returns the name of the part for a person.
func (p part) title() string {
	if p.path == "std" {
		return "Go standard library"
	}
	return p.path
}
