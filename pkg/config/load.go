package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Lookup returns the value of an environment variable and whether it is set,
// as os.LookupEnv does. A variable that is set to nothing counts as not set.
type Lookup func(name string) (string, bool)

// redacted stands in problems for what must not be shown.
const redacted = "[redacted]"

// Problems are all that is wrong with the settings, one line each. They quote
// values, but neither passwords in URLs nor private keys.
type Problems []error

func (p Problems) Error() string { return errors.Join(p...).Error() }

// Unwrap returns the problems one by one.
func (p Problems) Unwrap() []error { return p }

// value is a flag's text as given; Load parses it, so that it can report all
// faults at once.
type value struct {
	text string
	kind string
}

func (v *value) String() string { return v.text }

func (v *value) Set(text string) error {
	v.text = text
	return nil
}

// Type is what pflag shows in place of a value: nothing for a bool.
func (v *value) Type() string { return cmp.Or(v.kind, "bool") }

// Bind defines the flags of the groups.
func Bind(flags *pflag.FlagSet, groups Group) {
	for _, s := range All(groups) {
		if s.Flag == "" {
			continue
		}
		f := flags.VarPF(&value{kind: s.Kind}, s.Flag, "", usage(s))
		if s.Kind == "" {
			f.NoOptDefVal = "true" // a switch needs no value
		}
	}
}

// usage is the flag's help text with its variable and default.
func usage(s Setting) string {
	var notes []string
	if s.Env != "" {
		notes = append(notes, s.Env)
	}
	if d := s.DefaultText(); d != "" && s.Kind != "" {
		notes = append(notes, "default "+d)
	}
	if len(notes) == 0 {
		return s.Help
	}
	return s.Help + " [" + strings.Join(notes, "; ") + "]"
}

// DefaultText is the default as help texts show it; empty if there is none.
func (s Setting) DefaultText() string {
	if s.Default != "" {
		return s.Default
	}
	return s.Implied
}

// Load reads the settings of the groups: the flag's value if it was given, else
// the environment variable's, else the env-file's, else the default. product is
// the program's name and version for the User-Agent.
//
// The error is of type Problems and holds all that is wrong. The settings then
// have their defaults where their values are wrong.
func Load(flags *pflag.FlagSet, groups Group, env Lookup, product string) (Settings, error) {
	l := loader{flags: flags, env: env, given: map[string]given{}}
	all := All(groups | GeneralGroup)
	for _, s := range all { // the env-file may hold the others
		if s.Flag == flagEnvFile {
			l.read(s)
			l.openEnvFile(s)
		}
	}
	for _, s := range all {
		if s.Flag != flagEnvFile {
			l.read(s)
		}
	}
	if groups&APIGroup != 0 {
		l.completeAPI(product)
	}
	if groups&ArchiveGroup != 0 {
		l.completeArchive()
		l.settings.Archive.Flags = l.archiveFlags(all)
	}
	if l.problems != nil {
		return l.settings, l.problems
	}
	return l.settings, nil
}

// loader is the work of one Load.
type loader struct {
	flags    *pflag.FlagSet
	env      Lookup
	file     map[string]string
	settings Settings
	given    map[string]given // what was given, by the setting's key
	problems Problems
}

// given is a setting's value and where it comes from.
type given struct {
	setting Setting
	text    string
	from    string
}

// read finds one setting's value, or takes its default, and parses it.
func (l *loader) read(s Setting) {
	if s.Default != "" {
		if err := s.set(&l.settings, s.Default); err != nil {
			panic("config: the default of " + s.Name() + " is wrong: " + err.Error())
		}
	}
	text, from := l.find(s)
	if from == "" {
		return
	}
	l.given[s.key()] = given{s, text, from}
	if text == "" { // a shell's variable that was not set, most likely
		l.reject(s.key(), "it is empty; leave it out for the default")
		return
	}
	if strings.HasPrefix(text, "--") { // --store --quiet, its value forgotten
		l.reject(s.key(), "it looks like a flag")
		return
	}
	if rest, ok := strings.CutPrefix(text, "~/"); ok { // no shell has read an env-file or a unit file
		if home, ok := l.variable("HOME"); ok {
			text = filepath.Join(home, rest)
		}
	}
	if err := s.set(&l.settings, text); err != nil {
		l.reject(s.key(), "%w", err)
	}
}

// find returns the value given for s and where; nowhere is "".
func (l *loader) find(s Setting) (text, from string) {
	if f := l.flags.Lookup(s.Flag); f != nil && f.Changed {
		return f.Value.String(), "the command line"
	}
	if text, ok := l.variable(s.Env); ok {
		return text, "the environment"
	}
	if text := l.file[s.Env]; text != "" {
		return text, l.settings.General.EnvFile
	}
	return "", ""
}

func (l *loader) variable(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	text, _ := l.env(name)
	return text, text != ""
}

func (l *loader) openEnvFile(s Setting) {
	path := l.settings.General.EnvFile
	if path == "" {
		return
	}
	var err error
	if l.file, err = readEnvFile(path); err != nil {
		l.reject(s.key(), "%w", err)
	}
	known := table()
	for _, name := range slices.Sorted(maps.Keys(l.file)) {
		if strings.HasPrefix(name, "POLISEN_") && !slices.ContainsFunc(known, func(s Setting) bool { return s.Env == name }) {
			l.reject(s.key(), "no setting is called %s: \"%s help environment\" lists them", name, program)
		}
	}
}

// reject notes that the value given for a setting is wrong.
func (l *loader) reject(key, format string, args ...any) {
	g := l.given[key]
	l.problems = append(l.problems, fmt.Errorf("%s: %s from %s: %w; for example %s",
		g.setting.Name(), quote(g.text), g.from, fmt.Errorf(format, args...), g.setting.Example))
}

// miss notes that a setting without a value needs one.
func (l *loader) miss(key, format string, args ...any) {
	for _, s := range table() {
		if s.key() == key {
			l.problems = append(l.problems, fmt.Errorf("%s: not given: %w; for example %s",
				s.Name(), fmt.Errorf(format, args...), s.Example))
		}
	}
}

// archiveFlags returns what the command line says of the archive, as for a shell.
func (l *loader) archiveFlags(all []Setting) string {
	var words []string
	for _, s := range all {
		switch s.Flag {
		case flagTimeout, flagRetryBase: // how long to try says nothing of where
			continue
		case flagEnvFile: // which may say all of it
		default:
			if s.Group != ArchiveGroup {
				continue
			}
		}
		if f := l.flags.Lookup(s.Flag); f != nil && f.Changed {
			words = append(words, "--"+s.Flag, shellWord(f.Value.String()))
		}
	}
	return strings.Join(words, " ")
}

// plainWord is a word that means itself to any shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func (l *loader) has(key string) bool { _, ok := l.given[key]; return ok }

var password = regexp.MustCompile(`(?s)//.*@`) // of which a mistyped one may hold anything

// quote shows a value on one line, without what might be a credential.
func quote(text string) string {
	if strings.Contains(text, "PRIVATE KEY") {
		return redacted
	}
	const most = 200
	text = password.ReplaceAllString(text, "//"+redacted+"@")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Sprintf("%q", text)
}
