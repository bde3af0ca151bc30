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
	"time"

	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/address"
)

// Lookup returns the value of an environment variable and whether it is set,
// as os.LookupEnv does. [Load] treats an empty variable as not set.
type Lookup func(name string) (string, bool)

// Problems are all errors of the settings, each of one line. They show a value only
// if [address.MayShow] allows it: any setting may hold a secret that was meant for
// another one.
type Problems []error

// Error returns all errors, one per line.
func (p Problems) Error() string { return errors.Join(p...).Error() }

// Unwrap returns the single errors.
func (p Problems) Unwrap() []error { return p }

// value is a flag's value. It accepts any text; Load checks it later, so that
// one run reports all invalid settings.
type value struct {
	setting Setting
	text    string
}

func (v *value) String() string { return v.text }

func (v *value) Set(text string) error {
	v.text = text
	return nil
}

// Type returns the placeholder for help texts. pflag shows none for a bool.
func (v *value) Type() string { return cmp.Or(v.setting.Placeholder, "bool") }

// Choices returns the values to offer when a shell completes the flag.
func (v *value) Choices() []string { return v.setting.Choices }

// Bind defines the flags of the groups.
func Bind(flags *pflag.FlagSet, groups Group) {
	for _, s := range All(groups) {
		if s.Flag == "" {
			continue
		}
		f := flags.VarPF(&value{setting: s}, s.Flag, "", usage(s))
		if s.isSwitch() {
			f.NoOptDefVal = "true" // the value of the flag without =VALUE
		}
	}
}

// usage returns the help text of a flag in the help of a command. It leaves out
// Implied, which is too long for it.
func usage(s Setting) string {
	var notes []string
	if s.Env != "" {
		notes = append(notes, s.Env)
	}
	if s.Default != "" && !s.isSwitch() {
		notes = append(notes, "default "+s.Default)
	}
	if len(notes) == 0 {
		return s.Meaning()
	}
	return s.Meaning() + " [" + strings.Join(notes, "; ") + "]"
}

// Load returns the settings of the groups and of [GeneralGroup]. A setting has the
// value of its flag; without the flag, that of its environment variable; without
// the variable, that of its alias; and otherwise its default. The variables of the
// env-file that have no value in the environment count as part of it. product is the
// program's name and version for the User-Agent.
//
// The error, of type [Problems], lists every problem. The settings are usable even
// then: invalid ones have their defaults.
func Load(flags *pflag.FlagSet, groups Group, env Lookup, product string) (Settings, error) {
	l := loader{flags: flags, env: env, given: map[string]given{}}
	all := All(groups | GeneralGroup)
	for _, s := range all { // the env-file first, since it may hold the others
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
		l.deriveAPI(product)
		l.settings.API.Flags = l.givenFlags(all, func(s Setting) bool { return s.Flag == flagStateDir })
	}
	if groups&ArchiveGroup != 0 {
		l.deriveArchive()
		l.settings.Archive.Flags = l.givenFlags(all, selectsArchive)
	}
	if api := l.settings.API.URL; api.URL != "" && !api.Loopback || l.settings.Archive.Store.Kind == OCIStore {
		l.checkProxy()
	}
	if l.problems != nil {
		return l.settings, l.problems
	}
	return l.settings, nil
}

// Timeout returns the time limit of the run that the command line or the
// environment sets; zero if neither does, or if it is not valid. Unlike [Load] it
// reads no file.
func Timeout(flags *pflag.FlagSet, env Lookup) time.Duration {
	return single(flagTimeout, flags, env).Archive.Timeout
}

// EnvFile returns the absolute path of the env-file that the command line or the
// environment names; empty if neither does, or if it is not valid. It reads no file.
func EnvFile(flags *pflag.FlagSet, env Lookup) string {
	return single(flagEnvFile, flags, env).General.EnvFile
}

// single returns settings with only one value: that of this flag or its variable.
func single(flag string, flags *pflag.FlagSet, env Lookup) Settings {
	l := loader{flags: flags, env: env, given: map[string]given{}}
	for _, s := range All(AllGroups) {
		if s.Flag == flag {
			l.read(s)
		}
	}
	return l.settings
}

// loader is the state of one Load.
type loader struct {
	flags    *pflag.FlagSet
	env      Lookup
	file     map[string]string // variables of the env-file
	settings Settings
	given    map[string]given // settings that have a value, by key
	problems Problems
}

// given is the value of a setting and its origin.
type given struct {
	setting Setting
	text    string
	from    string
}

