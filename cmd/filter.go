package cmd

import (
	"strings"

	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/polisen"
)

// filter holds the flags that select some of the API's events.
type filter struct{ locations, types string }

// bind defines the flags.
func (f *filter) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.locations, "location", "", "fetch only events in these municipalities or counties: `A;B`")
	flags.StringVar(&f.types, "type", "", "fetch only events of these types: `X;Y`")
}

// query returns the query that the flags describe.
func (f *filter) query() polisen.Query {
	return polisen.Query{Locations: list(f.locations), Types: list(f.types)}
}

// list returns the names in the value of a flag, such as "A;B".
func list(flag string) []string {
	var names []string
	for name := range strings.SplitSeq(flag, ";") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// hasFilters reports whether the URL of the API has a query, which may select some of the
// events.
func hasFilters(u config.APIURL) bool { return strings.Contains(u.URL, "?") }
