package archive_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// versions is the number of versions that the function version knows.
const versions = 18

// version returns one of three versions of one of six events. The second version is of the
// day after the first and the third, and some events are of the end of a month. Ids of at
// most 0 need a lookup if they are not listed.
func version(n int) polisen.Event {
	event, v := n/3, n%3
	return archivetest.Event(int64(event-3), 27+event+v%2, fmt.Sprint("version ", v))
}

// drawEvents draws some events. An event, or another version of it, may occur several times.
func drawEvents(t *rapid.T) (events []polisen.Event) {
	for _, n := range rapid.SliceOfN(rapid.IntRange(0, versions-1), 0, 6).Draw(t, "versions") {
		events = append(events, version(n))
	}
	return events
}

// commitRecorder is a store that checks the order of the commits that are made in it, and
// records their lines.
type commitRecorder struct {
	store.Store
	last  archive.Commit
	lines []string       // of all commits, each as often as it was committed
	byRun map[string]int // the numbers of lines, by the id of the run
	wrong []string       // the violations
}

func (r *commitRecorder) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	etag, err := r.Store.Put(ctx, name, body, cond)
	if err != nil || name != archive.DocumentName {
		return etag, err
	}
	d, err := archive.ParseDocument(body)
	if err != nil {
		return etag, err
	}
	if d.Commit.Sequence != r.last.Sequence+1 || d.Commit.Timestamp <= r.last.Timestamp {
		r.wrong = append(r.wrong, fmt.Sprintf("commit %+v follows %+v", *d.Commit, r.last))
	}
	r.last = *d.Commit
	for _, p := range d.Pending {
		if n, _ := archive.ParseName(p.Name); n.Timestamp != d.Commit.Timestamp {
			continue // of an earlier commit
		}
		lines := strings.SplitAfter(strings.TrimSuffix(string(p.Content), "\n"), "\n")
		r.lines = append(r.lines, lines...)
		r.byRun[d.Commit.ID] += len(lines)
	}
	return etag, nil
}

// commitFaults are ways in which the first commit of a run may go wrong.
var commitFaults = map[string]storetest.Fault{
	"none":                     {},
	"killed before the commit": storetest.CrashBefore(),
	"killed after the commit":  storetest.CrashAfter(),
	"request lost":             storetest.FailBefore(),
	"reply lost":               storetest.FailAfter(),
	"effect after two calls":   storetest.Late(2),
	"effect after the run":     storetest.Late(0),
}

// failing returns a store for one run. Just before the first commit it calls others, and
// the commit then goes wrong in a way of commitFaults.
func failing(s store.Store, fault string, others func()) *storetest.Faults {
	committing := false
	return storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
		if committing || c.Method != storetest.Put || c.Name != archive.DocumentName {
			return storetest.Fault{}
		}
		committing = true
		others()
		return commitFaults[fault]
	})
}

// drawFault draws a way of commitFaults.
func drawFault(t *rapid.T) string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(commitFaults))).Draw(t, "fault")
}

// plannedRun is a run of a history.
type plannedRun struct {
	batch  archive.Batch
	clock  int // the error of its clock in seconds
	others int // the number of other runs that happen as a whole just before its first commit
	fault  string
}

func drawRun(t *rapid.T) plannedRun {
	b := archive.Batch{Events: drawEvents(t), ObservedAt: start, Current: rapid.Bool().Draw(t, "current")}
	for _, n := range rapid.SliceOfN(rapid.IntRange(0, 2), 0, 2).Draw(t, "rejected") {
		b.Rejected = append(b.Rejected, rejected(fmt.Sprintf(`"item %d"`, n)))
	}
	return plannedRun{
		batch: b, clock: rapid.IntRange(-100, 100).Draw(t, "clock"), others: rapid.IntRange(0, 3).Draw(t, "others"),
		fault: drawFault(t),
	}
}

