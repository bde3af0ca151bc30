package archive

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
)

// TestIndexIsBounded stores more events than an index holds, the latest first, so that
// each batch needs a lookup.
func TestIndexIsBounded(t *testing.T) {
	const each = 2000
	const total = maxIndexed/each*each + 10*each
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	w := NewWriter(memstore.New(), Options{
		RunID: "run", Now: func() time.Time { return at }, Stage: func(string) func() { return func() {} },
		Warn: func(_ slog.Level, text string) { t.Error(text) }, Revisions: true,
	})
	stored, most := 0, 0
	for id := total; id > 0; id -= each {
		var b Batch
		b.ObservedAt = at
		for i := range each {
			time := at.Add(time.Duration(id-i) * 20 * time.Second).Format("2006-01-02 15:04:05 Z07:00")
			e, rejected := polisen.ParseItem(fmt.Appendf(nil, `{"id":%d,"datetime":%q}`, id-i, time))
			if rejected != nil {
				t.Fatal(rejected.Reason)
			}
			b.Events = append(b.Events, e)
		}
		out, err := w.Add(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		stored += out.New
		most = max(most, len(w.index.versions))
	}
	if stored != total {
		t.Errorf("%d events are stored, want %d", stored, total)
	}
	if most > maxIndexed+4*each {
		t.Errorf("the index held %d events, at most %d are allowed", most, maxIndexed)
	}
}
