package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/racetest"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// fakeTime is the clock of a synctest bubble. Unlike [retry.System] it does not know
// when the machine started, which is outside of the bubble.
type fakeTime struct{}

func (fakeTime) Now() time.Time { return time.Now() }

func (fakeTime) Sleep(ctx context.Context, d time.Duration) error { return retry.System.Sleep(ctx, d) }

// sleepUntil waits until t in the time of the bubble.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

// host is a machine that runs collects, with its own connection to the API.
type host struct {
	t         *testing.T
	recording *polisentest.Recording
	store     store.Store
	stateDir  string
	api       *polisentest.API
	timeout   time.Duration // of a run's work

	// newest and day, unless they are nil, may answer in place of the recording: to
	// the query for the newest events, and to that for a day or an hour.
	newest func() (polisentest.Answer, bool)
	day    func(dateTime string) (polisentest.Answer, bool)
}

// newHost returns a host in a synctest bubble.
func newHost(t *testing.T, r *polisentest.Recording, s store.Store) *host {
	h := &host{t: t, recording: r, store: s, stateDir: t.TempDir(), timeout: 288 * time.Second}
	h.api = &polisentest.API{Now: time.Now, Default: h.answer}
	return h
}

// answer returns the answer of the API, which takes a second.
func (h *host) answer(request *http.Request) polisentest.Answer {
	answer, ok := polisentest.Answer{}, false
	dateTime := request.URL.Query().Get("DateTime")
	if dateTime == "" && h.newest != nil {
		answer, ok = h.newest()
	} else if dateTime != "" && h.day != nil {
		answer, ok = h.day(dateTime)
	}
	if !ok {
		answer = h.recording.Answer(request, time.Now())
	}
	answer.Delay = time.Second
	answer.Plain = true
	return answer
}

