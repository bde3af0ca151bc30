package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// edit is a change that another program makes to an object.
type edit struct {
	name   string
	change func(content string) string
	loses  bool // the object no longer holds all lines
}

func edits() []edit {
	firstLine := func(change func(string) string) func(string) string {
		return func(content string) string {
			first, rest, _ := strings.Cut(content, "\n")
			return change(first+"\n") + rest
		}
	}
	return []edit{
		{"newline appended", func(c string) string { return c + "\n" }, false},
		{"final newline removed", func(c string) string { return strings.TrimSuffix(c, "\n") }, false},
		{"CRLF", func(c string) string { return strings.ReplaceAll(c, "\n", "\r\n") }, false},
		{"lines in another order", func(c string) string {
			lines := strings.Split(strings.TrimSuffix(c, "\n"), "\n")
			slices.Reverse(lines)
			return strings.Join(lines, "\n") + "\n"
		}, false},
		{"line added", func(c string) string { return c + string(archivetest.Item(777, 0, "added")) + "\n" }, false},
		{"line edited", firstLine(func(line string) string { return strings.Replace(line, "first", "edited", 1) }), true},
		{"line damaged", firstLine(func(line string) string { return line[1:] }), true},
		{"line removed", firstLine(func(string) string { return "" }), true},
		{"emptied", func(string) string { return "" }, true},
	}
}

// apply edits an object.
func (e edit) apply(t *testing.T, s store.Store, name string) {
	t.Helper()
	object, err := s.Get(t.Context(), name)
	if errors.Is(err, store.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, name, e.change(string(object.Body)))
}

// copies returns how often each version of an event and each rejected item is
// stored, by its fingerprint.
func copies(t *testing.T, s store.Reader) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for name, body := range storetest.Objects(t, s) {
		n, ok := archive.ParseName(name)
		if !ok {
			continue
		}
		for _, text := range archive.Lines(body) {
			if line, reason := archive.ParseLine(n.Kind, text); reason == "" {
				counts[line.Fingerprint]++
			}
		}
	}
	return counts
}

// checkOnce checks that everything in the batches is stored exactly once, and no
// event twice under events/. Of the versions in mayMiss none is required.
func checkOnce(t *testing.T, s store.Reader, mayMiss map[string]bool, batches ...archive.Batch) {
	t.Helper()
	got := copies(t, s)
	check := func(raw []byte, fingerprint string) {
		if n := got[fingerprint]; n > 1 || n == 0 && !mayMiss[fingerprint] {
			t.Errorf("stored %d times: %s", n, raw)
		}
	}
	for _, b := range batches {
		for _, e := range b.Events {
			check(e.Raw, e.Fingerprint)
		}
		for _, r := range b.Rejected {
			check(r.Raw, polisen.Fingerprint(r.Raw))
		}
	}
	c := archivetest.Read(t, s)
	for _, problem := range c.Problems {
		if strings.HasSuffix(problem, "times") && !strings.HasPrefix(problem, "event 777") || strings.HasPrefix(problem, "document") {
			t.Error(problem)
		}
	}
}

// edited is a commit with each kind of object.
func edited() archive.Batch {
	b := current(append(archivetest.Events(1, 4, 0), archivetest.Event(1, 0, "second"), archivetest.Event(2, 0, "second"))...)
	b.Rejected = []polisen.Rejected{rejected(`{"first":null}`), rejected(`"text"`)}
	return b
}

// TestForeignEdit checks that a run stores only those lines again that an edit has
// removed from the archive, and nothing again at the next run.
func TestForeignEdit(t *testing.T) {
	b := edited()
	for _, e := range edits() {
		for _, kind := range []archive.Kind{archive.Events, archive.Revisions, archive.Rejected} {
			t.Run(e.name+"/"+string(kind), func(t *testing.T) {
				s := memstore.New()
				mustRun(t, s, b)
				e.apply(t, s, pendingName(t, s, kind))
				damages := e.loses
				if kind == archive.Revisions && e.name == "line edited" {
					damages = false // the text "first" is not in it
				}
				for i := range 4 {
					before := document(t, s).Commit.Sequence
					o := mustRun(t, s, b)
					if o.New+o.Revised+o.Rejected != 0 {
						t.Errorf("run %d counts lines of an earlier commit: %+v", i, o)
					}
					if after := document(t, s).Commit.Sequence; (after != before) != (damages && i == 0) {
						t.Errorf("run %d: sequence %d after %d", i, after, before)
					}
					checkOnce(t, s, nil, b)
				}
				mustRun(t, s, current(append(b.Events, archivetest.Event(9, 0, "first"))...))
				checkOnce(t, s, nil, b, current(archivetest.Event(9, 0, "first")))
			})
		}
	}
}

