package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// alarmWorld is an archive, with a clock, into which a test collects responses.
type alarmWorld struct {
	t     *testing.T
	store store.Store
	clock *retrytest.Clock
	// change changes the options of each run; it may be nil.
	change func(*pipeline.Options)
}

// collect collects a response and returns the reasons of the [*pipeline.PartialError].
func (w *alarmWorld) collect(body []byte) []string {
	w.t.Helper()
	o := options(w.store, w.clock)
	if w.change != nil {
		w.change(&o)
	}
	_, err := pipeline.Collect(w.t.Context(), o, respondWith(w.clock, body))
	partial, ok := errors.AsType[*pipeline.PartialError](err)
	if err != nil && !ok {
		w.t.Fatal(err)
	}
	if !ok {
		return nil
	}
	return partial.Reasons
}

// want checks that there is one reason for each prefix.
func (w *alarmWorld) want(when string, reasons []string, prefixes ...string) {
	w.t.Helper()
	if !slices.EqualFunc(reasons, prefixes, strings.HasPrefix) {
		w.t.Errorf("%s: the reasons are %q, want %q", when, reasons, prefixes)
	}
}

// TestAlarms changes recorded polls so that each alarm has to begin, and to end.
func TestAlarms(t *testing.T) {
	t.Parallel()
	replaytest.Run(t, func(t *testing.T, polls []replaytest.Poll) {
		// The first poll with a full response whose newest event is less than two hours
		// old, and the first such poll 20 days later.
		var first, later replaytest.Poll
		for _, poll := range polls {
			events, rejected, err := polisen.Parse(poll.Body)
			window, ok := polisen.NewWindow(events, poll.Time)
			isFresh := err == nil && ok && len(rejected) == 0 && len(events) >= polisen.FullResponse &&
				window.Length() < polisen.MaxWindow && poll.Time.Sub(window.To) < 2*time.Hour
			if isFresh && first.Body == nil {
				first = poll
			} else if isFresh && poll.Time.Sub(first.Time) >= 20*24*time.Hour {
				later = poll
				break
			}
		}
		if later.Body == nil {
			t.Fatal("the recording has no such polls")
		}
		replace := func(poll replaytest.Poll, from, to string, most int) []byte {
			if !bytes.Contains(poll.Body, []byte(from)) {
				t.Fatalf("no %s in the response", from)
			}
			return bytes.Replace(poll.Body, []byte(from), []byte(to), most)
		}
		start := func(t *testing.T) *alarmWorld {
			w := &alarmWorld{t: t, store: memstore.New(), clock: retrytest.NewClock(first.Time)}
			w.want("first response", w.collect(first.Body))
			return w
		}
		t.Run("stale", func(t *testing.T) {
			w := start(t)
			w.clock.Advance(22 * time.Hour)
			w.want("after 22 hours", w.collect(first.Body))
			w.clock.Advance(2*time.Hour + time.Minute)
			const stale = "the API is stale: the newest event of its full responses is from "
			w.want("after 24 hours", w.collect(first.Body), stale)
			w.want("with a short response", w.collect(polisentest.Response(first.Items[:20]...)), stale)
			w.clock.Advance(later.Time.Sub(w.clock.Now()))
			w.want("with short responses that have new events", w.collect(polisentest.Response(later.Items[:400]...)),
				"the API's responses have new events, but fewer than 500 items since ")
			w.want("fresh again, after a pause", w.collect(later.Body), "events of ")
			w.want("an old response once", w.collect(first.Body), "events of ")
		})
		t.Run("gap", func(t *testing.T) {
			w := start(t)
			w.clock.Advance(later.Time.Sub(w.clock.Now()))
			reasons := w.collect(later.Body)
			object, err := w.store.Get(t.Context(), archive.DocumentName)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := archive.ParseDocument(object.Body)
			if err != nil {
				t.Fatal(err)
			}
			days, _ := doc.GapDays()
			if len(days) < 8 {
				t.Fatalf("gaps %q", days)
			}
			w.want("after a pause", reasons, fmt.Sprintf("events of %d days may be missing, from %s to %s; fetch them with: polisen-events-collector backfill --from %[2]s --to %[3]s", len(days), days[0], days[len(days)-1]))
			w.want("half an hour later", w.collect(later.Body), "events of ")
			w.change = func(o *pipeline.Options) { o.Saved = true }
			w.want("a saved response", w.collect(later.Body))
			w.change = func(o *pipeline.Options) { o.Filtered = true }
			w.want("a filtered response", w.collect(later.Body))
			w.change = nil
			for _, day := range days {
				date, err := archive.ParseDate(day)
				if err != nil {
					t.Fatal(err)
				}
				writer := archive.NewWriter(w.store, archive.Options{RunID: "unserved " + day, Now: w.clock.Now})
				if _, err := writer.Add(t.Context(), archive.Batch{ObservedAt: w.clock.Now(), Answer: &archive.DayAnswer{Day: date, Kind: archive.AnswerNotFound}}); err != nil {
					t.Fatal(err)
				}
			}
			w.want("unserved days", w.collect(later.Body))
		})
		t.Run("rejected", func(t *testing.T) {
			w := start(t)
			changed := replace(first, `"id":`, `"nr":`, -1)
			const reason = "500 of 500 items rejected: the API's format may have changed (no id; fields added: nr; missing: id); "
			w.want("all ids have another name", w.collect(changed), reason)
			w.want("the same once more", w.collect(changed), reason)
			w.want("as before", w.collect(first.Body))
			w.want("half of them", w.collect(replace(first, `"id":`, `"nr":`, 250)), "250 of 500 items rejected: the API's format may have changed")
			w.want("less than half of them", w.collect(replace(first, `"id":`, `"number":`, 249)), "249 of 500 items rejected (first: no id); ")
			w.want("the same once more", w.collect(replace(first, `"id":`, `"number":`, 249)))
			w.change = func(o *pipeline.Options) { o.Saved = true }
			w.want("a saved response", w.collect(changed))
		})
		t.Run("revised", func(t *testing.T) {
			w := start(t)
			changed := replace(first, `"name":"`, `"title":"x`, -1)
			reasons := w.collect(changed)
			w.want("a field has another name", reasons, "500 of 500 known events revised at once: the API's format may have changed (event ")
			if len(reasons) > 0 && !strings.Contains(reasons[0], "; fields added: location.title, title; missing: location.name, name); ") {
				t.Errorf("the example is %s", reasons[0])
			}
			w.want("the same once more", w.collect(changed))
			w.want("less than half", w.collect(replace(first, `"summary":"`, `"summary":"x`, 249)))
			w.want("half", w.collect(replace(first, `"summary":"`, `"summary":"y`, 250)), "250 of 500 known events revised at once")
			w.change = func(o *pipeline.Options) { o.Saved = true }
			w.want("a saved response", w.collect(replace(first, `"summary":"`, `"summary":"z`, -1)))
			w.change = nil
			w.want("few known events", w.collect(fewKnown(first, 19)))
			w.want("enough known events", w.collect(fewKnown(first, 20)), "20 of 20 known events revised at once")
		})
	})
}

