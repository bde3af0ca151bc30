package ociauth

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	defaultConfigFile = "~/.oci/config"
	defaultProfile    = "DEFAULT"
)

// profile is a profile's entries by their lower-case names, with those of
// DEFAULT that it does not have itself, as OCI's documentation has it
// (docs.oracle.com/iaas/Content/API/Concepts/sdkconfig.htm).
//
// It is read here since the SDK's own reader takes only what stands between
// the first and the second "=" of a line (a passphrase is cut short silently),
// looks for ~ in the account's folder whatever $HOME says, and reports one
// missing entry at a time.
type profile struct {
	file, name string
	entries    map[string]secret
}

// readProfile reads the profile that o names.
func readProfile(o Options) (profile, error) {
	p := profile{
		file: cmp.Or(o.ConfigFile, defaultConfigFile), name: cmp.Or(o.Profile, defaultProfile), entries: map[string]secret{},
	}
	path, err := expand(p.file)
	if err != nil {
		return p, err
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		maker := "oci setup config"
		if o.Kind == SecurityToken {
			maker = "oci session authenticate"
		}
		return p, fmt.Errorf("configuration file %s does not exist: create it with %q, or name another", path, maker)
	case err != nil:
		return p, fmt.Errorf("configuration file: %w", err)
	}
	sections, names, err := parseSections(text)
	if err != nil {
		return p, fmt.Errorf("configuration file %s: %w", path, err)
	}
	if !slices.Contains(names, p.name) {
		return p, fmt.Errorf("configuration file %s has no profile [%s]: it has %s", path, p.name, list(names))
	}
	for _, section := range []string{defaultProfile, p.name} {
		for key, value := range sections[section] {
			p.entries[key] = value
		}
	}
	return p, nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "[" + strings.Join(names, "], [") + "]"
}

// parseSections reads the INI dialect of OCI's tools: [name] lines, then
// "key = value" lines; # and ; begin a comment line. names keeps the order.
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
				return nil, nil, fmt.Errorf("line %d: a profile's name lacks its ]", n)
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
		case !ok: // the line is not shown: it might hold a part of a secret
			return nil, nil, fmt.Errorf("line %d is neither a [profile] nor a key=value line", n)
		case current == nil:
			return nil, nil, fmt.Errorf("line %d comes before the first [profile]", n)
		}
		current[strings.ToLower(strings.TrimSpace(key))] = newSecret(strings.TrimSpace(value))
	}
	return sections, names, lines.Err()
}

// text returns an entry that is no secret.
func (p profile) text(key string) string { return p.entries[key].reveal() }

// passphrase returns the private key's passphrase, if there is one.
func (p profile) passphrase() secret {
	if s, ok := p.entries["pass_phrase"]; ok {
		return s
	}
	return p.entries["passphrase"]
}

// lacks returns those of the keys that have no value.
func (p profile) lacks(keys ...string) []string {
	return slices.DeleteFunc(keys, func(k string) bool { return p.text(k) != "" })
}

// readFile reads the file that an entry names, and returns its path too.
func (p profile) readFile(key string) (path string, content secret, err error) {
	if path, err = expand(p.text(key)); err == nil {
		var text []byte
		if text, err = os.ReadFile(path); err == nil {
			return path, newSecret(string(text)), nil
		}
	}
	return "", nil, p.errorf("%s: %w", key, err)
}

// errorf names the profile and its file.
func (p profile) errorf(format string, args ...any) error {
	return fmt.Errorf("profile [%s] of %s: %w", p.name, p.file, fmt.Errorf(format, args...))
}

// String names the profile.
func (p profile) String() string { return fmt.Sprintf("profile [%s] of %s", p.name, p.file) }

// expand puts the home folder in place of a leading ~.
func expand(path string) (string, error) {
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
