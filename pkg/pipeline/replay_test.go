package pipeline_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// sourceFunc is a pipeline.Source.
type sourceFunc func(ctx context.Context) (*polisen.Response, error)

func (f sourceFunc) Fetch(ctx context.Context, _ polisen.Query) (*polisen.Response, error) {
	return f(ctx)
}

// saying returns a source whose response has this body.
func saying(clock *retrytest.Clock, body []byte) sourceFunc {
	return func(context.Context) (*polisen.Response, error) {
		events, rejected, err := polisen.Parse(body)
		if err != nil {
			return &polisen.Response{Calls: 1}, err
		}
		return &polisen.Response{Events: events, Rejected: rejected, Calls: 1, FetchedAt: clock.Now()}, nil
	}
}

func options(s store.Store, clock *retrytest.Clock) pipeline.Options {

	return pipeline.Options{
		Report:    report.Report{RunID: rand.Text(), Command: "collect", Store: s.String()},
		Recorder:  report.NewRecorder(clock.Now),
		Clock:     clock,
		OpenStore: func(context.Context) (store.Store, error) { return s, nil },
		Revisions: true,
		ExitCode: func(err error) int {
			if err != nil {
				return 1
			}
			return 0
		},
	}
}

// TestReplay collects every recorded poll and holds the archive against what
// the recording itself says: each event once, its first version verbatim, in
// the partition of its own date; each later version once.
func TestReplay(t *testing.T) {
	t.Parallel()
	polls, truth := replaytest.Load(t)
	s := memstore.New()
	clock := retrytest.NewClock(polls[0].Time)
	var lookups, lookedUp, failed, short, stray, older int
	for _, poll := range polls {
		clock.Advance(poll.Time.Sub(clock.Now()))
		r, err := pipeline.Collect(t.Context(), options(s, clock), saying(clock, poll.Body))
		if (err != nil) != (len(poll.Body) == 0) {
			t.Fatalf("poll of %v: %v", poll.Time, err)
		}
		if err != nil {
			failed++
		}
		if n := r.Counts.Fetched; 0 < n && n < 100 {
			short++ // all such responses of the recording are stray
		}
		if r.Counts.LookedUp > 0 {
			lookups++
			lookedUp += r.Counts.LookedUp
		}
		for _, warning := range r.Warnings {
			if strings.HasPrefix(warning, "stray") {
				stray++
			} else if strings.Contains(warning, "older") {
				older++
			} else {
				t.Errorf("poll of %v: %s", poll.Time, warning)
			}
		}
		document, err := s.Get(t.Context(), archive.DocumentName)
		if err != nil {
			t.Fatal(err)
		}
		if problems := archivetest.CheckDocument(document.Body); len(problems) > 0 {
			t.Fatalf("poll of %v: %q", poll.Time, problems)
		}
	}
	c := archivetest.Read(t, s)
	duplicates, missing, revisions := 0, 0, 0
	for id, raw := range truth.First {
		duplicates += max(len(c.Events[id])-1, 0)
		if len(c.Events[id]) == 0 {
			missing++
		} else if c.Events[id][0] != raw {
			t.Errorf("event %d: stored %s, first shown %s", id, c.Events[id][0], raw)
		}
		revisions += len(c.Revisions[id])
	}
	t.Logf("%d polls (%d failed, %d stray, %d older than the last), %d events, %d revisions, %d lookups in %d polls, %d duplicates, %d missing",
		len(polls), failed, stray, older, len(c.Events), revisions, lookedUp, lookups, duplicates, missing)
	if len(c.Events) != len(truth.First) || duplicates+missing > 0 {
		t.Errorf("%d events stored, want %d", len(c.Events), len(truth.First))
	}
	if diff := cmp.Diff(truth.Later, c.Revisions); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
	for _, problem := range c.Problems { // each line's partition is checked there
		t.Error(problem)
	}
	if stray != short {
		t.Errorf("%d responses are called stray, but %d are short", stray, short)
	}
}
