package pipeline_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// TestUnreadableObject checks that a run stores what does not need an unreadable
// object, and then fails with an error of the store that names the object.
func TestUnreadableObject(t *testing.T) {
	const name = "events/2026/01/01/events-1700000000.jsonl"
	items := archivetest.Items(1, 4, 0)
	items = append(items, archivetest.Item(9, 20, "first"))
	prepare := func(t *testing.T) *memstore.Store {
		s := memstore.New() // without a document, so that every event is looked up
		storetest.MustPut(t, s, name, string(items[0])+"\n")
		return s
	}
	check := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, pipeline.ErrStore) || errors.Is(err, store.ErrAccess) || !strings.Contains(err.Error(), name) ||
			!strings.Contains(err.Error(), "4 events waiting") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line that names the object and 4 events", err)
		}
	}
	again := func(t *testing.T, s store.Store) {
		t.Helper()
		clock := newClock()
		r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Response(items...)))
		if err != nil || r.Counts.New != 3 || r.Counts.Waiting != 0 {
			t.Errorf("when the object is readable again: %+v, %v", r.Counts, err)
		}
		if c := archivetest.Read(t, s); len(c.Problems) > 0 || len(c.Events) != 5 {
			t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
		}
	}
	t.Run("collect", func(t *testing.T) {
		s, clock := prepare(t), newClock()
		r, err := pipeline.Collect(t.Context(), options(storetest.NewUnreadable(s, name, store.ErrAccess), clock), respondWith(clock, polisentest.Response(items...)))
		check(t, err)
		if r.OK || r.Counts.New != 1 || r.Counts.Waiting != 4 || lastRun(t, s).OK || lastRun(t, s).Counts.Waiting != 4 {
			t.Errorf("%+v", r)
		}
		again(t, s)
	})
	t.Run("dry run", func(t *testing.T) {
		s, clock := prepare(t), newClock()
		o := options(storetest.NewUnreadable(s, name, store.ErrAccess), clock)
		o.DryRun = true
		_, err := pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Response(items...)))
		check(t, err)
	})
	t.Run("days", func(t *testing.T) {
		s, clock := prepare(t), newClock()
		day := archive.Date{Year: 2026, Month: 1, Day: 1}
		done := openDoneDays(t, t.TempDir(), false)
		_, err := pipeline.BackfillDays(t.Context(), options(storetest.NewUnreadable(s, name, store.ErrAccess), clock), pipeline.Days{
			From: day, To: day, Done: done, Source: respondWith(clock, polisentest.Response(items...)),
		})
		check(t, err)
		if done.Has(day) {
			t.Error("a day with waiting events counts as done")
		}
		again(t, s)
	})
}

// TestForeignEdit checks that the next run that stores something warns if another program
// has changed the newest object. A run with nothing new does not read the object.
func TestForeignEdit(t *testing.T) {
	s, clock := memstore.New(), newClock()
	source := respondWith(clock, polisentest.Response(archivetest.Items(1, 4, 0)...))
	first, err := pipeline.Collect(t.Context(), options(s, clock), source)
	if err != nil {
		t.Fatal(err)
	}
	name := first.Objects[0].Name
	storetest.MustPut(t, s, name, strings.Replace(string(storetest.Objects(t, s)[name]), "first", "edited", 1))
	next := respondWith(clock, polisentest.Response(archivetest.Items(1, 5, 0)...))
	for i, run := range []struct {
		source   sourceFunc
		new      int
		warnings string
	}{
		{source, 0, ""},
		{next, 1, name + " was changed by another program: 1 of 4 lines missing or changed, 1 stored again"},
		{next, 0, ""},
	} {
		r, err := pipeline.Collect(t.Context(), options(s, clock), run.source)
		if got := texts(r.Warnings, slog.LevelWarn); err != nil || got != run.warnings || r.Counts.New != run.new || r.Counts.Revised != 0 {
			t.Errorf("run %d: warnings %q, want %q; %+v, %v", i, got, run.warnings, r.Counts, err)
		}
	}
	c := archivetest.Read(t, s)
	if want := []string{string(archivetest.Item(1, 0, "first"))}; len(c.Problems) > 0 || !slices.Equal(c.Revisions[1], want) {
		t.Errorf("revisions %q, want %q; problems %q", c.Revisions[1], want, c.Problems)
	}
}