// history is a sequence of runs, some of which meet the commits of those after them.
type history struct {
	*rapid.T
	store    *commitRecorder
	runs     []plannedRun // that are still to come
	finished []archive.Batch
	stored   *archive.Commit // the commit whose objects are stored, as the last finished run knows
}

// next makes the next run, and those that happen during it.
func (h *history) next() {
	r := h.runs[0]
	h.runs = h.runs[1:]
	faults := failing(h.store, r.fault, func() {
		for range r.others {
			if len(h.runs) > 0 {
				h.next()
			}
		}
	})
	o := options()
	o.Now = func() time.Time { return start.Add(time.Duration(r.clock) * time.Second) }
	known := h.stored
	o.LastRun = lastRunOf(known)
	w, outcome, err := runWith(faults, o, r.batch)
	faults.Release()
	switch {
	case errors.Is(err, storetest.ErrCrashed):
		return
	case err != nil:
		h.Fatalf("run with the fault %q: %v", r.fault, err)
	}
	h.stored = w.StoredCommit()
	h.finished = append(h.finished, r.batch)
	if n := outcome.New + outcome.Revised + outcome.Rejected; n != h.store.byRun[o.RunID] {
		h.Fatalf("a run with the fault %q reports %d items, and its commits have %d lines", r.fault, n, h.store.byRun[o.RunID])
	}
}

// TestAnyCommits checks any sequence of runs, with conflicts, faults at the commit and
// wrong clocks. Each item of a finished run is stored once, all lines of each commit are
// stored, the counts are right, and the timestamps rise.
func TestAnyCommits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{T: rt, store: &commitRecorder{Store: memstore.New(), byRun: make(map[string]int)}}
		h.runs = rapid.SliceOfN(rapid.Custom(drawRun), 1, 8).Draw(rt, "runs")
		for len(h.runs) > 0 {
			h.next()
		}
		if _, err := run(h.store, archive.Batch{}); err != nil { // heals
			rt.Fatal(err)
		}
		c := archivetest.Read(t, h.store)
		if problems := slices.Concat(h.store.wrong, c.Problems); len(problems) > 0 {
			rt.Fatalf("problems:\n%s", strings.Join(problems, "\n"))
		}
		for _, b := range h.finished {
			for _, e := range b.Events {
				if !slices.Contains(slices.Concat(c.Events[e.ID], c.Revisions[e.ID]), string(e.Raw)) {
					rt.Fatalf("not stored: %s", e.Raw)
				}
			}
			for _, r := range b.Rejected {
				if c.Rejected[string(r.Raw)] == 0 {
					rt.Fatalf("not stored: %s", r.Raw)
				}
			}
		}
		var stored []string
		for name, body := range storetest.Objects(t, h.store) {
			if _, ok := archive.ParseName(name); ok {
				stored = append(stored, slices.Collect(strings.Lines(string(body)))...)
			}
		}
		if len(stored) != len(h.store.lines) {
			rt.Fatalf("%d lines were committed, and %d are stored", len(h.store.lines), len(stored))
		}
		if !maps.Equal(c.Counted, c.Found) {
			rt.Fatalf("counts (-want +got):\n%s", cmp.Diff(c.Found, c.Counted))
		}
	})
}

// forms are forms in which an object may hold a line.
var forms = map[string]func(raw string) string{
	"verbatim":           func(raw string) string { return raw + "\n" },
	"CRLF":               func(raw string) string { return raw + "\r\n" },
	"with white space":   func(raw string) string { return strings.ReplaceAll(raw, `,"`, ` , "`) + "\n" },
	"after a blank line": func(raw string) string { return "\n \n" + raw + "\n" },
	"after damaged text": func(raw string) string { return "{\"id\":7,\xff\n" + raw + "\n" },
	"twice":              func(raw string) string { return raw + "\n" + raw + "\n" },
}

