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
	"regexp"
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
	entries    map[string]address.SecretText
}

// readProfile reads the profile that o names.
func readProfile(ctx context.Context, o Options) (profile, error) {
	p := profile{
		ctx:  ctx,
		file: cmp.Or(o.ConfigFile, defaultConfigFile), name: cmp.Or(o.Profile, defaultProfile), entries: map[string]address.SecretText{},
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
	if statefile.IsUTF16(string(text)) {
		return p, fmt.Errorf("configuration file %s: %w", path, errUTF16)
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

// errUTF16 is the error for a file in UTF-16, the encoding of some editors on Windows.
var errUTF16 = errors.New("not UTF-8 text: save the file as UTF-8")

// parseSections parses a configuration file of OCI's tools: sections that begin
// with a line [name] and consist of lines key=value. Lines that begin with # or ;
// are comments. It returns the sections, and their names in the order of the file. A
// section or an entry that occurs twice is an error, since one of the two may be outdated.
func parseSections(text []byte) (sections map[string]map[string]address.SecretText, names []string, err error) {
	sections = map[string]map[string]address.SecretText{}
	var current map[string]address.SecretText
	begins := map[string]int{} // line numbers of the sections
	var entries map[string]int // line numbers of the current section's entries
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
			if first, twice := begins[name]; twice {
				return nil, nil, fmt.Errorf("lines %d and %d begin the same profile: rename one, or delete it", first, n)
			}
			current, entries = map[string]address.SecretText{}, map[string]int{}
			sections[name], begins[name] = current, n
			names = append(names, name)
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		switch {
		case !ok: // the error does not show the line, which may be part of a secret
			return nil, nil, fmt.Errorf("line %d is neither [profile] nor key=value", n)
		case current == nil:
			return nil, nil, fmt.Errorf("line %d comes before the first [profile]", n)
		}
		key = strings.ToLower(strings.TrimSpace(key))
		if first, twice := entries[key]; twice { // the key is not shown, for the same reason
			return nil, nil, fmt.Errorf("lines %d and %d set the same entry: delete one", first, n)
		}
		current[key], entries[key] = address.NewSecretText(strings.TrimSpace(value)), n
	}
	return sections, names, lines.Err()
}

// text returns the value of an entry that is not secret, or "".
func (p profile) text(key string) string { return p.entries[key].Reveal() }

// passphrase returns the passphrase of the private key, if there is one.
func (p profile) passphrase() address.SecretText {
	if s, ok := p.entries["pass_phrase"]; ok {
		return s
	}
	return p.entries["passphrase"]
}

// missing returns the keys that have no value in the profile.
func (p profile) missing(keys ...string) []string {
	return slices.DeleteFunc(keys, func(k string) bool { return p.text(k) != "" })
}

// checkForm returns an error if the value of one of the entries is in quotation marks
// or has a comment after it. OCI's tools take both as part of the value. The error does
// not show the value.
func (p profile) checkForm(keys ...string) error {
	for _, key := range keys {
		switch value := p.text(key); {
		case isQuoted(value):
			return fmt.Errorf("%v: %s is in quotation marks, which count as part of the value: remove them", p, key)
		case comment.MatchString(value):
			return fmt.Errorf("%v: %s has a comment after the value, which counts as part of it: write the comment on a line of its own", p, key)
		}
	}
	return nil
}

// comment matches the beginning of a comment after a value.
var comment = regexp.MustCompile(`\s[#;]`)

// isQuoted reports whether a value begins and ends with the same quotation mark.
func isQuoted(value string) bool {
	return len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0]
}

// otherKind returns the advice for a profile without a complete API key: the kind of
// credentials that the profile holds, or else the advice fallback.
func (p profile) otherKind(fallback string) string {
	switch kind := Kind(p.text("authentication_type")); {
	case p.text("delegation_token_file") != "":
	case kind == InstancePrincipal || kind == ResourcePrincipal:
		return "its authentication_type needs --auth " + string(kind)
	case p.text("security_token_file") != "":
		return "its security_token_file needs --auth security_token"
	}
	return p.delegation(fallback)
}

// delegation returns the advice for a profile with a delegation token, such as that of
// Cloud Shell, or else the advice fallback. The token belongs to the user, so an
// instance principal in its place would be another identity.
func (p profile) delegation(fallback string) string {
	if p.text("delegation_token_file") == "" {
		return fallback
	}
	return "its delegation_token_file is not supported: use a profile with an API key (\"oci setup config\"), " +
		"or a session (\"oci session authenticate\" and --auth security_token)"
}

// readFile reads the file whose path is the value of an entry. It also returns the
// absolute path. The error shows only a value that looks like a path, since it may be
// the content of the file instead.
func (p profile) readFile(key string) (path string, content address.SecretText, err error) {
	value := p.text(key)
	if path, err = expandHome(value); err == nil {
		path, err = filepath.Abs(path)
	}
	if err == nil {
		var text []byte
		if text, err = p.readPath(path); err == nil {
			return path, address.NewSecretText(string(text)), nil
		}
	}
	if form := p.checkForm(key); form != nil {
		return "", content, form
	}
	isPath := address.MayShow(value) || strings.HasSuffix(value, ".pem") && address.CheckPath(value) == nil
	if pe, ok := errors.AsType[*fs.PathError](err); ok && !isPath {
		return "", content, fmt.Errorf("%v: %s: %w; the value is not shown: it must be the path of the file, not its content, and best begins with / or ~/", p, key, pe.Err)
	}
	if !filepath.IsAbs(value) && !strings.HasPrefix(value, "~") {
		err = fmt.Errorf("%w: the path in the profile is relative to the folder in which the program runs: write it from / on", err)
	}
	return "", content, fmt.Errorf("%v: %s: %w", p, key, err)
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