// client returns a client of the API.
func (h *host) client(leaveRoom bool) *polisen.Client {
	c, err := polisen.NewClient(polisen.Options{
		URL: "https://example.org/api/events", UserAgent: "test", StateDir: h.stateDir,
		LeaveRoom: leaveRoom, Clock: fakeTime{}, Transport: h.api,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// options returns the options of a run.
func (h *host) options() pipeline.Options {
	o := options(h.store, fakeTime{})
	o.GapSource = h.client(true)
	return o
}

// collect runs a collect with a deadline.
func (h *host) collect() (report.Report, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), h.timeout)
	defer cancel()
	return pipeline.Collect(ctx, h.options(), h.client(false))
}

// mustCollect runs a collect, which must end before the deadline, and may be partial.
func (h *host) mustCollect() report.Report {
	h.t.Helper()
	start := time.Now()
	r, err := h.collect()
	if _, partial := errors.AsType[*pipeline.PartialError](err); err != nil && !partial {
		h.t.Fatalf("collect at %v: %v", start, err)
	}
	if took := time.Since(start); took > h.timeout {
		h.t.Errorf("collect at %v took %v", start, took)
	}
	return r
}

// document returns the document of the archive.
func (h *host) document() *archive.Document {
	h.t.Helper()
	d, err := archive.ParseDocument(storetest.Objects(h.t, h.store)[archive.DocumentName])
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// queries returns the queries for days and hours so far, without their time.
func (h *host) queries() (dateTimes []string) {
	for _, call := range h.api.Calls() {
		if _, dateTime, ok := strings.Cut(call.Query, "DateTime="); ok {
			dateTimes = append(dateTimes, dateTime)
		}
	}
	return dateTimes
}

// check checks that the archive has each event of these days once, as far as the
// recording has published it, and that all calls kept the API's rules.
func (h *host) check(days []string) {
	h.t.Helper()
	c := archivetest.Read(h.t, h.store)
	if len(c.Problems) > 0 {
		h.t.Errorf("problems:\n%s", strings.Join(c.Problems, "\n"))
	}
	all, missing := 0, 0
	for _, day := range days {
		// 500 events are more than a day of the recordings has.
		for _, e := range archivetest.Parse(h.recording.Events(day, time.Now())...) {
			all++
			if len(c.Events[e.ID]) == 0 {
				missing++
			}
		}
	}
	if missing > 0 || all < 10*len(days) {
		h.t.Errorf("%d of %d events of %d days are missing", missing, all, len(days))
	}
	if b := h.api.Breaches(); len(b) > 0 {
		h.t.Errorf("breaches of the API's rules: %q", b)
	}
}

// newRecording returns the recording of some polls.
func newRecording(polls []replaytest.Poll) *polisentest.Recording {
	r := new(polisentest.Recording)
	for _, poll := range polls {
		r.Add(poll.Time, poll.Body, poll.Items)
	}
	return r
}

// pauseDays returns the days that a pause makes gaps: those from the one before that of
// covered_until to that of the next response, in Swedish time.
func pauseDays(covered, response time.Time) (days []string) {
	last := polisen.InSweden(response).Format(time.DateOnly)
	for t := polisen.InSweden(covered).AddDate(0, 0, -1); t.Format(time.DateOnly) <= last; t = t.AddDate(0, 0, 1) {
		days = append(days, t.Format(time.DateOnly))
	}
	return days
}

// pause is a time in which nothing was collected.
type pause struct {
	from, to time.Time
	// stale is true if runs went on in the pause, but the API answered with the
	// response of its beginning.
	stale bool
	// mismatched is true if the first run after the pause gets a mismatched response.
	mismatched bool
	// mistakes is true if the API answers some of the queries for days with something
	// else.
	mistakes bool
}

// mistakes returns answers to queries for days, at most two for each day, that are not
// the day's events.
func (h *host) mistakes() func(string) (polisentest.Answer, bool) {
	n, made := 0, make(map[string]int)
	return func(dateTime string) (polisentest.Answer, bool) {
		n++
		if made[dateTime] == 2 || n%3 == 0 {
			return polisentest.Answer{}, false
		}
		made[dateTime]++
		now := time.Now()
		day, err := time.Parse(time.DateOnly, dateTime)
		if err != nil {
			h.t.Errorf("query for %q", dateTime)
		}
		switch n % 7 {
		case 0:
			return h.recording.Newest(now), true
		case 1:
			return polisentest.OK(h.recording.Events(day.AddDate(0, 0, 2).Format(time.DateOnly), now)...), true
		case 2:
			return polisentest.OK(), true
		case 3:
			return polisentest.OK(h.recording.Events(dateTime[:len("2006-01")], now)...), true
		case 4:
			return polisentest.Status(503), true
		case 5:
			return polisentest.Answer{Body: polisentest.Response(h.recording.Events(dateTime, now)...), Truncate: 700}, true
		default:
			return polisentest.OK(h.recording.Spread(60, now)...), true
		}
	}
}

// live collects from three days before a pause until its gap is closed, at most for
// three days. It returns the time that the archive covered at the end of the pause,
// or, without collecting after it, zero if there is none.
func (h *host) live(p pause) (covered time.Time) {
	for t := p.from.AddDate(0, 0, -3); t.Before(p.from); t = t.Add(8 * time.Hour) {
		sleepUntil(t)
		_, _ = h.collect() // a recorded poll may have failed
	}
	if p.stale {
		old := h.recording.Newest(time.Now())
		h.newest = func() (polisentest.Answer, bool) { return old, true }
		for t := p.from; t.Before(p.to); t = t.Add(13 * time.Hour) {
			sleepUntil(t)
			h.mustCollect()
		}
		h.newest = nil
	}
	sleepUntil(p.to)
	if h.document().CoveredUntil == nil {
		return time.Time{}
	}
	covered = *h.document().CoveredUntil
	if p.mismatched {
		h.newest = func() (polisentest.Answer, bool) {
			h.newest = nil
			return polisentest.OK(h.recording.Spread(60, time.Now())...), true
		}
	}
	if p.mistakes {
		h.day = h.mistakes()
	}
	for t := p.to; t.Before(p.to.AddDate(0, 0, 3)); t = t.Add(30 * time.Minute) {
		if d := h.document(); len(d.Gaps) == 0 && d.CoveredUntil.After(p.to.Add(-12*time.Hour)) {
			break
		}
		sleepUntil(t)
		_, err := h.collect()
		if err != nil && !errors.Is(err, pipeline.ErrAPI) {
			if _, partial := errors.AsType[*pipeline.PartialError](err); !partial {
				h.t.Fatalf("collect at %v: %v", t, err)
			}
		}
	}
	return covered
}

// TestGaps cuts pauses of 10 to 40 days out of recordings. It checks that the runs after
// a pause store every event of the days of the pause, each once.
func TestGaps(t *testing.T) {
	t.Parallel()
	every := racetest.Size(9, 3) // tests one of so many pauses, to take less time
	replaytest.Run(t, func(t *testing.T, polls []replaytest.Poll) {
		r := newRecording(polls)
		n, closed := 0, 0
		for _, days := range []int{10, 14, 20, 30, 40} {
			for from := r.First().AddDate(0, 0, 8); from.AddDate(0, 0, days+4).Before(r.Last()); from = from.AddDate(0, 0, 17).Add(5*time.Hour + 7*time.Minute) {
				if !isPolled(polls, from.AddDate(0, 0, -3), from.AddDate(0, 0, days+3)) {
					continue
				}
				n++
				if n%every != 0 {
					continue
				}
				p := pause{from: from, to: from.AddDate(0, 0, days), stale: n%4 == 1, mismatched: n%4 > 1, mistakes: n%2 == 0}
				t.Run(fmt.Sprintf("%d days from %s, stale %v, mismatched %v, mistakes %v", days, from.Format(time.DateOnly), p.stale, p.mismatched, p.mistakes), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						if testGap(t, polls, r, p) {
							closed++
						}
					})
				})
			}
		}
		if closed < n/every/4 {
			t.Errorf("only %d pauses had a gap", closed)
		}
	})
}