// pendingName returns the name of the last commit's object of a kind.
func pendingName(t *testing.T, s store.Reader, k archive.Kind) string {
	t.Helper()
	for _, p := range document(t, s).Pending {
		if n, _ := archive.ParseName(p.Name); n.Kind == k {
			return p.Name
		}
	}
	t.Fatalf("the last commit has no object in %s", k)
	return ""
}

// TestRepeatedEdits edits the objects of the last commit after each of several runs, and
// checks that no run stores their events again.
func TestRepeatedEdits(t *testing.T) {
	s, b := memstore.New(), current(archivetest.Events(1, 5, 0)...)
	mustRun(t, s, b)
	for range 4 {
		for _, p := range document(t, s).Pending {
			edits()[0].apply(t, s, p.Name)
		}
		mustRun(t, s, b)
	}
	checkOnce(t, s, nil, b)
	newModel(b).Check(t, withoutEmptyLines{s})
}

// withoutEmptyLines hides the empty lines that an edit has added.
type withoutEmptyLines struct{ store.Reader }

func (s withoutEmptyLines) Get(ctx context.Context, name string) (store.Object, error) {
	object, err := s.Reader.Get(ctx, name)
	object.Body = append(bytes.TrimRight(object.Body, "\n"), '\n')
	return object, err
}

// wrongMD5 is a store whose HEAD gives a wrong MD5.
type wrongMD5 struct{ store.Store }

func (s wrongMD5) Stat(ctx context.Context, name string) (store.Attrs, error) {
	attrs, err := s.Store.Stat(ctx, name)
	attrs.MD5 = store.MD5([]byte("something else"))
	return attrs, err
}

func TestWrongMD5(t *testing.T) {
	s, b := memstore.New(), edited()
	for range 4 {
		if _, err := run(wrongMD5{s}, b); err != nil {
			t.Fatal(err)
		}
	}
	newModel(b).Check(t, s)
	if n := document(t, s).Commit.Sequence; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// TestRewrittenObject checks that an object from which a repair has removed lines
// that are stored elsewhere is no reason to store anything.
func TestRewrittenObject(t *testing.T) {
	s, b := memstore.New(), edited()
	mustRun(t, s, b)
	for _, p := range document(t, s).Pending {
		n, _ := archive.ParseName(p.Name)
		if n.Kind == archive.Events {
			n.Date = archive.Date{Year: 2026, Month: 1, Day: 2} // the day beside
		}
		first, rest, _ := strings.Cut(string(p.Content), "\n")
		n.Timestamp -= 100
		storetest.MustPut(t, s, n.String(), first+"\n")
		storetest.MustPut(t, s, p.Name, rest)
	}
	mustRun(t, s, b)
	checkOnce(t, s, nil, b)
	if n := document(t, s).Commit.Sequence; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// TestForeignEditAtEveryCall edits each object of the last commit just before each
// call of a run, in each way. Nothing is ever stored twice, and only the line that
// the edit has destroyed may be lost, because the run may have passed the object.
func TestForeignEditAtEveryCall(t *testing.T) {
	old := edited()
	later := current(append(old.Events, archivetest.Event(4, 0, "second"), archivetest.Event(11, 0, "first"), archivetest.Event(12, 5, "first"))...)
	for _, e := range edits() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			prepared := memstore.New()
			mustRun(t, prepared, old)
			for _, unhealed := range []bool{false, true} {
				if unhealed { // so that the edited object is one that the run has put
					crashAfterCommit(t, prepared, later)
				}
				doc := document(t, prepared)
				for _, p := range doc.Pending {
					mayMiss := destroyed(e, p)
					edit := func(s store.Store) error { e.apply(t, s, p.Name); return nil }
					storetest.OtherAtEveryCall(t, prepared, storing(later), edit, func(s store.Store) {
						mustRun(t, s, later)
						checkOnce(t, s, mayMiss, old, later)
					})
				}
			}
		})
	}
}

// destroyed returns the versions that an edit of an object destroys.
func destroyed(e edit, p archive.Pending) map[string]bool {
	lost := make(map[string]bool)
	n, _ := archive.ParseName(p.Name)
	for _, text := range archive.Lines(p.Content) {
		line, _ := archive.ParseLine(n.Kind, text)
		lost[line.Fingerprint] = true
	}
	for _, text := range archive.Lines([]byte(e.change(string(p.Content)))) {
		if line, reason := archive.ParseLine(n.Kind, text); reason == "" {
			delete(lost, line.Fingerprint)
		}
	}
	return lost
}

