package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// readAtStart are variables that are read when the process starts, before an env-file can
// set them: by Go's runtime (https://pkg.go.dev/runtime#hdr-Environment_Variables), and by
// the logger of the OCI SDK
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/log.go).
var readAtStart = []string{
	"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK",
	"OCI_GO_SDK_DEBUG", "OCI_GO_SDK_LOG_FILE", "OCI_GO_SDK_LOG_OUTPUT_MODE",
}

// replaced are variables of an older collector of these events that this program does
// not need (https://github.com/acedergren/polisen-events-collector/blob/main/.env.example).
var replaced = []string{
	"LOG_DIR", "OCI_COMPARTMENT_ID", "POLLING_INTERVAL_MINUTES", "USE_INSTANCE_PRINCIPAL", "USE_VAULT", "VAULT_SECRET_ID",
}

// misspelling returns the setting whose variable is nearest to name, and whether name is
// probably a misspelling of it: any unknown name that begins with POLISEN_ is, and one
// that begins with OCI_ if it resembles a setting.
func misspelling(name string) (near Setting, misspelt bool) {
	upper := strings.ToUpper(name)
	ours := strings.HasPrefix(upper, "POLISEN_")
	if !ours && !strings.HasPrefix(upper, "OCI_") {
		return Setting{}, false
	}
	all := table()
	if i := slices.IndexFunc(all, func(s Setting) bool { return name == s.Env || name == s.Alias }); i >= 0 {
		return all[i], false
	}
	best := len(name) + 100
	for _, s := range all {
		for _, variable := range []string{s.Env, s.Alias} {
			cli := strings.HasPrefix(upper, "OCI_CLI_") == strings.HasPrefix(variable, "OCI_CLI_")
			sameFamily := variable != "" && (ours || cli && strings.HasPrefix(variable, "OCI_"))
			if d := distance(core(upper), core(variable)); sameFamily && d < best {
				near, best = s, d
			}
		}
	}
	return near, ours || !slices.Contains(replaced, name) && best <= max(1, len(core(near.Env))/4)
}

// Misspelt returns a warning for each variable of the environment, which has the form of
// [os.Environ], that is probably a misspelt setting. In an env-file such a name is an error
// of [Load]. But the environment belongs to other programs too.
func Misspelt(environ []string) (warnings []string) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if near, misspelt := misspelling(name); misspelt && value != "" { // an empty one counts as not set
			warnings = append(warnings, fmt.Sprintf("%s in the environment is not a setting and has no effect: %s", shownName(name), nearest(near)))
		}
	}
	return warnings
}

// nearest says which setting a misspelt name is nearest to.
func nearest(near Setting) string {
	return fmt.Sprintf("the nearest one is %s, and \"%s help environment\" lists all", near.Env, Program)
}

// core returns the name of a variable without its prefix, and without an ending that says
// only what kind of text its value is. Users add and forget such endings.
func core(name string) string {
	for _, prefix := range []string{"POLISEN_", "OCI_", "API_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	for _, suffix := range []string{"_NAME", "NAME", "_ID", "_FILE", "_URL", "_DIR", "_EMAIL"} {
		if short, ok := strings.CutSuffix(name, suffix); ok {
			return short
		}
	}
	return name
}

// maxCompared is the length in bytes of the longest text that distance compares.
const maxCompared = 64

// distance returns the number of letters to insert, delete, replace or swap with their
// neighbour that make a equal to b.
func distance(a, b string) int {
	if len(a) > maxCompared {
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j], rows[i][j-1], rows[i-1][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return rows[len(a)][len(b)]
}

// plainName matches a name that can be no secret in a wrong place, unless it is long.
var plainName = regexp.MustCompile(`^[A-Z_]+$`)

// shownName returns the name of a variable for a message.
func shownName(name string) string {
	if len(name) <= 40 && plainName.MatchString(name) {
		return name
	}
	return "a variable"
}