// drawArchive draws the objects of an archive that other programs have written.
func drawArchive(t *rapid.T) map[archive.Name]string {
	objects := make(map[archive.Name]string)
	for range rapid.IntRange(0, 10).Draw(t, "lines") {
		e := version(rapid.IntRange(0, versions-1).Draw(t, "version"))
		name := archive.Name{Timestamp: rapid.Int64Range(1, 3).Draw(t, "timestamp")}
		name.Kind = rapid.SampledFrom([]archive.Kind{archive.Events, archive.Revisions}).Draw(t, "kind")
		name.Date = archive.DateOf(e.Time)
		objects[name] += forms[rapid.SampledFrom(slices.Sorted(maps.Keys(forms))).Draw(t, "form")](string(e.Raw))
	}
	for name := range objects {
		if name.Timestamp == 3 {
			objects[name] = strings.TrimSuffix(objects[name], "\n")
		}
	}
	return objects
}

// TestAnyLookup checks the decisions on any events in any archive that does not list them,
// with an object that cannot be read. A version that is in an object is never new, an event
// that may be in the unreadable object waits, and all others are stored once.
func TestAnyLookup(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		objects := drawArchive(rt)
		s := memstore.New()
		for name, content := range objects {
			storetest.MustPut(t, s, name.String(), content)
		}
		if rapid.Bool().Draw(rt, "listed by another program") {
			storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[2,1,0,-1,-2,-3],"last_updated":"2026-01-01T00:00:00Z","total_tracked":6}`)
		}
		before := copies(t, s)

		// known are the versions that a run can read, by their fingerprints, and their ids.
		known, ids := make(map[string]bool), make(map[int64]bool)
		var unreadable archive.Name
		names := slices.SortedFunc(maps.Keys(objects), func(a, b archive.Name) int { return strings.Compare(a.String(), b.String()) })
		if len(names) > 0 && rapid.Bool().Draw(rt, "an object is unreadable") {
			unreadable = rapid.SampledFrom(names).Draw(rt, "unreadable")
		}
		for n := range versions {
			for name, content := range objects {
				if e := version(n); name != unreadable && name.Date == archive.DateOf(e.Time) && holds(content, e) {
					known[e.Fingerprint], ids[e.ID] = true, true
				}
			}
		}

		b := archive.Batch{Events: drawEvents(rt), ObservedAt: start}
		_, outcome, err := runWith(storetest.NewUnreadable(s, unreadable.String(), store.ErrDamaged), options(), b)
		if err != nil {
			rt.Fatal(err)
		}
		met := make(map[int64]bool) // the ids that came before
		for i, e := range b.Events {
			date, want := archive.DateOf(e.Time), archive.New
			switch u := unreadable.Date; {
			case known[e.Fingerprint] && met[e.ID]:
				want = archive.Repeated
			case known[e.Fingerprint]:
				want = archive.Seen
			case ids[e.ID] && u != date && outcome.Classes[i] == archive.Revised && document(t, s).Commit.Sequence > 1:
				// The batch took several commits. The first one has listed the event, and the
				// version would be in an object of its own day.
				want = archive.Revised
			case u == date || u == date.Next() || u == date.Previous():
				want = archive.Waiting
			case ids[e.ID]:
				want = archive.Revised
			}
			if outcome.Classes[i] != want {
				rt.Fatalf("event %d is of the class %d, want %d: %s", i, outcome.Classes[i], want, e.Raw)
			}
			met[e.ID] = true
			if want != archive.Waiting {
				known[e.Fingerprint], ids[e.ID] = true, true
			}
		}
		for _, e := range b.Events {
			before[e.Fingerprint] = max(before[e.Fingerprint], 1)
		}
		for range 2 { // the first run can read all objects
			if _, err := run(s, b); err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(before, copies(t, s)); diff != "" {
				rt.Fatalf("copies by version (-want +got):\n%s", diff)
			}
		}
	})
}

// holds reports whether an object that drawArchive has drawn holds a version.
func holds(content string, e polisen.Event) bool {
	return strings.Contains(strings.ReplaceAll(content, ` , "`, `,"`), string(e.Raw))
}
