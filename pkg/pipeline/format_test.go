package pipeline

import (
	"strings"
	"testing"

	"polisen-events-collector/pkg/polisen"
)

func TestCompareFields(t *testing.T) {
	const event = `{"id":1,"datetime":"2026-01-02 9:38:12 +01:00","name":"n","summary":"s","url":"/u","type":"Brand","location":{"name":"Malmö","gps":"1,2"}}`
	for name, test := range map[string]struct {
		from, to string
		kinds    bool
		want     string
	}{
		"equal":           {event, event, false, ""},
		"equal in kind":   {knownFields, event, true, ""},
		"white space":     {`{"a":[1,2]}`, `{"a": [1, 2]}`, false, ""},
		"a value":         {event, strings.Replace(event, `"s"`, `"t"`, 1), false, "fields different: summary"},
		"an inner value":  {event, strings.Replace(event, `"1,2"`, `"3,4"`, 1), false, "fields different: location.gps"},
		"another name":    {event, strings.Replace(event, `"type"`, `"category"`, 1), false, "fields added: category; missing: type"},
		"another kind":    {knownFields, strings.Replace(event, `"id":1`, `"id":"1"`, 1), true, "fields different: id"},
		"object to text":  {knownFields, strings.Replace(event, `{"name":"Malmö","gps":"1,2"}`, `"Malmö"`, 1), true, "fields missing: location.gps, location.name; different: location"},
		"text to object":  {`{"a":""}`, `{"a":{"b":1}}`, true, "fields added: a.b; different: a"},
		"not an object":   {event, `[1]`, false, ""},
		"null":            {event, `null`, false, ""},
		"not JSON":        {event, `{`, false, ""},
		"many names":      {`{}`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}`, false, "fields added: a, b, c, d, e, f, and 2 more"},
		"names of others": {`{}`, `{"` + strings.Repeat("x", 50) + `\n":1}`, false, "fields added: " + strings.Repeat("x", 40) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := compareFields([]byte(test.from), []byte(test.to), test.kinds).String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestRejectedExample checks that the example shows the most frequent difference.
func TestRejectedExample(t *testing.T) {
	items := []polisen.Rejected{
		{Reason: "one", Raw: []byte(`{"id":"x"}`)},
		{Reason: "two", Raw: []byte(`{"nr":1,"datetime":"","name":"","summary":"","url":"","type":"","location":{"name":"","gps":""}}`)},
		{Reason: "three", Raw: []byte(`{"nr":2,"datetime":"","name":"","summary":"","url":"","type":"","location":{"name":"","gps":""}}`)},
	}
	for range 10 { // the order of a map is random
		if example, changes := rejectedExample(items); example != "two; fields added: nr; missing: id" || changes != "fields added: nr; missing: id" {
			t.Fatalf("example %q, changes %q", example, changes)
		}
	}
}
