package pipeline

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSetAlarms checks which alarms of a series of runs are printed.
func TestSetAlarms(t *testing.T) {
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	stale := alarm{Name: alarmStale, Text: "stale"}
	gap := alarm{Name: alarmGap, Key: "1", Text: "gap"}
	newGap := alarm{Name: alarmGap, Key: "2", Text: "gap"}
	format := alarm{Name: alarmRejected, Key: "1", Text: "format"}
	type run struct {
		at       time.Duration // since start
		alarms   []alarm
		short    bool // the response is not full
		printAll bool
		printed  []string // texts that are not printed, because they were printed before
	}
	for name, runs := range map[string][]run{
		"begins":                   {{0, []alarm{stale}, false, false, nil}},
		"lasts":                    {{0, []alarm{stale}, false, false, nil}, {time.Hour, []alarm{stale}, false, false, []string{"stale"}}, {23 * time.Hour, []alarm{stale}, false, false, []string{"stale"}}},
		"lasts for a day":          {{0, []alarm{stale}, false, false, nil}, {24 * time.Hour, []alarm{stale}, false, false, nil}, {25 * time.Hour, []alarm{stale}, false, false, []string{"stale"}}},
		"ends and begins":          {{0, []alarm{stale}, false, false, nil}, {time.Hour, nil, false, false, nil}, {2 * time.Hour, []alarm{stale}, false, false, nil}},
		"changes":                  {{0, []alarm{gap}, false, false, nil}, {time.Hour, []alarm{newGap}, false, false, nil}, {2 * time.Hour, []alarm{newGap}, false, false, []string{"gap"}}},
		"a second one":             {{0, []alarm{stale}, false, false, nil}, {time.Hour, []alarm{stale, gap}, false, false, []string{"stale"}}},
		"the clock goes back":      {{0, []alarm{stale}, false, false, nil}, {-time.Hour, []alarm{stale}, false, false, nil}},
		"seen by a person only":    {{0, []alarm{stale}, false, true, nil}, {time.Hour, []alarm{stale}, false, false, nil}, {2 * time.Hour, []alarm{stale}, false, true, nil}, {3 * time.Hour, []alarm{stale}, false, false, []string{"stale"}}},
		"a short response between": {{0, []alarm{format}, false, false, nil}, {time.Hour, nil, true, false, nil}, {2 * time.Hour, []alarm{format}, false, false, []string{"format"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHostState(t.TempDir())
			for i, r := range runs {
				var printed []string
				err := h.update(t.Context(), "store", func(a *archiveState) bool {
					printed = a.setAlarms(r.alarms, !r.short, start.Add(r.at), r.printAll)
					return true
				})
				if err != nil || !slices.Equal(printed, r.printed) {
					t.Errorf("run %d: printed before: %q, want %q (%v)", i+1, printed, r.printed, err)
				}
			}
			if state, err := h.read("store"); err != nil || len(state.Alarms) > 0 && !state.Alarms[0].Since.Equal(start) && name != "ends and begins" {
				t.Errorf("state %+v, %v", state, err)
			}
		})
	}
}

// TestSetCommit checks that the state keeps the newest commit, unless the user accepts an
// older one.
func TestSetCommit(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var a archiveState
	for _, step := range []struct {
		timestamp int64
		accept    bool
		want      int64
		changed   bool
	}{{5, false, 5, true}, {5, false, 5, false}, {7, false, 7, true}, {6, false, 7, false}, {6, true, 6, true}} {
		if changed := a.setCommit(step.timestamp, now, step.accept); changed != step.changed || a.Commit.Timestamp != step.want {
			t.Errorf("after %+v: changed %v, commit %+v", step, changed, a.Commit)
		}
	}
}

// TestUpdateIsAtomic checks that runs at the same time lose no update of each other, and
// that each archive has its own state.
func TestUpdateIsAtomic(t *testing.T) {
	h := NewHostState(filepath.Join(t.TempDir(), "new", "folder"))
	const runs = 20
	var wg sync.WaitGroup
	for range runs {
		wg.Go(func() {
			err := h.update(t.Context(), "store", func(a *archiveState) bool {
				if a.Commit == nil {
					a.Commit = &knownCommit{}
				}
				a.Commit.Timestamp++
				return true
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if state, err := h.read("store"); err != nil || state.Commit == nil || state.Commit.Timestamp != runs {
		t.Errorf("after %d updates: %+v, %v", runs, state.Commit, err)
	}
	if state, err := h.read("other store"); err != nil || state.Commit != nil {
		t.Errorf("another archive has %+v, %v", state.Commit, err)
	}
}

// TestDamagedState checks that a damaged file is reported, that no part of it is used,
// and that the next update replaces it.
func TestDamagedState(t *testing.T) {
	for name, content := range map[string]string{
		"cut":          `{"commit": {"timestamp": 9}`,
		"another type": `{"commit": {"timestamp": 9}, "alarms": 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHostState(t.TempDir())
			if err := os.WriteFile(h.path("store"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if state, err := h.read("store"); err == nil || !strings.Contains(err.Error(), h.path("store")) || state.Commit != nil {
				t.Errorf("state %+v, error %v; want none, and an error that names the file", state, err)
			}
			err := h.update(t.Context(), "store", func(a *archiveState) bool { return a.setCommit(7, time.Now(), false) })
			if state, readErr := h.read("store"); err != nil || readErr != nil || state.Commit.Timestamp != 7 {
				t.Errorf("after an update: %+v, %v, %v", state, err, readErr)
			}
		})
	}
}
