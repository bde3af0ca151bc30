package status_test

import (
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store/storetest"
)

// TestChangedPending checks the state of an object of the last commit that another
// program or a repair has changed: it is a problem only if lines of the commit are
// nowhere.
func TestChangedPending(t *testing.T) {
	const other = "events/2026/01/01/events-1767355200.jsonl" // the day before object2
	two, three, rejected := line(2, day2), line(3, day2), `{"reason":"x","observed_at":"2026-01-02T12:00:00Z","raw":{"a":1}}`+"\n"
	const rejectedObject = "rejected/2026/01/02/rejected-1767355200.jsonl"
	tests := map[string]struct {
		objects map[string]string
		state   archive.ObjectState // of object2
		problem string
	}{
		"a newline appended":      {objects: map[string]string{object2: two + three + "\n"}, state: archive.Stored},
		"CRLF":                    {objects: map[string]string{object2: strings.ReplaceAll(two+three, "\n", "\r\n")}, state: archive.Stored},
		"another order":           {objects: map[string]string{object2: three + two}, state: archive.Stored},
		"no final newline":        {objects: map[string]string{object2: strings.TrimSuffix(two+three, "\n")}, state: archive.Stored},
		"a line added":            {objects: map[string]string{object2: line(9, day2) + two + three}, state: archive.Stored},
		"rewritten by a repair":   {objects: map[string]string{object2: three, other: two}, state: archive.Stored},
		"emptied by a repair":     {objects: map[string]string{object2: "", other: two + three}, state: archive.Stored},
		"a line removed":          {objects: map[string]string{object2: three}, state: archive.Different, problem: "1 of 2"},
		"a line edited":           {objects: map[string]string{object2: three + line(2, day2, polisentest.Summary("edited"))}, state: archive.Different, problem: "1 of 2"},
		"a rejected item moved":   {objects: map[string]string{object2: two + three, rejectedObject: "", strings.Replace(rejectedObject, "02/", "03/", 1): rejected}, state: archive.Stored},
		"a rejected item removed": {objects: map[string]string{object2: two + three, rejectedObject: ""}, state: archive.Stored, problem: "1 of 2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, ok := tt.objects[rejectedObject]; !ok {
				w.put(rejectedObject, rejected)
			}
			for name, body := range tt.objects {
				w.put(name, body)
			}
			w.putDocument(archive.Document{
				SeenIDs: []int64{3, 2}, LastUpdated: day2, Pending: []archive.Pending{
					{Name: object2, Content: archive.Text(two + three)}, {Name: rejectedObject, Content: archive.Text(rejected)},
				},
			})
			s, err := w.document().Summarize(t.Context(), now)
			if err != nil || s.Pending[0].State != tt.state {
				t.Errorf("the summary says %v, %v; want %s", s, err, tt.state)
			}
			h, err := status.CheckHealth(t.Context(), w, status.HealthOptions{MaxAge: time.Hour, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			problem := ""
			for _, p := range h.Problems {
				if strings.Contains(p, "lack lines") {
					problem = p
				}
			}
			if (problem != "") != (tt.problem != "") || !strings.Contains(problem, tt.problem) || (h.Different > 0) != (tt.problem != "") {
				t.Errorf("%d different, problems %q; want %q", h.Different, h.Problems, tt.problem)
			}
		})
	}
	t.Run("an object that may hold the line cannot be read", func(t *testing.T) {
		w := newWorld(t)
		w.put(object2, three)
		w.put(other, two)
		w.putDocument(archive.Document{SeenIDs: []int64{3, 2}, LastUpdated: day2, Pending: []archive.Pending{{Name: object2, Content: archive.Text(two + three)}}})
		f := storetest.NewFaults(w, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Get && c.Name == other {
				return storetest.FailBefore()
			}
			return storetest.Fault{}
		})
		_, err := status.CheckHealth(t.Context(), f, status.HealthOptions{MaxAge: time.Hour, Now: now})
		if err == nil || !strings.Contains(err.Error(), other) {
			t.Errorf("error %v, want one that names %s", err, other)
		}
	})
}
