package verify_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// TestManyDoubles: more objects with doubles than one commit takes on. First
// versions stay first whichever commit their objects are rewritten by, and the
// document stays small.
func TestManyDoubles(t *testing.T) {
	const runs = 700
	s := memstore.New()
	for run := range runs {
		var body strings.Builder
		for _, e := range [][]byte{
			event(int64(1000+run), 1, "first").Raw,
			event(1, 1, "first").Raw,
			event(int64(2000+run/2), 1, fmt.Sprint("version ", run%2)).Raw, // a later version in the next run
		} {
			body.Write(append(e, '\n'))
		}
		put(t, s, fmt.Sprintf("events/2026/01/01/events-%d.jsonl", 1767301200+run), body.String())
	}
	before := lines(t, s)
	f := storetest.NewFaults(s, nil)
	r := mustRepair(t, f, true)
	if len(r.Findings) > 0 || r.Checked.Events != runs+1+runs/2 || r.Checked.Revisions != runs/2 {
		t.Fatalf("%s", r.Summary())
	}
	truth(before).check(t, s, false)
	for a, err := range s.List(t.Context(), "revisions/") {
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Get(t.Context(), a.Name)
		if err != nil || strings.Contains(string(o.Body), "version 0") || strings.Contains(string(o.Body), "first") {
			t.Fatalf("%v: a first version among the revisions: %s", err, o.Body)
		}
	}
	commits := 0
	for _, c := range f.Calls() {
		if c.Method == storetest.Put && c.Name == archive.DocumentName {
			commits++
		}
	}
	if commits < 3 || commits > 5 {
		t.Errorf("%d commits", commits)
	}
}

// TestNotUTF8IsLeft: an object with a line that no commit can hold as it is
// stays, with the doubles in it, and nothing of it is changed or doubled.
func TestNotUTF8IsLeft(t *testing.T) {
	s := memstore.New()
	const first, second = "events/2026/01/01/events-1767301200.jsonl", "events/2026/01/01/events-1767301300.jsonl"
	bad := strings.Replace(string(event(9, 1, "first").Raw), "first", "R\xe5n", 1)
	body := string(event(1, 1, "first").Raw) + "\n" + string(event(2, 1, "first").Raw) + "\n" + bad + "\n" + string(event(2, 1, "first").Raw) + "\n"
	put(t, s, first, string(event(1, 1, "first").Raw)+"\n")
	put(t, s, second, body)
	r := mustRepair(t, s, true)
	acts := fmt.Sprint(r.Actions)
	if !strings.Contains(acts, "skip "+second) || !strings.Contains(acts, "not UTF-8") {
		t.Errorf("acts %s", acts)
	}
	if o, err := s.Get(t.Context(), second); err != nil || string(o.Body) != body {
		t.Errorf("the object is now %q, %v", o.Body, err)
	}
	// The double of 1 goes from the other object.
	if _, err := s.Get(t.Context(), first); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("%s: %v, want it gone", first, err)
	}
	if checks := checksOf(r); !slices.Equal(checks, []string{"duplicate-event", "not-utf8"}) {
		t.Errorf("left are %q", checks)
	}
}

// TestTooLargeIsLeft: an object that no document could hold, escapes and all,
// stays as it is.
func TestTooLargeIsLeft(t *testing.T) {
	s := memstore.New()
	const name = "events/2026/01/01/events-1767301200.jsonl"
	one := string(event(1, 1, "first").Raw) + "\n"
	body := one + one + string(event(2, 1, strings.Repeat("x", 16<<20)).Raw) + "\n"
	put(t, s, name, body)
	r := mustRepair(t, s, true)
	if acts := fmt.Sprint(r.Actions); !strings.Contains(acts, "skip "+name) || !strings.Contains(acts, "too large") {
		t.Errorf("acts %s", acts)
	}
	if o, err := s.Get(t.Context(), name); err != nil || string(o.Body) != body {
		t.Errorf("the object is another, %v", err)
	}
}

// TestDryRunOfWhatCannotBe: a dry run ends as the repair would.
func TestDryRunOfWhatCannotBe(t *testing.T) {
	s := memstore.New()
	const name = "events/2026/01/01/events-1767301200.jsonl"
	put(t, s, name, string(event(1, 1, "first").Raw)+"\n"+string(event(1, 1, "first").Raw)+"\n")
	for _, dryRun := range []bool{true, false} {
		o := writerOptions()
		o.DryRun = dryRun
		_, err := verify.Repair(t.Context(), rotten{s, name}, options(), verify.RepairOptions{Duplicates: true, Writer: o})
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("dry run %v: %v", dryRun, err)
		}
	}
}

