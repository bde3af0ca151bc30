package archivetest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/store"
)

// Model is the content that an archive must have, computed from the items that
// were stored in it.
type Model struct {
	// Events are the first versions by id, verbatim, and Revisions the other
	// versions in the order in which they were added.
	Events    map[int64]string
	Revisions map[int64][]string
	// Rejected are the items that are not events.
	Rejected map[string]bool

	ids map[string]int64 // the id of each event that was added, since decoding is slow
}

// Change says what an item adds to a model.
type Change uint8

// The changes.
const (
	Nothing Change = iota
	NewEvent
	NewRevision
	NewRejected
)

// NewModel returns the model of an archive with these items.
func NewModel(items ...[]byte) *Model {
	m := &Model{map[int64]string{}, map[int64][]string{}, map[string]bool{}, map[string]int64{}}
	m.Add(items...)
	return m
}

// Add adds items in their order.
func (m *Model) Add(items ...[]byte) {
	for _, item := range items {
		m.AddItem(item)
	}
}

var datetime = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d?:\d\d:\d\d [+-]\d\d:\d\d$`)

// AddItem adds an item. If it is an event, AddItem also returns its id.
func (m *Model) AddItem(item []byte) (id int64, event bool, change Change) {
	raw := string(item)
	if id, known := m.ids[raw]; known {
		return id, true, Nothing
	}
	var e struct {
		ID       *int64
		Datetime string
	}
	if err := json.Unmarshal(item, &e); err != nil || e.ID == nil || !datetime.MatchString(e.Datetime) {
		if !m.Rejected[raw] {
			change = NewRejected
		}
		m.Rejected[raw] = true
		return 0, false, change
	}
	id = *e.ID
	m.ids[raw] = id
	first, known := m.Events[id]
	switch {
	case !known:
		m.Events[id] = raw
		return id, true, NewEvent
	case meaning(raw) == meaning(first):
		return id, true, Nothing
	}
	m.Revisions[id] = append(m.Revisions[id], raw)
	return id, true, NewRevision
}

// meaning returns the same text for all JSON texts with the same meaning.
func meaning(raw string) string {
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		panic(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Check checks that an archive has exactly this content, and no problems.
func (m *Model) Check(t testing.TB, s store.Reader) {
	t.Helper()
	got := m.read(t, s)
	if !maps.Equal(m.Events, got.Events) { // cmp.Diff is slow even without a difference
		t.Fatalf("events (-want +got):\n%s", cmp.Diff(m.Events, got.Events))
	}
	if diff := cmp.Diff(m.Revisions, got.Revisions); diff != "" {
		t.Fatalf("revisions (-want +got):\n%s", diff)
	}
}

// CheckCounts checks that the document has the numbers of all stored items, without
// foreign ones, which another program has stored. If known is false, the document
// must not have any numbers.
func CheckCounts(t testing.TB, s store.Reader, known bool, foreign ...[]byte) {
	t.Helper()
	c := Read(t, s)
	if !known || c.Counted == nil {
		if known || c.Counted != nil {
			t.Fatalf("the document has the counts %v, want known: %t", c.Counted, known)
		}
		return
	}
	want := maps.Clone(c.Found)
	for _, item := range foreign {
		n := want[monthOf(item)]
		n.Events--
		want[monthOf(item)] = n
	}
	for month, n := range want {
		if n == (Counts{}) {
			delete(want, month)
		}
	}
	if diff := cmp.Diff(want, c.Counted); diff != "" {
		t.Fatalf("counts (-want +got):\n%s", diff)
	}
}

// monthOf returns the month of an event, such as "2026-01".
func monthOf(item []byte) string {
	var e struct{ Datetime string }
	if err := json.Unmarshal(item, &e); err != nil {
		panic(err)
	}
	return e.Datetime[:7]
}

// CheckAnyOrder is like [Model.Check], but any version of an event may be its
// first one, as if the items had been stored in another order.
func (m *Model) CheckAnyOrder(t testing.TB, s store.Reader) {
	t.Helper()
	want, got := m.versions(), m.read(t, s).versions()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("versions by id (-want +got):\n%s", diff)
	}
}

// read returns the content of an archive that has no problems and the model's
// rejected items.
func (m *Model) read(t testing.TB, s store.Reader) *Model {
	t.Helper()
	c := Read(t, s)
	if len(c.Problems) > 0 {
		t.Fatalf("problems:\n%s", strings.Join(c.Problems, "\n"))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(m.Rejected)), slices.Sorted(maps.Keys(c.Rejected))); diff != "" {
		t.Fatalf("rejected (-want +got):\n%s", diff)
	}
	got := &Model{Events: make(map[int64]string), Revisions: c.Revisions}
	for id, lines := range c.Events {
		got.Events[id] = lines[0]
	}
	return got
}

// versions returns the sorted versions of each event.
func (m *Model) versions() map[int64][]string {
	all := make(map[int64][]string)
	for id, first := range m.Events {
		all[id] = append([]string{first}, m.Revisions[id]...)
		slices.Sort(all[id])
	}
	return all
}