// TestTwoRunsAndAnEditor lets another run and an edit happen between any two calls
// of a run, in both orders.
func TestTwoRunsAndAnEditor(t *testing.T) {
	old := edited()
	mine := current(append(old.Events, archivetest.Event(4, 0, "second"), archivetest.Event(11, 0, "first"))...)
	others := current(append(old.Events, archivetest.Event(12, 1, "first"), archivetest.Event(11, 0, "first"))...)
	for _, e := range edits() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			prepared := memstore.New()
			mustRun(t, prepared, old)
			p := document(t, prepared).Pending[0]
			edit := func(s store.Store) { e.apply(t, s, p.Name) }
			for name, other := range map[string]func(store.Store) error{
				"edit, run":       func(s store.Store) error { edit(s); return storing(others)(s) },
				"run, edit":       func(s store.Store) error { err := storing(others)(s); edit(s); return err },
				"edit, run, edit": func(s store.Store) error { edit(s); err := storing(others)(s); edit(s); return err },
			} {
				mayMiss := destroyed(e, p)
				if name == "edit, run, edit" && e.loses {
					for fingerprint := range destroyed(e.twice(), p) {
						mayMiss[fingerprint] = true
					}
				}
				storetest.OtherAtEveryCall(t, prepared, storing(mine), other, func(s store.Store) {
					mustRun(t, s, mine)
					checkOnce(t, s, mayMiss, old, mine, others)
				})
			}
		})
	}
}

// twice returns the edit that makes e two times.
func (e edit) twice() edit {
	once := e.change
	e.change = func(content string) string { return once(once(content)) }
	return e
}

// TestForeignEditWarnings checks that a warning names the object and the
// difference.
func TestForeignEditWarnings(t *testing.T) {
	for name, want := range map[string]string{
		"line edited":      "WARN events/2026/01/01/events-1767355200.jsonl was changed by another program: 1 of 4 lines missing or changed, 1 stored again",
		"newline appended": "INFO events/2026/01/01/events-1767355200.jsonl was changed by another program, but holds all of its 4 lines",
	} {
		s, b := memstore.New(), current(archivetest.Events(1, 4, 0)...)
		mustRun(t, s, b)
		e := edits()[slices.IndexFunc(edits(), func(e edit) bool { return e.name == name })]
		e.apply(t, s, document(t, s).Pending[0].Name)
		var got []string
		o := options()
		o.Warn = func(level slog.Level, text string) { got = append(got, fmt.Sprint(level, " ", text)) }
		w := archive.NewWriter(s, o)
		_, err := w.Add(t.Context(), b)
		if err = errors.Join(err, w.Flush(t.Context())); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%s: warnings %q, error %v\nwant %q", name, got, err, want)
		}
	}
}

// TestMidnight stores an id that comes back on the other side of midnight, after
// it has left the document's list.
func TestMidnight(t *testing.T) {
	s, m := memstore.New(), newModel()
	midnight := func(n int) archive.Batch {
		body, err := os.ReadFile(fmt.Sprintf("../../testdata/cases/07-midnight-%d.json", n))
		if err != nil {
			t.Fatal(err)
		}
		events, _, err := polisen.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		return current(events...)
	}
	storeBatch(t, s, m, midnight(1))
	for i := range int64(3) {
		storeBatch(t, s, m, current(archivetest.Events(800000+500*i, 500, 1)...))
	}
	storeBatch(t, s, m, midnight(2))
	m.Check(t, s)
}

// refusing is a store that refuses the PUTs of some objects for good with a 409, as
// a bucket with a retention rule does.
type refusing struct {
	store.Store
	prefix string
	puts   *int
}

func (s refusing) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if strings.HasPrefix(name, s.prefix) {
		*s.puts++
		return "", fmt.Errorf("put %s: %w: retention rule (request id abc)", name, store.ErrPrecondition)
	}
	return s.Store.Put(ctx, name, body, cond)
}

func TestRefusedForGood(t *testing.T) {
	for _, prefix := range []string{archive.DocumentName, "events/"} {
		for _, empty := range []bool{true, false} {
			s, puts := memstore.New(), 0
			if !empty {
				mustRun(t, s, current(archivetest.Event(1, 0, "first")))
			}
			b := current(archivetest.Event(2, 0, "first"))
			_, err := run(refusing{s, prefix, &puts}, b)
			if err == nil || !strings.Contains(err.Error(), "request id abc") || errors.Is(err, store.ErrPrecondition) || puts != 4 {
				t.Errorf("%s: error %v after %d tries, want the service's answer after 4", prefix, err, puts)
			}
			mustRun(t, s, b)
			if c := archivetest.Read(t, s); len(c.Problems) > 0 || len(c.Events[2]) != 1 {
				t.Errorf("%s: %+v", prefix, c)
			}
		}
	}
}

