package archive

import (
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store/memstore"
)

var benchNow = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// response returns n events, 26 minutes apart. 500 of them cover nine days, like a
// full response.
func response(b *testing.B, n int) []polisen.Event {
	events := make([]polisen.Event, n)
	for i := range events {
		raw := polisentest.Event(int64(600000+i), benchNow.Add(-time.Duration(i)*26*time.Minute))
		event, rejected := polisen.ParseItem(raw)
		if rejected != nil {
			b.Fatal(rejected.Reason)
		}
		events[i] = event
	}
	return events
}

// writer returns a Writer with a full document that lists the ids of these events
// and others.
func writer(b *testing.B, listed []polisen.Event) *Writer {
	w := NewWriter(memstore.New(), Options{RunID: "bench", Now: func() time.Time { return benchNow }, Revisions: true})
	above := int64(0)
	stored := make(map[int64]Versions)
	for _, e := range listed {
		stored[e.ID] = Versions{e.Fingerprint}
	}
	for id := int64(500000); len(stored) < MaxSeen; id++ {
		stored[id] = Versions{"0123456789abcdef"}
	}
	doc := &Document{Version: formatVersion, CompleteAbove: &above, Commit: &Commit{ID: "x", Sequence: 1, Timestamp: 1}}
	new(Document).listIDs(doc, stored, true)
	doc.CompleteAbove = &above
	w.setDocument(doc, "etag")
	w.loaded = true
	return w
}

// BenchmarkDedup compares the ids of a full response with a full document.
func BenchmarkDedup(b *testing.B) {
	events := response(b, 500)
	w := writer(b, events[3:])
	statuses := make([]idStatus, len(events))
	for b.Loop() {
		w.compareIDs(events, statuses)
	}
	if statuses[0] != idNew || statuses[3] != idStored {
		b.Fatalf("statuses %v", statuses[:4])
	}
	b.ReportMetric(float64(b.N)*float64(len(events))/b.Elapsed().Seconds(), "ids/s")
}

// BenchmarkPartition decides on a full response of new events, and groups their
// lines by partition.
func BenchmarkPartition(b *testing.B) {
	p := newBatchChange(Batch{Events: response(b, 500), ObservedAt: benchNow, Current: true})
	w := writer(b, nil)
	for b.Loop() {
		if plan, err := w.decide(b.Context(), p); err != nil || plan.items != 500 {
			b.Fatal(plan.items, err)
		}
	}
}

// BenchmarkEncode builds and encodes the document that commits a full response of
// new events.
func BenchmarkEncode(b *testing.B) {
	p := newBatchChange(Batch{Events: response(b, 500), ObservedAt: benchNow, Current: true})
	w := writer(b, nil)
	plan, err := w.decide(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w.build(plan, p.batch)
		if _, err := plan.next.encode(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadDocument parses the document that commits a full response of new
// events.
func BenchmarkReadDocument(b *testing.B) {
	p := newBatchChange(Batch{Events: response(b, 500), ObservedAt: benchNow, Current: true})
	w := writer(b, nil)
	plan, err := w.decide(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	w.build(plan, p.batch)
	body, err := plan.next.encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := ParseDocument(body); err != nil {
			b.Fatal(err)
		}
	}
}
