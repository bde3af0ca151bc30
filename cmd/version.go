package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
)

// version is set when a release is built:
// -ldflags "-X polisen-events-collector/cmd.version=v1.2.3".
var version string

// build says what this program was built from.
type build struct {
	Version  string `json:"version"`            // "dev" if nobody gave it one
	Revision string `json:"revision,omitempty"` // commit
	Time     string `json:"time,omitempty"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"`           // the source differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
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
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}

func (b build) text() string {
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s %s\n", program, b.Version)
	if b.Revision != "" {
		modified := ""
		if b.Modified {
			modified = ", modified"
		}
		fmt.Fprintf(&lines, "revision %s of %s%s\n", b.Revision, b.Time, modified)
	}
	fmt.Fprintf(&lines, "%s %s\n", b.Go, b.Platform)
	return lines.String()
}

// product is how the program names itself to servers.
func product() string { return program + "/" + readBuild().Version }

func newVersionCmd(p Process) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print what this program was built from",
		Long:        "Prints the version, the commit, and the Go release and platform of the build.",
		Example:     "  " + program + " version --output json",
		Args:        noArgs,
		Annotations: endsWith(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := p.settings(cmd, config.GeneralGroup)
			if err != nil {
				return err
			}
			return runVersion(p.Stdout, s.General.Output)
		},
	}
}

func runVersion(w io.Writer, format config.Format) error {
	b := readBuild()
	var err error
	if format == config.JSON {
		err = json.NewEncoder(w).Encode(b)
	} else {
		_, err = io.WriteString(w, b.text())
	}
	if err != nil {
		return fmt.Errorf("print version: %w", err)
	}
	return nil
}