// fewKnown returns a full response with n revised events of a poll and others that are
// new.
func fewKnown(poll replaytest.Poll, n int) []byte {
	items := make([][]byte, polisen.FullResponse)
	for i := range items {
		if i < n {
			items[i] = bytes.Replace(poll.Items[i], []byte(`"summary":"`), fmt.Appendf(nil, `"summary":"%d known `, n), 1)
		} else {
			items[i] = polisentest.Event(int64(10_000_000+n*1000+i), poll.Time.Add(-time.Duration(i)*20*time.Minute))
		}
	}
	return polisentest.Response(items...)
}

// TestAlarmIsPrintedOnce checks that an alarm is printed by the first of several runs, and
// that a run whose alarm cannot be remembered prints it.
func TestAlarmIsPrintedOnce(t *testing.T) {
	clock := newClock()
	body := polisentest.Body(polisen.FullResponse)
	dir := t.TempDir()
	s := memstore.New()
	collect := func(stateDir string, printAll bool) (unprinted error) {
		t.Helper()
		o := options(s, clock)
		o.HostState, o.PrintAlarms = pipeline.NewHostState(stateDir), printAll
		r, err := pipeline.Collect(t.Context(), o, respondWith(clock, body))
		partial, ok := errors.AsType[*pipeline.PartialError](err)
		if !ok || !strings.HasPrefix(r.Error, "the API is stale") {
			t.Fatalf("error %v, in the report %q", err, r.Error)
		}
		return partial.Unprinted()
	}
	clock.Advance(48 * time.Hour)
	for i, step := range []struct {
		stateDir string
		printAll bool
		pause    time.Duration
		printed  bool
	}{
		{dir, true, 0, true},
		{dir, false, time.Hour, true},
		{dir, false, time.Hour, false},
		{dir, true, time.Hour, true},
		{"/proc/state", false, time.Hour, true},
		{"/proc/state", false, time.Hour, true},
		{dir, false, 18 * time.Hour, false},
		{dir, false, 2 * time.Hour, true},
		{dir, false, time.Hour, false},
	} {
		clock.Advance(step.pause)
		if unprinted := collect(step.stateDir, step.printAll); (unprinted != nil) != step.printed {
			t.Errorf("run %d prints %v, want an alarm: %v", i+1, unprinted, step.printed)
		}
	}
}