// TestPartsOfAnArchive: a version whose day another one does not share is no
// problem of either day, nor of the rest while one object cannot be read.
func TestPartsOfAnArchive(t *testing.T) {
	s := memstore.New()
	moved := func(at, text string) polisen.Event {
		e, rejected := polisen.ParseItem(fmt.Appendf(nil, `{"id":1,"datetime":"%s +01:00","summary":%q}`, at, text))
		if rejected != nil {
			t.Fatal(rejected.Reason)
		}
		return e
	}
	for _, e := range []polisen.Event{moved("2026-01-01 23:50:00", "first"), moved("2026-01-02 0:10:00", "second")} {
		w := archive.NewWriter(s, writerOptions())
		_, err := w.Add(t.Context(), archive.Batch{Events: []polisen.Event{e}, ObservedAt: now, Current: true})
		if err == nil {
			err = w.Flush(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, day := range []string{"", "2026-01-01", "2026-01-02"} {
		o := options()
		if day != "" {
			o.From, _ = archive.ParseDate(day)
			o.To = o.From
		}
		r, err := verify.Audit(t.Context(), s, o)
		if err != nil || !r.OK {
			t.Errorf("day %q: %v, %v", day, r.Findings, err)
		}
	}
	for a, err := range s.List(t.Context(), "events/") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := verify.Audit(t.Context(), rotten{s, a.Name}, options())
		if err != nil || !slices.Equal(checksOf(r), []string{"content-damaged"}) {
			t.Errorf("%v, %v; want the damaged object alone", r.Findings, err)
		}
	}
}

// TestForgottenIsStoredAgain: an event whose object somebody has deleted is
// listed, so that runs pass over it, until a repair has forgotten it.
func TestForgottenIsStoredAgain(t *testing.T) {
	s := memstore.New()
	batch := func(id int64) archive.Batch {
		return archive.Batch{Events: []polisen.Event{event(id, 2, "first")}, ObservedAt: now, Current: true}
	}
	run := func(id int64) archive.Outcome {
		w := archive.NewWriter(s, writerOptions())
		o, err := w.Add(t.Context(), batch(id))
		if err != nil || w.Flush(t.Context()) != nil {
			t.Fatal(err)
		}
		return o
	}
	name := run(1).Objects[0].Name
	run(2)
	a, err := s.Stat(t.Context(), name)
	if err == nil {
		err = s.Delete(t.Context(), name, a.ETag)
	}
	if err != nil {
		t.Fatal(err)
	}
	if o := run(1); o.New != 0 {
		t.Fatalf("the event is no longer listed: %+v", o)
	}
	mustRepair(t, s, false)
	if first, second := run(1), run(1); first.New != 1 || second.New != 0 {
		t.Errorf("after the repair runs store %d and %d", first.New, second.New)
	}
	newTruth(t, s, "").with(batch(1)).check(t, s, false)
}

// TestActs: what a repair says that it does.
func TestActs(t *testing.T) {
	want := map[string][]string{
		"seen_not_stored":   {"update metadata/last_seen.json", "forget metadata/last_seen.json"},
		"document_missing":  {"rebuild metadata/last_seen.json"},
		"document_damaged":  {"save metadata/last_seen.corrupt-1781956800.json", "rebuild metadata/last_seen.json"},
		"pending_missing":   {"put events/2026/01/02/events-1767387600.jsonl"},
		"pending_different": {"put events/2026/01/02/events-1781956800.jsonl"},
		"superseded_object": {"delete events/2026/01/01/events-1767301200.jsonl"},
		"duplicate_event": {
			"rewrite events/2026/01/01/events-1767391201.jsonl", "rewrite events/2026/01/01/events-1767391200.jsonl",
			"rewrite events/2026/01/01/events-1767301200.jsonl", "put events/2026/01/01/events-1781956800.jsonl",
			"delete events/2026/01/01/events-1767391201.jsonl", "delete events/2026/01/01/events-1767391200.jsonl",
			"delete events/2026/01/01/events-1767301200.jsonl",
		},
	}
	for _, f := range fixtures(t) {
		acts, ok := want[f.name]
		if !ok {
			continue
		}
		delete(want, f.name)
		var got []string
		for _, a := range mustRepair(t, f.store, true).Actions {
			if a.Detail == "" {
				t.Errorf("%s: no detail: %v", f.name, a)
			}
			got = append(got, a.Verb+" "+a.Object)
		}
		if strings.Join(got, "\n") != strings.Join(acts, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", f.name, strings.Join(got, "\n"), strings.Join(acts, "\n"))
		}
	}
	if len(want) > 0 {
		t.Errorf("no fixtures for %v", want)
	}
}
