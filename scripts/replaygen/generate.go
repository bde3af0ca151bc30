package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

const (
	perDay  = 20      // events, so that a full response spans about 25 days
	firstID = 600_000 // every id below it is one of a bulk arrival
)

// span is a time during which the collector polls at an interval.
type span struct {
	from, to time.Time
	every    time.Duration
}

// spans have short intervals around the changes of summer time and the new year.
// There is no poll between 12 January and 20 March, so events are missed.
var spans = []span{
	{day(2025, 10, 1), day(2025, 10, 25), 30 * time.Hour},
	{day(2025, 10, 25), day(2025, 10, 27), time.Hour},
	{day(2025, 10, 27), day(2025, 12, 31), 34 * time.Hour},
	{day(2025, 12, 31), day(2026, 1, 2), 90 * time.Minute},
	{day(2026, 1, 2), day(2026, 1, 12), 20 * time.Hour},
	{day(2026, 3, 20), day(2026, 3, 28), 20 * time.Hour},
	{day(2026, 3, 28), day(2026, 3, 30), 90 * time.Minute},
	{day(2026, 3, 30), day(2026, 4, 7), 20 * time.Hour},
}

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// version is one version of an event. Responses have it from a time on.
type version struct {
	from time.Time
	raw  []byte
}

// event is an invented event.
type event struct {
	id                  int64
	happened, published time.Time
	versions            []version
	// Responses leave the event out between these times. Zero means never.
	absentFrom, absentTo time.Time
	// From returns on, an event that has left the responses is in them again for
	// two days. The zero time means never.
	returns time.Time
}

// shown reports whether responses may have the event.
func (e *event) shown(now time.Time) bool {
	absent := !now.Before(e.absentFrom) && now.Before(e.absentTo)
	return !now.Before(e.published) && !absent
}

// rank returns the time by which a response chooses the newest events.
func (e *event) rank(now time.Time) time.Time {
	if !e.returns.IsZero() && !now.Before(e.returns) && now.Before(e.returns.Add(48*time.Hour)) {
		return e.returns
	}
	return e.published
}

// current returns the version of the event at a time.
func (e *event) current(now time.Time) []byte {
	raw := e.versions[0].raw
	for _, v := range e.versions {
		if !now.Before(v.from) {
			raw = v.raw
		}
	}
	return raw
}

// recording returns the uncompressed recording.
func recording() []byte {
	random := rand.New(rand.NewPCG(9, 2026))
	events := invent(random)
	w := writer{numbers: make(map[string]int)}
	n := 0
	for _, s := range spans {
		for t := s.from; t.Before(s.to); t = t.Add(s.every) {
			poll(&w, events, t.Add(time.Duration(random.IntN(300))*time.Second), n)
			n++
		}
	}
	return w.out.Bytes()
}

// poll writes the n-th poll.
func poll(w *writer, events []*event, now time.Time, n int) {
	switch {
	case n%61 == 40:
		w.body(now, "")
		return
	case n%43 == 25:
		if items := mismatched(events, now, n); items != nil {
			w.response(now, items)
			return
		}
	}
	items := newest(events, now)
	if n%47 == 20 { // an old response from a cache
		items = newest(events, now.Add(-40*time.Hour))
	}
	if damaged := damagedItems[n]; damaged != "" {
		items[7] = []byte(damaged)
		items[8], items[300] = items[300], items[8] // out of order, as the real API's
	}
	w.response(now, items)
}

// newest returns the items of a full response.
func newest(events []*event, now time.Time) [][]byte {
	var shown []*event
	for _, e := range events {
		if e.shown(now) {
			shown = append(shown, e)
		}
	}
	slices.SortStableFunc(shown, func(a, b *event) int { return b.rank(now).Compare(a.rank(now)) })
	return versionsOf(shown[:polisen.FullResponse], now)
}

// damagedItems are items of some polls, by the number of the poll, that are not
// events. One of them comes twice.
var damagedItems = map[int]string{
	30:  `{"id":null,"datetime":"2025-10-25 8:00:00 +02:00","name":"Utan nummer"}`,
	31:  `{"id":null,"datetime":"2025-10-25 8:00:00 +02:00","name":"Utan nummer"}`,
	110: `{"id":650000,"datetime":"2026-01-01","name":"Utan klockslag"}`,
	150: `"Ett meddelande i stället för en händelse"`,
}

// versionsOf returns the versions of the events at a time.
func versionsOf(events []*event, now time.Time) (items [][]byte) {
	for _, e := range events {
		items = append(items, e.current(now))
	}
	return items
}

// mismatched returns the response to another query: 40 to 79 events of one type
// in one place over the last six months. Most of them have left the other
// responses long ago. It returns nil if there is no such type and place.
func mismatched(events []*event, now time.Time, n int) [][]byte {
	groups := make(map[string][]*event)
	var keys []string
	for _, e := range events {
		if e.shown(now) && e.published.After(now.AddDate(0, -6, 0)) {
			var fields struct {
				Type     string
				Location struct{ Name string }
			}
			if err := json.Unmarshal(e.versions[0].raw, &fields); err != nil {
				panic(err)
			}
			key := fields.Type + " in " + fields.Location.Name
			if groups[key] == nil {
				keys = append(keys, key)
			}
			groups[key] = append(groups[key], e)
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return len(groups[key]) < 40 || len(groups[key]) > 79 })
	if len(keys) == 0 {
		return nil
	}
	return versionsOf(groups[keys[n%len(keys)]], now)
}

// bulk is a number of events that are published at once.
type bulk struct {
	at     time.Time
	events int
	days   int // they happened during this many days before
}

