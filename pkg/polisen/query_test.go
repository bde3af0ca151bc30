package polisen_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/polisen"
)

func TestQueryEncode(t *testing.T) {
	for _, tt := range []struct {
		query polisen.Query
		want  string
	}{
		{polisen.Query{}, ""},
		{polisen.Query{DateTime: "2018-03"}, "DateTime=2018-03"},
		{polisen.Query{DateTime: "2018-03-05 21"}, "DateTime=2018-03-05%2021"},
		{polisen.Query{Locations: []string{"Stockholm", "Järfälla"}}, "locationname=Stockholm;J%C3%A4rf%C3%A4lla"},
		{polisen.Query{Types: []string{"Misshandel", "Rån"}}, "type=Misshandel;R%C3%A5n"},
		{
			polisen.Query{DateTime: "2018-03-05", Locations: []string{"Västra Götalands län"}, Types: []string{"Trafikolycka, personskada", "a;b&c=d+e"}},
			"DateTime=2018-03-05&locationname=V%C3%A4stra%20G%C3%B6talands%20l%C3%A4n&type=Trafikolycka%2C%20personskada;a%3Bb%26c%3Dd%2Be",
		},
	} {
		if got := tt.query.Encode(); got != tt.want {
			t.Errorf("%+v:\n got %s\nwant %s", tt.query, got, tt.want)
		}
		if got := tt.query.IsZero(); got != (tt.want == "") {
			t.Errorf("%+v: IsZero() = %v", tt.query, got)
		}
	}
}

func TestInvalidQuery(t *testing.T) {
	w := newWorld(t, nil)
	for _, dateTime := range []string{"2018", "2018-3", "2018-13", "2018-02-30", "2018-03-05 9", "2018-03-05 24", "2018-03-05T21", "idag"} {
		response, err := w.client.Fetch(t.Context(), polisen.Query{DateTime: dateTime})
		if !errors.Is(err, polisen.ErrSettings) || response == nil {
			t.Errorf("DateTime %q: %v, %v; want ErrSettings", dateTime, response, err)
		}
	}
	if n := len(w.api.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// FuzzQuery checks that the query part of a URL has each value of a query, after it is
// split at "&", "=" and ";" and decoded, and no character that a URL encodes.
func FuzzQuery(f *testing.F) {
	for _, s := range [][3]string{
		{"2018-03-05 21", "Stockholm\nJärfälla", "Trafikolycka, personskada\na;b&c=d+e"}, {"", "", ""}, {"", "\n", "%20\n%\n#?/"}, {"x", "\xff\x00\x7f", "\"'<>\\"},
	} {
		f.Add(s[0], s[1], s[2], true)
	}
	f.Fuzz(func(t *testing.T, dateTime, locations, types string, hasTypes bool) {
		want := polisen.Query{DateTime: dateTime, Locations: strings.Split(locations, "\n")}
		if hasTypes {
			want.Types = strings.Split(types, "\n")
		}
		encoded := want.Encode()
		if i := strings.IndexFunc(encoded, func(r rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%;&=", r)
		}); i >= 0 {
			t.Fatalf("%q has the character %q", encoded, encoded[i])
		}
		var got polisen.Query
		for part := range strings.SplitSeq(encoded, "&") {
			name, values, _ := strings.Cut(part, "=")
			var decoded []string
			for value := range strings.SplitSeq(values, ";") {
				v, err := url.PathUnescape(value)
				if err != nil {
					t.Fatal(err)
				}
				decoded = append(decoded, v)
			}
			switch name {
			case "DateTime":
				got.DateTime = strings.Join(decoded, ";")
			case "locationname":
				got.Locations = decoded
			case "type":
				got.Types = decoded
			default:
				t.Fatalf("%q has the parameter %q", encoded, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || want.IsZero() {
			t.Errorf("%s (-want +got):\n%s", encoded, diff)
		}
	})
}