// TestCutAlarm checks that the first of several runs with a response that is cut prints it,
// and that nothing else about the response is printed or rejected. The response to a query
// with a filter is no alarm, so each run prints it.
func TestCutAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, dense(), memstore.New())
		sleepUntil(day(5))
		h.newest = func() (polisentest.Answer, bool) {
			a := h.recording.Newest(time.Now())
			a.Truncate = len(a.Body) / 2
			return a, true
		}
		dir := t.TempDir()
		for i, run := range []struct {
			pause             time.Duration
			filtered, printed bool
		}{{0, false, true}, {time.Hour, false, false}, {0, true, true}, {0, true, true}, {0, false, false}, {25 * time.Hour, false, true}, {time.Hour, false, false}} {
			time.Sleep(run.pause)
			o := h.options()
			o.HostState, o.Filtered = pipeline.NewHostState(dir), run.filtered
			r, err := pipeline.Collect(t.Context(), o, h.client(false))
			partial, ok := errors.AsType[*pipeline.PartialError](err)
			if !ok || len(partial.Reasons) != 1 || !strings.HasPrefix(partial.Reasons[0], "no whole response: ") || r.Counts.Rejected > 0 {
				t.Fatalf("run %d: %v, %d rejected", i+1, err, r.Counts.Rejected)
			}
			if printed := partial.Unprinted() != nil; printed != run.printed {
				t.Errorf("run %d prints the alarm: %v, want %v", i+1, printed, run.printed)
			}
		}
	})
}

