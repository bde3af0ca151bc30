package polisentest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// event has the API's fields, in the API's order.
type event struct {
	ID       int64    `json:"id"`
	DateTime string   `json:"datetime"`
	Name     string   `json:"name"`
	Summary  string   `json:"summary"`
	URL      string   `json:"url"`
	Type     string   `json:"type"`
	Location location `json:"location"`
}

type location struct {
	Name string `json:"name"`
	GPS  string `json:"gps"`
}

var (
	types = [...]string{
		"Misshandel", "Trafikolycka, personskada", "Rån", "Stöld/inbrott", "Brand", "Sammanfattning natt",
		"Skadegörelse", "Rattfylleri", "Olaga hot", "Försvunnen person", "Narkotikabrott",
	}
	locations = [...]location{
		{"Stockholm", "59.329324,18.068581"},
		{"Järfälla", "59.432929,17.828018"},
		{"Göteborg", "57.70887,11.97456"},
		{"Malmö", "55.604981,13.003822"},
		{"Västra Götalands län", "58.252793,13.059643"},
		{"Luleå", "65.584819,22.156703"},
		{"Örebro", "59.275263,15.213411"},
	}
	months = [...]string{
		"januari", "februari", "mars", "april", "maj", "juni",
		"juli", "augusti", "september", "oktober", "november", "december",
	}
)

// Field changes a field of an event.
type Field func(*event)

// Summary sets the summary. A different summary with the same id is a revision.
func Summary(text string) Field { return func(e *event) { e.Summary = text } }

// Type sets the event type.
func Type(name string) Field { return func(e *event) { e.Type = name } }

// Location sets the municipality or county.
func Location(name string) Field { return func(e *event) { e.Location.Name = name } }

// Event returns a synthetic event as compact JSON, like the Raw of a
// polisen.Event. The same arguments give the same event. Its datetime is
// [DateTime] of t.
func Event(id int64, t time.Time, fields ...Field) []byte {
	pick := int(uint64(id) * 0x9e3779b97f4a7c15 >> 40) // consecutive ids get different values
	e := event{
		ID:       id,
		DateTime: DateTime(t),
		Type:     types[pick%len(types)],
		Location: locations[pick%len(locations)],
	}
	e.Name = fmt.Sprintf("%02d %s %02d:%02d, %s, %s", t.Day(), months[t.Month()-1], t.Hour(), t.Minute(), e.Type, e.Location.Name)
	e.Summary = fmt.Sprintf("Polisen är på plats med anledning av \"%s\" i %s.", e.Type, e.Location.Name)
	e.URL = fmt.Sprintf("/aktuellt/handelser/%d/%s/%d/handelse-%d/", t.Year(), months[t.Month()-1], t.Day(), id)
	for _, set := range fields {
		set(&e)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return raw
}

// DateTime returns t in the API's form: with t's own UTC offset, and an hour of
// one digit before ten o'clock.
func DateTime(t time.Time) string {
	return fmt.Sprintf("%s %d%s", t.Format(time.DateOnly), t.Hour(), t.Format(":04:05 -07:00"))
}

// Response returns a response body of the items, indented like the API's.
func Response(items ...[]byte) []byte {
	body := append([]byte{'['}, bytes.Join(items, []byte{','})...)
	body = append(body, ']')
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", "  "); err != nil {
		panic(fmt.Sprintf("polisentest: an item is not JSON: %v", err))
	}
	return indented.Bytes()
}

// FirstID is the highest id in Body.
const FirstID = 600_000

// Newest is the time of the newest event in Body.
var Newest = time.Date(2026, 1, 2, 19, 56, 53, 0, time.FixedZone("", 3600))

// Body returns a response body of n events, the newest of them from [Newest]: see
// [BodyAt].
func Body(n int) []byte { return BodyAt(Newest, n) }

// BodyAt returns a response body of n events. Their ids are FirstID, FirstID-1 and so
// on. Their times go back from newest, about half an hour apart, and have its UTC
// offset. As in the API's responses, they are sorted neither by time nor by id.
func BodyAt(newest time.Time, n int) []byte {
	items := make([][]byte, n)
	for i := range items {
		shuffled := i ^ 1 // swaps neighbours
		if shuffled >= n {
			shuffled = i
		}
		late := time.Duration(shuffled*37%150) * time.Minute
		t := newest.Add(-time.Duration(shuffled)*27*time.Minute - late)
		items[i] = Event(FirstID-int64(shuffled), t)
	}
	return Response(items...)
}