// TestDocumentStaysReadable checks that a document does not become too large to be read
// again if it holds lines of an earlier commit beside new events.
func TestDocumentStaysReadable(t *testing.T) {
	text := strings.Repeat(`"`, polisen.MaxItem/2-200) // 1 MiB in the event, 2 MiB in the document
	s, m := memstore.New(), newModel()
	storeBatch(t, s, m, current(archivetest.Event(1, 0, "a"+text)))
	storetest.MustPut(t, s, document(t, s).Pending[0].Name, string(archivetest.Item(7, 0, "another program's"))+"\n")
	m.Add(archivetest.Item(7, 0, "another program's"))
	largest := 0
	b := current(archivetest.Event(2, 0, "b"+text))
	m.add(b)
	if _, err := run(watching{s, func(name string, body []byte) { largest = max(largest, len(body)) }}, b); err != nil {
		t.Fatal(err)
	}
	if largest > 5<<20 {
		t.Errorf("a document of %d MiB", largest>>20)
	}
	m.Check(t, s)
}

// watching is a store that calls onPut before each PUT.
type watching struct {
	store.Store
	onPut func(name string, body []byte)
}

func (s watching) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	s.onPut(name, body)
	return s.Store.Put(ctx, name, body, cond)
}

// TestUnreadablePartition checks that the events that need an unreadable object
// wait, and that everything else is stored.
func TestUnreadablePartition(t *testing.T) {
	const name = "events/2026/01/03/events-1700000000.jsonl" // day 2
	for reason, err := range map[string]error{
		"damaged": store.ErrDamaged, "forbidden": store.ErrAccess, "archive tier": errors.New("409 NotRestored"), "half a body": nil,
	} {
		t.Run(reason, func(t *testing.T) {
			s, m := memstore.New(), newModel()
			storeBatch(t, s, m, current(archivetest.Parse(archivetest.LongList()...)...))
			hidden := archivetest.Items(-20, 3, 2)
			storetest.MustPut(t, s, name, string(bytes.Join(hidden, []byte("\n")))+"\n")
			m.Add(hidden...)
			b := current(slices.Concat(
				archivetest.Events(-20, 5, 2), // three are in the object
				archivetest.Events(-30, 2, 1), // the day before
				archivetest.Events(-40, 2, 3), // the day after
				archivetest.Events(-50, 2, 4), // two days after: does not need the object
				archivetest.Events(1201, 3, 2) /* above the list */)...)
			b.Events = append(b.Events, archivetest.Event(3, 2, "first")) // in the list's partition, found there
			broken := storetest.NewUnreadable(s, name, err)
			for i := range 3 {
				o, err := run(broken, b)
				if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "9 events waiting") || errors.Is(err, store.ErrAccess) {
					t.Fatalf("run %d: error %v, want one that names the object and 9 events", i, err)
				}
				if want := []int{5, 0, 0}[i]; o.New != want || o.Waiting != 9 {
					t.Errorf("run %d: %+v", i, o)
				}
				d := document(t, s)
				var days []string
				for _, g := range d.Gaps {
					days = append(days, g.Day)
					if g.Reason != "unreadable" || !g.Since.Equal(start) {
						t.Errorf("gap %+v", g)
					}
				}
				if !slices.Equal(days, []string{"2026-01-02", "2026-01-03", "2026-01-04"}) || d.Version != 2 || d.Commit.Sequence != 2 {
					t.Errorf("run %d: gaps %v, version %d, sequence %d", i, d.Gaps, d.Version, d.Commit.Sequence)
				}
				for _, e := range b.Events[:9] {
					if slices.Contains(d.SeenIDs, e.ID) {
						t.Errorf("run %d: the waiting event %d is listed", i, e.ID)
					}
				}
			}
			m.add(b)
			o := mustRun(t, s, b)
			m.Check(t, s)
			if d := document(t, s); o.New != 6 || len(d.Gaps) != 0 || d.Version != 2 {
				t.Errorf("when the object is readable again: %+v, gaps %v, version %d", o, d.Gaps, d.Version)
			}
		})
	}
}

// oneObject is a store with one object. Stat returns the attributes stat, which may be
// wrong, and Get returns the bodies one after the other.
type oneObject struct {
	store.Reader
	stat   store.Attrs
	bodies []string
}

func (s *oneObject) Stat(context.Context, string) (store.Attrs, error) { return s.stat, nil }

func (s *oneObject) Get(context.Context, string) (store.Object, error) {
	body := []byte(s.bodies[0])
	s.bodies = s.bodies[1:]
	return store.Object{Attrs: store.Attrs{Size: int64(len(body)), MD5: store.MD5(body)}, Body: body}, nil
}