// read sets one setting to its value, or to its default if it has no valid value.
func (l *loader) read(s Setting) {
	if s.Default != "" {
		if err := s.set(&l.settings, s.Default); err != nil {
			panic("config: invalid default of " + s.Name() + ": " + err.Error())
		}
	}
	text, from, inFile := l.find(s)
	if from == "" {
		return
	}
	l.given[s.key()] = given{s, text, from}
	if text == "" { // probably from a shell variable that was not set
		l.invalid(s.key(), "the value is empty; omit the flag to use the default")
		return
	}
	if strings.HasPrefix(text, "--") && s.key() != envKeyContent { // as in --store --quiet
		l.invalid(s.key(), "the value looks like a flag")
		return
	}
	if word, ok := s.Synonyms[strings.ToLower(text)]; ok {
		text = word
	}
	isPath := s.Path && (!strings.Contains(text, "://") || strings.HasPrefix(text, "file://"))
	if isPath {
		if err := address.CheckLiteral(text); err != nil {
			l.invalid(s.key(), "%w", err)
			return
		}
		if rest, ok := strings.CutPrefix(text, "~/"); ok { // env-files and unit files have no shell that expands it
			if home, ok := l.variable("HOME"); ok {
				text = filepath.Join(home, rest)
			}
		}
	}
	if s.Choices != nil && !slices.Contains(s.Choices, strings.ToLower(text)) {
		l.invalid(s.key(), "not one of %s", strings.Join(s.Choices, ", "))
		return
	}
	next := l.settings
	switch err := s.set(&next, text); {
	case err != nil:
		l.invalid(s.key(), "%w", err)
	case isPath && inFile && !filepath.IsAbs(strings.TrimPrefix(text, "file://")):
		l.invalid(s.key(), "the path is relative, so it would name another place when a run starts in another folder: write it from / or ~/ on")
	default:
		l.settings = next
	}
}

// find returns the value of s and the origin of the value. Both are empty if s has
// no value. inFile says that the origin is the env-file.
func (l *loader) find(s Setting) (text, from string, inFile bool) {
	if f := l.flags.Lookup(s.Flag); f != nil && f.Changed {
		return f.Value.String(), "the command line", false
	}
	for _, name := range []string{s.Env, s.Alias} {
		text, ok := l.variable(name)
		if !ok {
			continue
		}
		from := "the environment"
		if outside, _ := l.env(name); outside == "" {
			from, inFile = l.settings.General.EnvFile, true
		}
		if name != s.Env {
			from = name + " in " + from
		}
		return text, from, inFile
	}
	return "", "", false
}

// variable returns a variable of the environment or, if it has no value there, of the
// env-file. It also returns whether the variable has a value.
func (l *loader) variable(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	text, _ := l.env(name)
	text = cmp.Or(text, l.file[name])
	return text, text != ""
}

// openEnvFile reads the env-file; s is the setting that names it. A name in the file that
// is probably a misspelt setting is an error. Other unknown variables may be meant for
// libraries and for other programs.
func (l *loader) openEnvFile(s Setting) {
	path := l.settings.General.EnvFile
	if path == "" {
		return
	}
	text, err := readEnvFile(path)
	if err != nil {
		l.invalid(s.key(), "%w", err)
	}
	if l.file, err = parseEnv(text); err != nil {
		l.problems = append(l.problems, fmt.Errorf("read %s: %w; for example LOG_LEVEL=info", path, err))
	}
	l.settings.General.Variables = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.file)) {
		switch near, misspelt := misspelling(name); {
		case slices.Contains(readAtStart, name):
			l.invalid(s.key(), "%s in this file would have no effect, since it is read when the process starts: set it in the environment", name)
		case misspelt:
			l.problems = append(l.problems, fmt.Errorf("%s in %s is not a setting: %s; for example %s=%s", shownName(name), path, nearest(near), near.Env, near.Example))
		case slices.Contains(replaced, name):
			l.settings.General.Replaced = append(l.settings.General.Replaced, name)
		}
		if outside, _ := l.env(name); outside == "" && l.file[name] != "" {
			l.settings.General.Variables[name] = l.file[name]
		}
	}
}

// invalid adds the problem that the value of a setting is invalid. The format
// and args say why.
func (l *loader) invalid(key, format string, args ...any) {
	g := l.given[key]
	l.problems = append(l.problems, fmt.Errorf("%s: invalid value %s from %s: %w; for example %s",
		g.setting.Name(), address.Describe(g.text), g.from, fmt.Errorf(format, args...), g.setting.Example))
}

// missing adds the problem that a setting needs a value. The format and args
// say why.
func (l *loader) missing(key, format string, args ...any) {
	for _, s := range table() {
		if s.key() == key {
			l.problems = append(l.problems, fmt.Errorf("%s: not set: %w; for example %s",
				s.Name(), fmt.Errorf(format, args...), s.Example))
		}
	}
}

// selectsArchive reports whether a setting selects the archive or the access to it. The
// env-file may do so.
func selectsArchive(s Setting) bool {
	return s.Flag == flagEnvFile || s.Group == ArchiveGroup && s.Flag != flagTimeout && s.Flag != flagRetryBase
}

// givenFlags returns the flags of the command line that match, quoted for a shell.
func (l *loader) givenFlags(all []Setting, matches func(Setting) bool) string {
	var words []string
	for _, s := range all {
		if f := l.flags.Lookup(s.Flag); matches(s) && f != nil && f.Changed {
			words = append(words, "--"+s.Flag, shellWord(f.Value.String()))
		}
	}
	return strings.Join(words, " ")
}

// plainWord matches a word that every shell leaves as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes text for a POSIX shell, if it needs quotes.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// has reports whether a setting has a value, from anywhere, so that its default
// does not apply.
func (l *loader) has(key string) bool { _, ok := l.given[key]; return ok }
