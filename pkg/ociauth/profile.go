package ociauth

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/statefile"
)

const (
	defaultConfigFile = "~/.oci/config"
	defaultProfile    = "DEFAULT"
)

// profile holds the entries of a profile by their names in lower case. The profile
// DEFAULT has the values of entries that it lacks
// (https://docs.oracle.com/iaas/Content/API/Concepts/sdkconfig.htm).
//
// The SDK's parser would not do: it cuts a passphrase off at its first "=", ignores
// $HOME and reports one missing entry at a time
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/configuration.go).
type profile struct {
	ctx        context.Context // for package blocking only
	file, name string
	entries    map[string]secret
}

// readProfile reads the profile that o names.
func readProfile(ctx context.Context, o Options) (profile, error) {
	p := profile{
		ctx:  ctx,
		file: cmp.Or(o.ConfigFile, defaultConfigFile), name: cmp.Or(o.Profile, defaultProfile), entries: map[string]secret{},
	}
	path, err := expandHome(p.file)
	if err != nil {
		return p, err
	}
	text, err := p.readPath(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Kind == SecurityToken:
		return p, fmt.Errorf(`configuration file %s does not exist: create it with "oci session authenticate", or choose another file`, path)
	case errors.Is(err, fs.ErrNotExist):
		return p, fmt.Errorf(`configuration file %s does not exist: create it with "oci setup config", or choose another file`, path)
	case err != nil:
		return p, fmt.Errorf("read configuration file: %w", err)
	}
	sections, names, err := parseSections(text)
	switch {
	case err != nil:
		return p, fmt.Errorf("configuration file %s: %w", path, err)
	case len(names) == 0:
		return p, fmt.Errorf(`configuration file %s has no profile %s and no other one: create it with "oci setup config"`, path, showName(p.name))
	case !slices.Contains(names, p.name):
		return p, fmt.Errorf("configuration file %s has no profile %s: its profiles are [%s]", path, showName(p.name), strings.Join(names, "], ["))
	}
	for _, section := range []string{defaultProfile, p.name} {
		for key, value := range sections[section] {
			p.entries[key] = value
		}
	}
	return p, nil
}

// parseSections parses a configuration file of OCI's tools: sections that begin
// with a line [name] and consist of lines key=value. Lines that begin with # or ;
// are comments. It returns the sections, and their names in the order of the file.
func parseSections(text []byte) (sections map[string]map[string]secret, names []string, err error) {
	sections = map[string]map[string]secret{}
	var current map[string]secret
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, ok = strings.Cut(name, "]")
			if !ok {
				return nil, nil, fmt.Errorf("line %d: the profile's name has no closing ]", n)
			}
			if sections[name] == nil {
				sections[name] = map[string]secret{}
				names = append(names, name)
			}
			current = sections[name]
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		switch {
		case !ok: // the error does not show the line, which may be part of a secret
			return nil, nil, fmt.Errorf("line %d is neither [profile] nor key=value", n)
		case current == nil:
			return nil, nil, fmt.Errorf("line %d comes before the first [profile]", n)
		}
		current[strings.ToLower(strings.TrimSpace(key))] = newSecret(strings.TrimSpace(value))
	}
	return sections, names, lines.Err()
}

// text returns the value of an entry that is not secret, or "".
func (p profile) text(key string) string { return p.entries[key].reveal() }

// passphrase returns the passphrase of the private key, if there is one.
func (p profile) passphrase() secret {
	if s, ok := p.entries["pass_phrase"]; ok {
		return s
	}
	return p.entries["passphrase"]
}

// missing returns the keys that have no value in the profile.
func (p profile) missing(keys ...string) []string {
	return slices.DeleteFunc(keys, func(k string) bool { return p.text(k) != "" })
}

// readFile reads the file whose path is the value of an entry. It also returns the
// path. The error shows only a value that looks like a path, since it may be the
// content of the file instead.
func (p profile) readFile(key string) (path string, content secret, err error) {
	if path, err = expandHome(p.text(key)); err == nil {
		var text []byte
		if text, err = p.readPath(path); err == nil {
			return path, newSecret(string(text)), nil
		}
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok && !address.MayShow(p.text(key)) {
		return "", nil, fmt.Errorf("%v: %s: %w; the value is not shown: it must be the path of the file, not its content, and best begins with / or ~/", p, key, pe.Err)
	}
	return "", nil, fmt.Errorf("%v: %s: %w", p, key, err)
}

// readPath reads a file, whose path a message may not show.
func (p profile) readPath(path string) ([]byte, error) {
	defer blocking.Call(p.ctx, "read "+address.Describe(path))()
	return statefile.ReadFile(path)
}

// showName returns the name of a profile that does not exist for a message. A long
// name is not shown: the setting may hold a secret by mistake.
func showName(name string) string {
	if address.MayShow(name) {
		return "[" + name + "]"
	}
	return "of the name in the settings"
}

// String returns the profile's name and file.
func (p profile) String() string { return fmt.Sprintf("profile [%s] of %s", p.name, p.file) }

// expandHome replaces a leading ~ with the user's home folder.
func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && rest[0] != '/' {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("path %s: %w", path, err)
	}
	return filepath.Join(home, rest), nil
}