var bulks = []bulk{
	{time.Date(2025, 10, 12, 9, 0, 0, 0, time.UTC), 116, 60},
	{time.Date(2025, 12, 5, 9, 0, 0, 0, time.UTC), 275, 3},
	{time.Date(2026, 4, 2, 9, 0, 0, 0, time.UTC), 430, 120},
}

// invent returns all events. They begin six months before the first mismatched
// response.
func invent(random *rand.Rand) (events []*event) {
	id := int64(firstID)
	begin, end := day(2025, 4, 1), spans[len(spans)-1].to
	between := func() time.Duration { return time.Duration(random.ExpFloat64() * float64(24*time.Hour) / perDay) }
	coming := bulks
	for t := begin; t.Before(end); t = t.Add(between()) {
		id += 1 + random.Int64N(4)
		e := newEvent(random, id, t, t.Add(-time.Duration(random.ExpFloat64()*float64(30*time.Minute))))
		vary(random, e)
		events = append(events, e)
		if len(coming) > 0 && t.After(coming[0].at) {
			for i := range coming[0].events {
				// Evenly, so that no day without polls stays without events.
				happened := t.Add(-time.Duration(i*coming[0].days*24*60/coming[0].events) * time.Minute)
				id++
				bulkID := id
				if i%2 == 0 { // below all ids that polls have seen
					bulkID = int64(firstID - 1000*len(coming) + i)
				}
				events = append(events, newEvent(random, bulkID, t, happened))
			}
			coming = coming[1:]
		}
	}
	return events
}

func newEvent(random *rand.Rand, id int64, published, happened time.Time) *event {
	raw := polisentest.Event(id, polisen.InSweden(happened), polisentest.Summary(summary(random)))
	return &event{id: id, happened: happened, published: published, versions: []version{{published, raw}}}
}

// vary makes one event in seven unusual.
func vary(random *rand.Rand, e *event) {
	hours := func(most int) time.Duration { return time.Duration(1+random.IntN(most)) * time.Hour }
	switch n := random.IntN(100); {
	case n < 2: // published late, so that polls have seen higher ids
		e.published = e.published.Add(hours(20 * 24))
	case n < 6:
		revise(random, e, e.published.Add(hours(60)))
	case n < 7: // its third version is the first one again
		revise(random, e, e.published.Add(hours(60)))
		back := version{e.versions[1].from.Add(hours(60)), e.versions[0].raw}
		e.versions = append(e.versions, back)
	case n < 10:
		e.absentFrom = e.published.Add(hours(10 * 24))
		e.absentTo = e.absentFrom.Add(hours(8 * 24))
	case n < 13: // comes back when its id is no longer among the 1000 highest
		returns := e.published.AddDate(0, 0, 60+random.IntN(40))
		if returns.Before(day(2026, 3, 16)) || returns.After(day(2026, 3, 22)) { // the first response after the pause has new events only
			e.returns = returns
		}
		if n == 12 {
			revise(random, e, e.published.Add(hours(90*24)))
		}
	case n < 14: // withdrawn
		e.absentFrom = e.published.Add(hours(48))
		e.absentTo = spans[len(spans)-1].to
	}
}

// revise adds another version, which responses show from the time at.
func revise(random *rand.Rand, e *event, at time.Time) {
	first := e.versions[0].raw
	text := polisentest.Summary(summary(random))
	var raw []byte
	switch n := random.IntN(20); {
	case n < 8:
		raw = bytes.Replace(first, []byte("/handelse-"), []byte("/uppdaterad-handelse-"), 1)
	case n < 14:
		raw = polisentest.Event(e.id, polisen.InSweden(e.happened), polisentest.Summary(summary(random)+" Uppdaterad."))
	case n < 17:
		raw = polisentest.Event(e.id, polisen.InSweden(e.happened), text, polisentest.Type("Övrigt"))
	case n < 19:
		raw = polisentest.Event(e.id, polisen.InSweden(e.happened), text, polisentest.Location("Norrköping"))
	default:
		raw = polisentest.Event(e.id, polisen.InSweden(e.happened).Truncate(time.Hour), text)
	}
	if bytes.Equal(raw, first) {
		panic(fmt.Sprintf("the revision of event %d changes nothing", e.id))
	}
	e.versions = append(e.versions, version{at, raw})
}

// summary returns an invented text.
func summary(random *rand.Rand) string {
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	return fmt.Sprintf("%s %s %s.",
		pick("En person", "Två bilar", "Ett sällskap", "En cyklist", "Flera boende", "En butik", "Räddningstjänsten & polisen"),
		pick("hörs om", "anmäler", "är inblandade i", "misstänks för", "har larmat om", "blir vittne till"),
		pick("en händelse vid torget", "skadegörelse på en skola", "ett bråk utanför \"Kiosken\"", "en kollision på E4:an",
			"en brand i en container", "en stöld värd 3\u00a0000 kronor", "högljudda grannar", "en älg på vägen"))
}

// writer writes a recording.
type writer struct {
	out     bytes.Buffer
	numbers map[string]int // of the versions written so far
}

// response writes a poll and the versions in it that are new.
func (w *writer) response(now time.Time, items [][]byte) {
	numbers := make([]string, len(items))
	for i, raw := range items {
		n, known := w.numbers[string(raw)]
		if !known {
			n = len(w.numbers)
			w.numbers[string(raw)] = n
			fmt.Fprintf(&w.out, `{"v":%d,"e":%s}`+"\n", n, raw)
		}
		numbers[i] = strconv.Itoa(n)
	}
	fmt.Fprintf(&w.out, `{"t":%d,"s":[%s]}`+"\n", now.Unix(), strings.Join(numbers, ","))
}

// body writes a poll whose body is not a JSON array.
func (w *writer) body(now time.Time, body string) {
	fmt.Fprintf(&w.out, `{"t":%d,"raw":%q}`+"\n", now.Unix(), body)
}
