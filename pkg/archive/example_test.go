package archive_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
)

// A Writer stores each event once, however often a batch contains it.
func ExampleWriter() {
	ctx := context.Background()
	event, rejected := polisen.ParseItem([]byte(
		`{"id": 1, "datetime": "2026-01-31 23:59:00 +01:00", "name": "31 januari 23.59, Brand, Lund"}`))
	if rejected != nil {
		log.Fatal(rejected.Reason)
	}
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	batch := archive.Batch{Events: []polisen.Event{event}, ObservedAt: now, Current: true}

	s := memstore.New()
	for _, runID := range []string{"run-1", "run-2"} {
		w := archive.NewWriter(s, archive.Options{RunID: runID, Now: func() time.Time { return now }})
		outcome, err := w.Add(ctx, batch) // commits
		if err == nil {
			err = w.Flush(ctx) // puts the objects of the commit
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d new, %d seen\n", runID, outcome.New, outcome.Seen)
		for _, o := range outcome.Objects {
			fmt.Println(o.Name)
		}
	}
	// Output:
	// run-1: 1 new, 0 seen
	// events/2026/01/31/events-1769947200.jsonl
	// run-2: 0 new, 1 seen
}
