package cmd

import (
	"strings"

	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/polisen"
)

// filter holds the flags that select some of the API's events.
type filter struct{ locations, types []string }

// bind defines the flags.
func (f *filter) bind(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.locations, "location", nil, "fetch only events in this municipality or county: `PLACE`; may be repeated")
	flags.StringArrayVar(&f.types, "type", nil, "fetch only events of this `TYPE`; may be repeated")
}

// check returns an error if a flag has no name in it, as with a variable that is empty: without
// the error the program would fetch all events.
func (f *filter) check() error {
	for _, flag := range []struct {
		name   string
		values []string
	}{{"location", f.locations}, {"type", f.types}} {
		if len(flag.values) > 0 && len(list(flag.values)) == 0 {
			return usagef("--%s is empty: give a name, or leave the flag out to fetch all events", flag.name)
		}
	}
	return nil
}

// query returns the query that the flags describe.
func (f *filter) query() polisen.Query {
	return polisen.Query{Locations: list(f.locations), Types: list(f.types)}
}

// list returns the names in the values of a flag. A value may have several, as in a query of
// the API: "A;B".
func list(values []string) []string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(values, ";"), ";") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// hasFilters reports whether the URL of the API has a query, which may select some of the
// events.
func hasFilters(u config.APIURL) bool { return strings.Contains(u.URL, "?") }