// testGap tests one pause, and reports whether it had a gap.
func testGap(t *testing.T, polls []replaytest.Poll, r *polisentest.Recording, p pause) bool {
	h := newHost(t, r, memstore.New())
	covered := h.live(p)
	if covered.IsZero() {
		t.Log("no gap: all full responses before the pause have windows of more than 30 days")
		return false
	}
	if gaps := h.document().Gaps; len(gaps) > 0 {
		t.Errorf("gaps are left: %+v", gaps)
	}
	days := pauseDays(covered, p.to)
	queries := h.queries()
	if !firstWindow(polls, p.to).From.After(covered) {
		t.Log("no gap: the first response after the pause covers it")
		if len(queries) > 0 {
			t.Errorf("queries %q", queries)
		}
		return false
	}
	h.check(days)
	slices.Sort(queries)
	once := slices.Compact(slices.Clone(queries))
	if !p.mistakes && len(once) < len(queries) {
		t.Errorf("a day was asked for twice: %q", queries)
	}
	return true
}

// isPolled reports whether there are polls at least every three days between two times.
// A recording may have a pause of its own.
func isPolled(polls []replaytest.Poll, from, to time.Time) bool {
	last := from
	for _, poll := range polls {
		if poll.Time.After(from) && poll.Time.Before(to) {
			if poll.Time.Sub(last) > 72*time.Hour {
				return false
			}
			last = poll.Time
		}
	}
	return to.Sub(last) <= 72*time.Hour
}

// firstWindow returns the window of the first full response that the API gives from a
// time on.
func firstWindow(polls []replaytest.Poll, from time.Time) polisen.Window {
	first := slices.IndexFunc(polls, func(p replaytest.Poll) bool { return p.Time.After(from) })
	for _, poll := range polls[first-1:] {
		if events, _, err := polisen.Parse(poll.Body); err == nil && len(events) >= polisen.FullResponse {
			window, _ := polisen.NewWindow(events, poll.Time)
			return window
		}
	}
	return polisen.Window{}
}
