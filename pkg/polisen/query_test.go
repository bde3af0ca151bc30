package polisen_test

import (
	"errors"
	"testing"

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