// TestReadObject checks that content counts as read only if it has the length and,
// if the store knows it, the MD5 of the attributes, and that it is read once again
// if not. Content of another length may lack lines, and is not returned.
func TestReadObject(t *testing.T) {
	attrs := func(body string) store.Attrs {
		return store.Attrs{Name: "a", Size: int64(len(body)), MD5: store.MD5([]byte(body))}
	}
	sizeOnly := store.Attrs{Name: "a", Size: 6}
	for name, test := range map[string]struct {
		listed, stat store.Attrs
		bodies       []string
		damaged      bool
		want         string // the content that is returned
	}{
		"equal":                  {attrs("line 1"), store.Attrs{}, []string{"line 1"}, false, "line 1"},
		"no MD5":                 {sizeOnly, store.Attrs{}, []string{"line 1"}, false, "line 1"},
		"cut once":               {attrs("line 1"), attrs("line 1"), []string{"lin", "line 1"}, false, "line 1"},
		"cut once, no MD5":       {sizeOnly, sizeOnly, []string{"lin", "line 1"}, false, "line 1"},
		"changed once":           {attrs("line 1"), attrs("line 1"), []string{"line 2", "line 1"}, false, "line 1"},
		"overwritten since":      {attrs("line 1"), attrs("line 10"), []string{"line 10", "line 10"}, false, "line 10"},
		"cut twice":              {attrs("line 1"), attrs("line 1"), []string{"lin", "lin"}, true, ""},
		"cut twice, no MD5":      {sizeOnly, sizeOnly, []string{"lin", "lin"}, true, ""},
		"changed twice":          {attrs("line 1"), attrs("line 1"), []string{"line 2", "line 2"}, true, "line 2"},
		"overwritten, then cut":  {attrs("line 1"), attrs("line 10"), []string{"line 10", "lin"}, true, ""},
		"length of another body": {store.Attrs{Name: "a", Size: 7, MD5: store.MD5([]byte("line 1"))}, store.Attrs{Name: "a", Size: 7}, []string{"line 1", "line 1"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &oneObject{stat: test.stat, bodies: test.bodies}
			object, err := archive.ReadObject(t.Context(), s, test.listed)
			if errors.Is(err, store.ErrDamaged) != test.damaged || (err != nil) != test.damaged || string(object.Body) != test.want || len(s.bodies) != 0 {
				t.Errorf("read %q with error %v; %d bodies were not read", object.Body, err, len(s.bodies))
			}
		})
	}
}

// TestCommitIsBounded checks that a commit takes no new items if the document keeps
// 32 MiB of lines of the last commit, whose object cannot be read, and that they are
// stored when it can be read again.
func TestCommitIsBounded(t *testing.T) {
	s := memstore.New()
	lines := strings.Repeat(strings.Repeat("x", 1<<20-1)+"\n", 32) // they need not be events
	name := fmt.Sprintf("events/2026/01/01/events-%d.jsonl", start.Unix())
	document, err := json.Marshal(map[string]any{
		"seen_ids": []int64{}, "last_updated": start, "total_tracked": 0, "version": 1, "complete_above": 0,
		"commit":  map[string]any{"id": "earlier", "sequence": 1, "timestamp": start.Unix()},
		"pending": []map[string]string{{"name": name, "content": lines}},
	})
	if err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, archive.DocumentName, string(document))
	storetest.MustPut(t, s, name, lines)
	batch := current(archivetest.Events(100, 2, 3)...)
	o, err := run(storetest.Unreadable{Store: s, Err: store.ErrDamaged, StatFails: true, Names: map[string]bool{name: true}}, batch)
	if err == nil || !strings.Contains(err.Error(), "has no room for new items") || o.New != 0 {
		t.Errorf("outcome %+v, error %v", o, err)
	}
	if o := mustRun(t, s, batch); o.New != 2 {
		t.Errorf("when the object is readable again: %+v", o)
	}
}

// TestGapStays checks that other commits copy a gap, and that it stays until its own
// events are decided on.
func TestGapStays(t *testing.T) {
	const name = "events/2026/01/03/events-1700000000.jsonl"
	s := memstore.New()
	mustRun(t, s, current(archivetest.Parse(archivetest.LongList()...)...))
	storetest.MustPut(t, s, name, "{}\n")
	waiting := current(archivetest.Event(-1, 2, "first"))
	if _, err := run(storetest.NewUnreadable(s, name, store.ErrDamaged), waiting); err == nil {
		t.Fatal("no error")
	}
	mustRun(t, s, current(archivetest.Event(-2, 2, "first"), archivetest.Event(1300, 2, "first")))
	d := document(t, s)
	if len(d.Gaps) != 1 || d.Version != 2 {
		t.Fatalf("gaps %v", d.Gaps)
	}
	w := archive.NewWriter(s, options())
	if _, _, err := w.CommitRepair(t.Context(), archive.Repair{BasedOn: etag(t, s, archive.DocumentName), Document: archive.Document{
		SeenIDs: d.SeenIDs, CompleteAbove: d.CompleteAbove, Fingerprints: d.Fingerprints,
	}}); err != nil || len(document(t, s).Gaps) != 1 {
		t.Errorf("after a repair: gaps %v, error %v", document(t, s).Gaps, err)
	}
	mustRun(t, s, waiting)
	if d := document(t, s); len(d.Gaps) != 0 || d.Version != 2 {
		t.Errorf("gaps %v, version %d", d.Gaps, d.Version)
	}
}