// TestKnownCommit checks that a run refuses an archive without the commit that this host
// knows: it writes nothing, and reads the host's state before the archive.
func TestKnownCommit(t *testing.T) {
	dir := t.TempDir()
	clock := newClock()
	with := func(s store.Store) pipeline.Options {
		o := options(s, clock)
		o.HostState = pipeline.NewHostState(dir)
		return o
	}
	good := respondWith(clock, polisentest.Body(20))
	down := sourceFunc(func(context.Context) (*polisen.Response, error) { return nil, errors.New("down") })
	first := memstore.New()
	o := with(first)
	r, err := pipeline.Collect(t.Context(), o, good)
	if err != nil || !strings.Contains(texts(r.Warnings, slog.LevelWarn), "began a new archive in mem:") {
		t.Fatalf("%v, warnings %v", err, r.Warnings)
	}
	clock.Advance(time.Minute)
	days := func(source pipeline.Source) pipeline.Days {
		done := openDoneDays(t, t.TempDir(), false)
		day := archive.DateOf(polisentest.Newest)
		return pipeline.Days{From: day, To: day, Source: source, Done: done}
	}
	for name, run := range map[string]func(o pipeline.Options) error{
		"collect": func(o pipeline.Options) error {
			_, err := pipeline.Collect(t.Context(), o, good)
			return err
		},
		"collect while the API is down": func(o pipeline.Options) error {
			_, err := pipeline.Collect(t.Context(), o, down)
			return err
		},
		"backfill": func(o pipeline.Options) error {
			_, err := pipeline.BackfillDays(t.Context(), o, days(good))
			return err
		},
		"collect of a saved response": func(o pipeline.Options) error {
			o.Saved, o.HostState = true, o.HostState.ReadOnly()
			_, err := pipeline.Collect(t.Context(), o, good)
			return err
		},
		"dry run": func(o pipeline.Options) error {
			o.DryRun = true
			_, err := pipeline.Collect(t.Context(), o, good)
			return err
		},
	} {
		empty := storetest.NewFaults(memstore.New(), nil)
		err := run(with(empty))
		if !errors.Is(err, archive.ErrLostCommits) || !errors.Is(err, pipeline.ErrStore) || !strings.Contains(err.Error(), "--accept-archive") {
			t.Errorf("%s into an empty store: %v, want ErrLostCommits", name, err)
		}
		if n := count(empty, storetest.Put); n > 0 {
			t.Errorf("%s into an empty store: %d writes", name, n)
		}
	}
	// A run that fails before it knows whether this is the archive writes nothing either.
	empty := storetest.NewFaults(memstore.New(), func(c storetest.Call) storetest.Fault {
		if c.Method == storetest.List {
			return storetest.FailBefore()
		}
		return storetest.Fault{}
	})
	if _, err := pipeline.Collect(t.Context(), with(empty), good); !errors.Is(err, storetest.ErrFault) || count(empty, storetest.Put) > 0 {
		t.Errorf("an empty store that cannot be listed: %v, %d writes", err, count(empty, storetest.Put))
	}
	// The former archive, and one that is rebuilt from its data, are accepted.
	o = with(first)
	if _, err := pipeline.Collect(t.Context(), o, good); err != nil {
		t.Error(err)
	}
	storetest.MustDelete(t, first, archive.DocumentName)
	o = with(first)
	r, err = pipeline.Collect(t.Context(), o, good)
	if warnings := texts(r.Warnings, slog.LevelWarn); err != nil || !strings.Contains(warnings, "rebuilt") || strings.Contains(warnings, "began") {
		t.Errorf("without its document: %v, warnings %v", err, r.Warnings)
	}
	// So is another one, if the user says so, from then on.
	clock.Advance(time.Minute)
	second := memstore.New()
	o = with(second)
	o.AcceptArchive = true
	if _, err := pipeline.Collect(t.Context(), o, good); err != nil {
		t.Error(err)
	}
	o = with(first)
	if _, err := pipeline.Collect(t.Context(), o, good); !errors.Is(err, archive.ErrLostCommits) {
		t.Errorf("the former archive: %v, want ErrLostCommits", err)
	}
	o = with(second)
	if _, err := pipeline.Collect(t.Context(), o, good); err != nil {
		t.Error(err)
	}
	// The commit of a run with a saved response is remembered only if the archive is known.
	clock.Advance(time.Minute)
	saved := func(h *pipeline.HostState, s store.Store) (warnings string) {
		o := with(s)
		o.Saved, o.HostState = true, h.ReadOnly()
		r, err := pipeline.Collect(t.Context(), o, good)
		if err != nil {
			t.Errorf("a saved response: %v", err)
		}
		return texts(r.Warnings, slog.LevelWarn)
	}
	other := pipeline.NewHostState(t.TempDir())
	for range 2 { // the second archive replaces the first one
		if warnings := saved(other, memstore.New()); warnings != "" {
			t.Errorf("a saved response: warnings %v", warnings)
		}
	}
	before := storetest.Objects(t, second)[archive.DocumentName]
	good = respondWith(clock, polisentest.Body(25))
	saved(o.HostState, second)
	storetest.MustPut(t, second, archive.DocumentName, string(before))
	storetest.MustDelete(t, second, archive.LastRunName)
	if _, err := pipeline.Collect(t.Context(), with(second), good); !errors.Is(err, archive.ErrLostCommits) {
		t.Errorf("an archive without the commit of a saved response: %v, want ErrLostCommits", err)
	}
}

