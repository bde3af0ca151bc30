package archivetest

import (
	"bytes"
	"slices"
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/storetest"
)

// Scenario is a state of an archive, and the response that a run then stores.
type Scenario struct {
	Name string
	// Earlier are the items that a run has stored; nil if no run came before.
	Earlier [][]byte
	// Change, if not nil, changes the archive after that run, and Changed are
	// the items that it stores.
	Change  func(t *testing.T, s store.Store)
	Changed [][]byte
	// Uncounted says that the document does not have the numbers of stored items
	// after the change.
	Uncounted bool
	// Items are the items of the response.
	Items [][]byte
}

// Model returns the content that the archive must have after the run.
func (sc Scenario) Model() *Model {
	return NewModel(slices.Concat(sc.Earlier, sc.Changed, sc.Items)...)
}

// LongList returns items with the ids 1 to 1200, of which a document lists 201 to
// 1200. The ids up to 200 then need a lookup. The first 150 are of three days.
func LongList() [][]byte {
	items := Items(1, 1200, 0)
	for i := range 150 {
		items[i] = Item(int64(i+1), i%3, "first")
	}
	return items
}

// Scenarios returns the scenarios that every part of the program has to pass. The
// wide window has events of wideDays days.
func Scenarios(wideDays int) []Scenario {
	few := Items(1, 5, 0)
	again := append(Items(3, 6, 0), Item(4, 0, "second"))
	var wide [][]byte
	for day := range wideDays {
		wide = append(wide, Item(int64(5000+day), day, "first"))
	}
	python := []byte(`{"id": 7, "datetime": "2026-01-01 9:08:07 +01:00", "summary": "first", "type": "Rån"}`)
	return []Scenario{
		{Name: "first run", Items: append(Items(1, 4, 0), Items(5, 2, 1)...)},
		{Name: "ordinary run", Earlier: few, Items: [][]byte{
			Item(11, 0, "first"), Item(3, 0, "second"), Item(12, 1, "first"), Item(12, 1, "second"),
		}},
		{Name: "ids below the list", Earlier: LongList(), Items: [][]byte{
			Item(1300, 2, "first"), Item(1, 0, "first"), Item(2, 1, "second"), Item(-4, 1, "first"),
		}},
		{Name: "wide window", Earlier: few, Items: wide},
		{Name: "lost document", Uncounted: true, Earlier: few, Items: again, Change: func(t *testing.T, s store.Store) {
			storetest.MustDelete(t, s, documentName)
		}},
		{Name: "damaged document", Uncounted: true, Earlier: few, Items: again, Change: func(t *testing.T, s store.Store) {
			storetest.MustPut(t, s, documentName, `{"seen_ids": [5, 4`)
		}},
		{
			Name: "another program's document", Uncounted: true, Changed: [][]byte{python},
			Change: func(t *testing.T, s store.Store) {
				storetest.MustPut(t, s, "events/2026/01/01/events-1700000000.jsonl", string(python)+"\n")
				// The other program lists id 9, but has not stored it.
				storetest.MustPut(t, s, documentName, `{"seen_ids": [9, 7], "last_updated": "2026-01-01T10:00:00Z", "total_tracked": 2}`)
			},
			Items: [][]byte{bytes.ReplaceAll(python, []byte("å"), []byte(`\u00e5`)), Item(9, 0, "first"), Item(10, 0, "first")},
		},
	}
}
