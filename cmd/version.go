package cmd

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
)

// build describes how this program was built: its source, the Go release and the
// platform.
type build struct {
	Version  string      `json:"version"` // module version, "(devel)" if unknown
	Source   buildSource `json:"source"`
	Revision string      `json:"revision,omitempty"` // commit; empty if unknown
	Time     string      `json:"time,omitempty"`     // time of the commit, RFC 3339
	Modified bool        `json:"modified"`           // the source differed from the commit
	Go       string      `json:"go"`
	Platform string      `json:"platform"`
}

// buildSource is the kind of source that a program was built from.
type buildSource string

const (
	sourceRelease     buildSource = "release"     // a tagged version, unmodified
	sourceClone       buildSource = "clone"       // any other state of a clone
	sourceUnversioned buildSource = "unversioned" // no information from version control, as in a tarball
)

// unknownVersion is the version that the go command records if it knows none.
const unknownVersion = "(devel)"

// untagged matches versions of commits that have no tag (pseudo-versions,
// https://go.dev/ref/mod#pseudo-versions) and of modified source.
var untagged = regexp.MustCompile(`[.-]\d{14}-[0-9a-f]{12}(\+|$)|\+dirty$`)

// readBuild returns the build of this program.
func readBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	b := buildOf(info)
	b.Platform = runtime.GOOS + "/" + runtime.GOARCH
	return b
}

// buildOf returns the build that info describes, without the platform.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" {
		b.Version = unknownVersion
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	switch {
	case b.Version != unknownVersion && !b.Modified && !untagged.MatchString(b.Version):
		b.Source = sourceRelease
	case b.Version != unknownVersion || b.Revision != "":
		b.Source = sourceClone
	default:
		b.Source = sourceUnversioned
	}
	return b
}

// text returns the build on three lines: version, source, Go release and platform.
func (b build) text() string {
	source := string(b.Source)
	if b.Source == sourceUnversioned {
		source = "unversioned source (no information from version control)"
	}
	if b.Revision != "" {
		source += ", commit " + b.Revision + " of " + b.Time
	}
	if b.Modified {
		source += ", modified"
	}
	return fmt.Sprintf("%s %s\n%s\n%s %s\n", program, b.Version, source, b.Go, b.Platform)
}

// product returns the program's name and version for the User-Agent. Without
// its parentheses "(devel)" is a token, as RFC 9110, section 10.1.5, demands.
func product() string { return program + "/" + strings.Trim(readBuild().Version, "()") }

func newVersionCmd(p Process) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print the version of this program",
		Long:        "Prints the version, the source of the build (a release, a clone or an unversioned source),\nits commit, the Go release and the platform.",
		Example:     "  " + program + " version --output json",
		Args:        noArgs,
		Annotations: endsWith(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := p.settings(cmd, config.GeneralGroup)
			if err != nil {
				return err
			}
			b := readBuild()
			return p.printResult(s.General, b, func(w io.Writer) error {
				_, err := io.WriteString(w, b.text())
				return err
			})
		},
	}
}