// TestAcceptedArchiveHasNoDoneDays checks that --resume skips no days of the archive that was
// there before, once a run has accepted another one.
func TestAcceptedArchiveHasNoDoneDays(t *testing.T) {
	clock, dir := newClock(), filepath.Join(t.TempDir(), "a[b]")
	day, other := archive.Today(clock.Now()).Previous(), filepath.Join(dir, "backfill-2019-responses.json")
	for i, o := range []struct{ accept, dryRun, readOnly, keeps bool }{
		{accept: true}, // begins without a folder
		{keeps: true},
		{accept: true, dryRun: true, keeps: true},
		{accept: true, readOnly: true}, // it reads saved responses
		{accept: true},
	} {
		if i > 0 {
			if err := openDoneDays(t, dir, true).Add(day); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(other, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		with := options(memstore.New(), clock)
		with.AcceptArchive, with.DryRun, with.HostState = o.accept, o.dryRun, pipeline.NewHostState(dir)
		if o.readOnly {
			with.HostState = with.HostState.ReadOnly()
		}
		r, err := pipeline.Collect(t.Context(), with, respondWith(clock, polisentest.Body(5)))
		if has := openDoneDays(t, dir, true).Has(day); err != nil && o.accept || has != o.keeps || strings.Contains(texts(r.Warnings, slog.LevelWarn), "delete") {
			t.Errorf("%+v: the day is done: %t; %v, warnings %v", o, has, err, r.Warnings)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the run deleted the file of another program: %v", err)
	}
}

// TestRebuildBeginsNoArchive checks that no batch of a run which rebuilds the document says that
// the run began a new archive.
func TestRebuildBeginsNoArchive(t *testing.T) {
	clock, s, dir := newClock(), memstore.New(), t.TempDir()
	api := newDayAPI(clock, map[string]int{"2025-12-30 05": 3, "2025-12-31 04": 3})
	const began = "began a new archive"
	for i := range 2 {
		days := pipeline.Days{From: archive.Date{Year: 2025, Month: 12, Day: 30}, To: archive.Date{Year: 2025, Month: 12, Day: 31}, Source: api, Done: openDoneDays(t, dir, false)}
		o := options(s, clock)
		o.HostState = pipeline.NewHostState(dir)
		r, err := pipeline.BackfillDays(t.Context(), o, days)
		if warnings := texts(r.Warnings, slog.LevelWarn); err != nil || strings.Contains(warnings, began) != (i == 0) || strings.Contains(warnings, "rebuilt") != (i == 1) {
			t.Errorf("backfill %d: %v, warnings %s", i, err, warnings)
		}
		if i == 0 {
			storetest.MustDelete(t, s, archive.DocumentName)
		}
	}
}

// TestRebuildOnAnotherHost checks that a host which knows a commit from a clock that is ahead
// continues after another host has rebuilt the document.
func TestRebuildOnAnotherHost(t *testing.T) {
	clock, s := newClock(), memstore.New()
	first, second := pipeline.NewHostState(t.TempDir()), pipeline.NewHostState(t.TempDir())
	collect := func(h *pipeline.HostState) {
		t.Helper()
		o := options(s, clock)
		o.HostState = h
		if _, err := pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Body(5))); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(time.Hour)
	collect(first)
	clock.Advance(-time.Hour)
	storetest.MustDelete(t, s, archive.DocumentName)
	collect(second)
	collect(first)
}

// TestBackupOfDocument checks that the gaps and the newest commit survive the loss of the
// document: also if a run before or after it fails, and if a backfill rebuilds the document.
func TestBackupOfDocument(t *testing.T) {
	for what, rebuild := range map[string]func(o pipeline.Options) (report.Report, error){
		"collect": func(o pipeline.Options) (report.Report, error) {
			return pipeline.Collect(t.Context(), o, respondWith(o.Clock.(*retrytest.Clock), polisentest.Body(5)))
		},
		"backfill": func(o pipeline.Options) (report.Report, error) {
			return pipeline.BackfillSaved(t.Context(), o, read(t, polisentest.Body(6)), nil)
		},
	} {
		clock, s := newClock(), memstore.New()
		first, second := pipeline.NewHostState(t.TempDir()), pipeline.NewHostState(t.TempDir())
		with := func(s store.Store, h *pipeline.HostState) pipeline.Options {
			o := options(s, clock)
			o.HostState = h
			return o
		}
		good := respondWith(clock, polisentest.Body(5))
		if _, err := pipeline.Collect(t.Context(), with(s, first), good); err != nil {
			t.Fatal(err)
		}
		object, err := s.Get(t.Context(), archive.DocumentName)
		if err != nil {
			t.Fatal(err)
		}
		gap := fmt.Sprintf(`"gaps":[{"day":%q,"reason":"missed","since":"2026-01-02T12:00:00Z","unserved":true}],"version":2`, archive.Today(clock.Now()).AddDays(-30))
		storetest.MustPut(t, s, archive.DocumentName, strings.Replace(string(object.Body), `"version":2`, gap, 1))
		clock.Advance(time.Hour) // the clock of the first host is ahead
		if _, err := pipeline.Collect(t.Context(), with(s, first), respondWith(clock, polisentest.Body(6))); err != nil {
			t.Fatal(err)
		}
		clock.Advance(-time.Hour)
		unreadable := storetest.NewUnreadable(s, archive.DocumentName, store.ErrDamaged)
		if _, err := pipeline.Collect(t.Context(), with(unreadable, second), good); err == nil {
			t.Error("no error although the document cannot be read")
		}
		storetest.MustDelete(t, s, archive.DocumentName)
		if _, err := pipeline.Collect(t.Context(), with(s, second), sourceFunc(func(context.Context) (*polisen.Response, error) { return nil, errors.New("down") })); err == nil {
			t.Error("no error although the API is down")
		}
		r, err := rebuild(with(s, second))
		if warnings := texts(r.Warnings, slog.LevelWarn); !strings.Contains(warnings, "it was rebuilt from the archive") || r.Gaps.Unserved != 1 {
			t.Errorf("%s: %v, gaps %+v, warnings %v", what, err, r.Gaps, warnings)
		}
		if r, err = pipeline.Collect(t.Context(), with(s, first), good); r.Gaps == nil || r.Gaps.Unserved != 1 || errors.Is(err, archive.ErrLostCommits) {
			t.Errorf("%s, then a collect: %v, gaps %+v", what, err, r.Gaps)
		}
	}
}

// TestSlowRunKeepsBackup checks that a run which fails late does not replace the backup of a
// later commit, which another run has made meanwhile.
func TestSlowRunKeepsBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, s := newClock(), memstore.New()
		if _, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(5))); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour)
		var other *report.LastRun
		o := options(s, clock)
		slow := sourceFunc(func(context.Context) (*polisen.Response, error) {
			time.Sleep(time.Second) // meanwhile the slow run reads the documents
			if _, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(6))); err != nil {
				t.Error(err)
			}
			other = history(t, s)
			return nil, errors.New("down")
		})
		if _, err := pipeline.Collect(t.Context(), o, slow); err == nil {
			t.Error("no error of the slow run")
		}
		if got := history(t, s); got.RunID != o.Report.RunID || !bytes.Equal(got.DocumentBackup, other.DocumentBackup) {
			t.Errorf("run %s reports the backup %s, want %s", got.RunID, got.DocumentBackup, other.DocumentBackup)
		}
	})
}

// TestNoContact checks when a missing contact is a warning that is always printed.
func TestNoContact(t *testing.T) {
	clock := newClock()
	s := memstore.New()
	for run, level := range []slog.Level{slog.LevelWarn, slog.LevelInfo} {
		o := options(s, clock)
		o.HostState, o.NoContact = pipeline.NewHostState(t.TempDir()), true
		r, err := pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Body(5)))
		if err != nil || !r.NoContact || !strings.Contains(texts(r.Warnings, level), "set --contact") {
			t.Errorf("run %d: %v, no contact %v, warnings %v; want one of level %v about the contact", run+1, err, r.NoContact, r.Warnings, level)
		}
	}
}