// TestOtherVersionWaits checks that a version of an event still waits after a later batch
// of the run has another version of it, which can be decided on. In a run without
// revisions, it does not wait then.
func TestOtherVersionWaits(t *testing.T) {
	const name = "events/2026/01/07/events-1700000000.jsonl"
	for _, revisions := range []bool{true, false} {
		s := memstore.New()
		mustRun(t, s, current(archivetest.Parse(archivetest.LongList()...)...))
		later, earlier := archivetest.Event(-1, 5, "later"), archivetest.Event(-1, 1, "first")
		storetest.MustPut(t, s, "events/2026/01/02/events-1700000000.jsonl", string(earlier.Raw)+"\n")
		storetest.MustPut(t, s, name, "{}\n")
		o := options()
		o.Revisions = revisions
		unread := storetest.Unreadable{Store: s, Err: store.ErrDamaged, Names: map[string]bool{name: true}}
		w := archive.NewWriter(unread, o)
		for _, e := range []polisen.Event{later, archivetest.Event(-1, 5, "latest"), earlier} {
			if _, err := w.Add(t.Context(), current(e)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var want []string
		if revisions {
			want = []string{"2026-01-06 unreadable"}
		}
		if err := w.Unfinished(); (err != nil) != revisions || err != nil && !strings.Contains(err.Error(), "1 event waiting") {
			t.Errorf("revisions %t: error %v", revisions, err)
		}
		if got := gaps(t, s); !slices.Equal(got, want) {
			t.Errorf("revisions %t: gaps %v, want %v", revisions, got, want)
		}
		delete(unread.Names, name)
		mustRun(t, s, current(archivetest.Event(2000, 4, "first"))) // another run, so that w reads the objects again
		for _, b := range []archive.Batch{current(archivetest.Event(2001, 4, "first")), current(later, archivetest.Event(-1, 5, "latest"))} {
			if _, err := w.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Unfinished(); err != nil {
			t.Errorf("revisions %t: once the version is stored: error %v", revisions, err)
		}
	}
}

// TestUnreadableRejected checks that rejected items wait for an unreadable object
// with rejected items.
func TestUnreadableRejected(t *testing.T) {
	s := memstore.New()
	old := archive.Batch{Rejected: []polisen.Rejected{rejected(`{"n":1}`)}, ObservedAt: start, Current: true}
	mustRun(t, s, old)
	name := pendingName(t, s, archive.Rejected)
	mustRun(t, s, current(archivetest.Event(1, 0, "first"))) // so that the object is not pending
	storetest.MustDelete(t, s, archive.DocumentName)
	b := current(archivetest.Event(2, 0, "first"))
	b.Rejected = append(old.Rejected, rejected(`{"n":2}`))
	o, err := run(storetest.NewUnreadable(s, name, store.ErrDamaged), b)
	if err == nil || !strings.Contains(err.Error(), name) || o.Rejected != 0 || o.New != 1 || o.Waiting != 2 || len(document(t, s).Gaps) != 1 {
		t.Errorf("%+v, gaps %v, error %v", o, document(t, s).Gaps, err)
	}
	mustRun(t, s, b)
	if d := document(t, s); len(d.Gaps) != 0 {
		t.Errorf("gaps %v", d.Gaps)
	}
	newModel(b, current(archivetest.Event(1, 0, "first"))).Check(t, s)
}

// TestUnreadablePending checks that an object of the last commit that cannot be
// looked at stays in the document, and that the run stores the rest.
func TestUnreadablePending(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		s, old := memstore.New(), edited()
		if crashed {
			crashAfterCommit(t, s, old)
		} else {
			mustRun(t, s, old)
		}
		name := pendingName(t, s, archive.Events)
		broken := storetest.Unreadable{Store: s, Err: store.ErrAccess, StatFails: true, Names: map[string]bool{name: true}}
		for i := range int64(3) {
			b := current(append(old.Events, archivetest.Event(10+i, 0, "first"))...)
			o, err := run(broken, b)
			if crashed && i == 0 && err == nil && o.New == 1 {
				continue // the run has put the object
			}
			if err == nil || !strings.Contains(err.Error(), name) || errors.Is(err, store.ErrAccess) || o.New != 1 {
				t.Errorf("run %d: %+v, error %v", i, o, err)
			}
			if pendingName(t, s, archive.Events) != name {
				t.Errorf("run %d: the object is no longer pending", i)
			}
		}
		b := current(append(old.Events, archivetest.Events(10, 4, 0)...)...)
		mustRun(t, s, b)
		if slices.ContainsFunc(document(t, s).Pending, func(p archive.Pending) bool { return p.Name == name }) {
			t.Error("the object is still pending")
		}
		checkOnce(t, s, nil, old, b)
	}
}

// TestUnreadableStore checks that a run fails if no object can be read.
func TestUnreadableStore(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first")))
	before := document(t, s).Commit.Sequence
	broken := storetest.Unreadable{Store: s, Err: store.ErrAccess, StatFails: true, Names: make(map[string]bool)}
	for _, p := range document(t, s).Pending {
		broken.Names[p.Name] = true
	}
	if _, err := run(broken, current(archivetest.Event(3, 0, "first"))); !errors.Is(err, store.ErrAccess) || document(t, s).Commit.Sequence != before {
		t.Errorf("error %v", err)
	}
}

// TestArchivedDays checks that a run stores new events although no object of the
// days of an old event can be read.
func TestArchivedDays(t *testing.T) {
	s, m := memstore.New(), newModel()
	storeBatch(t, s, m, current(archivetest.Parse(archivetest.LongList()...)...))
	broken := storetest.Unreadable{Store: s, Err: errors.New("409 NotRestored"), Names: make(map[string]bool)}
	for i := range 4 {
		name := fmt.Sprintf("events/2025/12/2%d/events-1700000000.jsonl", i)
		item := archivetest.Item(-int64(i)-1, i-12, "first")
		storetest.MustPut(t, s, name, string(item)+"\n")
		broken.Names[name] = true
		m.Add(item)
	}
	b := current(archivetest.Event(-2, -11, "first"), archivetest.Event(1300, 2, "first"))
	if o, err := run(broken, b); err == nil || o.New != 1 || o.Waiting != 1 {
		t.Errorf("%+v, error %v", o, err)
	}
	mustRun(t, s, b)
	m.add(b)
	m.Check(t, s)
}

// TestUndecidedLines checks that a changed object stays in the document while it is
// unknown whether its lines are stored elsewhere.
func TestUndecidedLines(t *testing.T) {
	for _, moved := range []bool{false, true} {
		s, b := memstore.New(), edited()
		mustRun(t, s, b)
		name := pendingName(t, s, archive.Events)
		object, rest, _ := strings.Cut(string(storetest.Objects(t, s)[name]), "\n")
		const other = "events/2025/12/31/events-1700000000.jsonl"
		storetest.MustPut(t, s, name, rest)
		storetest.MustPut(t, s, other, "{}\n")
		if moved {
			storetest.MustPut(t, s, other, object+"\n")
		}
		broken := storetest.NewUnreadable(s, other, store.ErrDamaged)
		for i := range int64(3) {
			later := current(append(b.Events, archivetest.Event(10+i, 0, "first"))...)
			if o, err := run(broken, later); err == nil || !strings.Contains(err.Error(), other) || o.New != 1 {
				t.Errorf("%+v, error %v", o, err)
			}
			if pendingName(t, s, archive.Events) != name {
				t.Errorf("run %d: the object is no longer pending", i)
			}
		}
		b.Events = append(b.Events, archivetest.Events(10, 4, 0)...)
		mustRun(t, s, b)
		checkOnce(t, s, nil, b)
	}
}

// TestInterleavedRuns lets two runs and an editor work at the same time, in random
// order, and the runs crash at random. Nothing is stored twice, and nothing is lost
// that no edit has removed.
func TestInterleavedRuns(t *testing.T) {
	old := edited()
	batches := []archive.Batch{
		current(append(old.Events, archivetest.Event(4, 0, "second"), archivetest.Event(11, 0, "first"), archivetest.Event(13, 3, "first"))...),
		current(append(old.Events, archivetest.Event(12, 1, "first"), archivetest.Event(11, 0, "first"))...),
	}
	for seed := range uint64(archivetest.Size(400, 2_000)) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := memstore.New()
		mustRun(t, s, old)
		lossy := random.IntN(2) == 0
		var mu sync.Mutex // of random, and of the order of calls
		var runs sync.WaitGroup
		for range 3 {
			for _, b := range batches {
				mu.Lock()
				crash := random.IntN(60)
				mu.Unlock()
				f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
					mu.Lock()
					defer mu.Unlock()
					if e := edits()[random.IntN(len(edits()))]; random.IntN(4) == 0 && (lossy || !e.loses) && e.name != "line added" {
						if pending := document(t, s).Pending; len(pending) > 0 {
							e.apply(t, s, pending[random.IntN(len(pending))].Name)
						}
					}
					switch {
					case c.N == crash && crash%2 == 0:
						return storetest.CrashAfter()
					case c.N == crash:
						return storetest.Late(3)
					case random.IntN(30) == 0:
						return storetest.FailAfter()
					}
					return storetest.Fault{}
				})
				runs.Go(func() {
					_, err := run(f, b)
					changing := errors.Is(err, store.ErrDamaged) // edits between each HEAD and the GET after it
					if err != nil && !changing && !errors.Is(err, storetest.ErrFault) && !errors.Is(err, storetest.ErrCrashed) {
						t.Errorf("seed %d: %v", seed, err)
					}
					f.Release()
				})
			}
			runs.Wait()
		}
		for _, b := range batches {
			mustRun(t, s, b)
		}
		mayMiss := make(map[string]bool)
		if lossy {
			for _, b := range append(batches, old) {
				for _, e := range b.Events {
					mayMiss[e.Fingerprint] = true
				}
				for _, r := range b.Rejected {
					mayMiss[polisen.Fingerprint(r.Raw)] = true
				}
			}
		}
		checkOnce(t, s, mayMiss, append(batches, old)...)
		if t.Failed() {
			t.Fatalf("failed with seed %d", seed)
		}
	}
}

