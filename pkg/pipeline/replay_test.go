package pipeline_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// sourceFunc is a pipeline.Source that calls the function.
type sourceFunc func(ctx context.Context) (*polisen.Response, error)

func (f sourceFunc) Fetch(ctx context.Context, _ polisen.Query) (*polisen.Response, error) {
	return f(ctx)
}

// texts joins the texts of the warnings of a level, one line each.
func texts(warnings []report.Warning, level slog.Level) string {
	var lines []string
	for _, w := range warnings {
		if w.Level == level {
			lines = append(lines, w.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// respondWith returns a source whose responses have this body.
func respondWith(clock *retrytest.Clock, body []byte) sourceFunc {
	return func(context.Context) (*polisen.Response, error) {
		events, rejected, err := polisen.Parse(body)
		if err != nil {
			return &polisen.Response{Calls: 1}, err
		}
		return &polisen.Response{Events: events, Rejected: rejected, Calls: 1, FetchedAt: clock.Now()}, nil
	}
}

// options returns the options of a run with its own RunID.
func options(s store.Store, clock retry.Clock) pipeline.Options {
	return pipeline.Options{
		Report:    report.Report{RunID: rand.Text(), Command: "collect", Store: s.String()},
		Recorder:  report.NewRecorder(clock.Now),
		Clock:     clock,
		OpenStore: func(context.Context) (store.Store, error) { return s, nil },
		Revisions: true,
		MaxLag:    24 * time.Hour,
		Command:   func(args string) string { return "polisen-events-collector " + args },
		ExitCode: func(err error) int {
			if err != nil {
				return 1
			}
			return 0
		},
	}
}

// TestReplay collects every poll of a recording and compares the archive with
// the recording: each event is stored once, as its first version, byte for byte,
// in the partition of its date; each later version and each item that is not an
// event is stored once.
func TestReplay(t *testing.T) {
	t.Parallel()
	replaytest.Run(t, testReplay)
}

func testReplay(t *testing.T, polls []replaytest.Poll) {
	s, model := memstore.New(), replaytest.NewModel()
	clock := retrytest.NewClock(polls[0].Time)
	var lookups, lookedUp, failed, short, mismatched, older int
	var gaps gapModel
	stale := 0
	for _, poll := range polls {
		clock.Advance(poll.Time.Sub(clock.Now()))
		facts := model.AddPoll(poll)
		r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, poll.Body))
		// These runs are partial, and no others: those that reject items, those that see
		// no full response with an event of the last 24 hours, and all after a pause with
		// missed days, since no run closes gaps here.
		gaps.add(poll)
		var want []string
		if poll.Time.Sub(gaps.covered) > 24*time.Hour && !poll.Failed {
			stale++
			want = append(want, "the API is stale: ")
		}
		if gaps.found > 0 && !poll.Failed {
			want = append(want, "events of ")
		}
		if facts.NewRejected > 0 {
			want = append(want, fmt.Sprintf("%d of %d items rejected (first: ", facts.NewRejected, r.Counts.Fetched))
		}
		partial, _ := errors.AsType[*pipeline.PartialError](err)
		if partial == nil {
			partial = &pipeline.PartialError{}
		}
		if !slices.EqualFunc(partial.Reasons, want, strings.HasPrefix) || err != nil && len(want) == 0 && !poll.Failed {
			t.Fatalf("poll of %v: %v, want %q", poll.Time, err, want)
		}
		if poll.Failed {
			failed++
		}
		if n := r.Counts.Fetched; 0 < n && n < 100 {
			short++ // all such responses in the recordings are mismatched
		}
		if r.Counts.LookedUp > 0 {
			lookups++
			lookedUp += r.Counts.LookedUp
		}
		if r.Counts.LookedUp > facts.Late {
			t.Errorf("poll of %v: %d events were looked up, but only %d are unlisted ids below the highest", poll.Time, r.Counts.LookedUp, facts.Late)
		}
		for _, warning := range r.Warnings {
			if strings.HasPrefix(warning.Text, "mismatched") {
				mismatched++
			} else if strings.Contains(warning.Text, "older") {
				older++
			} else {
				t.Errorf("poll of %v: %s", poll.Time, warning.Text)
			}
		}
		document, err := s.Get(t.Context(), archive.DocumentName)
		if err != nil {
			t.Fatal(err)
		}
		if problems := archivetest.CheckDocument(document.Body); len(problems) > 0 {
			t.Fatalf("poll of %v: %q", poll.Time, problems)
		}
		d, err := archive.ParseDocument(document.Body)
		if err != nil {
			t.Fatal(err)
		}
		if (len(d.Gaps) > 0) != (gaps.found > 0) {
			t.Errorf("poll of %v: %d days are gaps after %d pauses", poll.Time, len(d.Gaps), gaps.found)
		}
	}
	c := archivetest.Read(t, s)
	revisions := 0
	for _, lines := range c.Revisions {
		revisions += len(lines)
	}
	t.Logf("%d polls (%d failed, %d mismatched, %d older than the last, %d after a pause with missed days), %d events, %d revisions, %d rejected, %d lookups in %d polls",
		len(polls), failed, mismatched, older, gaps.found, len(c.Events), revisions, len(c.Rejected), lookedUp, lookups)
	model.Check(t, s)
	if mismatched != short {
		t.Errorf("%d responses are reported as mismatched, but %d are short", mismatched, short)
	}
	if synthetic := len(polls) < 1000; synthetic && gaps.found == 0 || !synthetic && (gaps.found > 1 || stale > 0) {
		t.Errorf("%d pauses with missed days, and the API was stale in %d polls; the recorded polls have one such pause, and no such poll", gaps.found, stale)
	}
}

// gapModel finds the pauses in a recording after which events may be missing.
type gapModel struct {
	covered time.Time // newest event in full responses so far
	found   int       // number of pauses
}

// add adds a poll. Events may be missing if the window of a full response begins after the
// newest event of earlier ones. The window leaves out the oldest 5 % of the events. Responses
// with a window of more than 30 days are mismatched and do not count.
func (m *gapModel) add(poll replaytest.Poll) {
	events, _, err := polisen.Parse(poll.Body)
	if err != nil || len(poll.Items) < polisen.FullResponse {
		return
	}
	slices.SortFunc(events, func(a, b polisen.Event) int { return a.Time.Compare(b.Time) })
	from, to := events[len(events)/20].Time, events[len(events)-1].Time
	if to.Sub(from) > 30*24*time.Hour {
		return
	}
	if !m.covered.IsZero() && from.After(m.covered) {
		m.found++
	}
	if to.After(poll.Time) {
		to = poll.Time
	}
	if to.After(m.covered) {
		m.covered = to
	}
}