// overwrites is a store in which an object is overwritten between the listing and
// the read.
type overwrites struct {
	store.Store
	name, body string
}

func (s overwrites) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		all := s.Store.List(ctx, prefix)
		for a, err := range all {
			if a.Name == s.name {
				_, _ = s.Store.Put(ctx, s.name, []byte(s.body), store.Always())
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// TestOverwrittenDuringLookup checks that an object that a repair overwrites between
// the listing and the read is read in its new state.
func TestOverwrittenDuringLookup(t *testing.T) {
	s, m := memstore.New(), newModel()
	storeBatch(t, s, m, current(archivetest.Parse(archivetest.LongList()...)...))
	const name = "events/2026/01/03/events-1700000000.jsonl"
	storetest.MustPut(t, s, name, string(archivetest.Item(-1, 2, "first"))+"\n"+string(archivetest.Item(-2, 2, "first"))+"\n")
	storetest.MustPut(t, s, "events/2026/01/03/events-1700000001.jsonl", string(archivetest.Item(-1, 2, "first"))+"\n")
	b := current(archivetest.Events(-2, 2, 2)...)
	m.add(b)
	if _, err := run(overwrites{s, name, string(archivetest.Item(-2, 2, "first")) + "\n"}, b); err != nil {
		t.Fatal(err)
	}
	m.Check(t, s)
}

// TestManyWaiting checks that a document's gaps stay small if many events wait, and
// that they do not cause a commit at every run.
func TestManyWaiting(t *testing.T) {
	s := memstore.New()
	const name = "events/2026/01/02/events-1700000000.jsonl"
	storetest.MustPut(t, s, name, "{}\n")
	broken := storetest.NewUnreadable(s, name, store.ErrDamaged)
	b := current(append(archivetest.Events(1, 900, 0), archivetest.Events(2000, 900, 2)...)...)
	for range 2 {
		if o, err := run(broken, b); err == nil || o.Waiting != 1800 {
			t.Fatalf("%d wait, error %v", o.Waiting, err)
		}
	}
	d := document(t, s)
	if len(d.Gaps) != 2 || len(d.Gaps[0].IDs) != 900 || len(d.Gaps[1].IDs) != 0 || d.Commit.Sequence != 1 {
		t.Errorf("%d gaps, sequence %d", len(d.Gaps), d.Commit.Sequence)
	}
	mustRun(t, s, b)
	if d := document(t, s); len(d.Gaps) != 1 || d.Gaps[0].Day != "2026-01-03" {
		t.Errorf("%d gaps when the object is readable again", len(d.Gaps))
	}
	newModel(b).CheckAnyOrder(t, withoutObject{s, name})
}

// withoutObject hides an object.
type withoutObject struct {
	store.Store
	name string
}

func (s withoutObject) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		for a, err := range s.Store.List(ctx, prefix) {
			if a.Name != s.name && !yield(a, err) {
				return
			}
		}
	}
}

// vanishing is a store in which an object is deleted between the listing and the
// read.
type vanishing struct{ withoutObject }

func (s vanishing) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return s.Store.List(ctx, prefix)
}

func (s vanishing) Get(ctx context.Context, name string) (store.Object, error) {
	if name == s.name {
		return store.Object{}, fmt.Errorf("get %s: %w", name, store.ErrNotExist)
	}
	return s.Store.Get(ctx, name)
}

// TestDeletedDuringLookup checks that nothing waits for an object that no longer
// exists.
func TestDeletedDuringLookup(t *testing.T) {
	s := memstore.New()
	const name = "events/2026/01/01/events-1700000000.jsonl"
	storetest.MustPut(t, s, name, "{}\n")
	if o, err := run(vanishing{withoutObject{s, name}}, current(archivetest.Event(1, 0, "first"))); err != nil || o.New != 1 || o.Waiting != 0 {
		t.Errorf("%+v, error %v", o, err)
	}
}
