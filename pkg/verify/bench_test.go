package verify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/verify"
)

// large fills s with an archive of 3000 objects: 85,000 events of 1180 days and
// 2000 revisions. It writes the objects itself, which is faster than a Writer.
func large(b *testing.B, s store.Store) {
	b.Helper()
	const events, revisions, perDay = 85_000, 2000, 72
	first := time.Date(2023, 3, 25, 0, 0, 0, 0, time.UTC)
	contents := make(map[string][]byte)
	add := func(kind archive.Kind, id int, fields ...polisentest.Field) {
		day, n := id/perDay, id%perDay
		at := first.AddDate(0, 0, day).Add(time.Duration(n) * 19 * time.Minute)
		stamp := first.AddDate(0, 0, day+1).Unix()
		if kind == archive.Events && n >= perDay/2 { // two objects a day
			stamp += 43_200
		}
		name := archive.Name{Partition: archive.Partition{Kind: kind, Date: archive.DateOf(at)}, Timestamp: stamp}.String()
		contents[name] = append(append(contents[name], polisentest.Event(int64(id), at, fields...)...), '\n')
	}
	for id := range events {
		add(archive.Events, id)
	}
	for i := range revisions {
		add(archive.Revisions, i*23%events, polisentest.Summary("Uppdaterad text."))
	}
	put := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for name := range put {
				if _, err := s.Put(context.Background(), name, contents[name], store.Always()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for name := range contents {
		put <- name
	}
	close(put)
	wg.Wait()
	r, err := verify.Repair(b.Context(), s, options(), verify.RepairOptions{Writer: writerOptions()})
	if err != nil || !r.OK {
		b.Fatalf("%v: %v", err, r)
	}
	b.Logf("%s", r.Summary())
}

// BenchmarkAudit audits a large archive on a local store.
func BenchmarkAudit(b *testing.B) {
	s, err := dirstore.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	large(b, s)
	o := options()
	o.Concurrency = 32
	b.ReportAllocs()
	for b.Loop() {
		r, err := verify.Audit(b.Context(), s, o)
		if err != nil || !r.OK || r.Checked.Events != 85_000 {
			b.Fatal(err, r)
		}
	}
}

// slow is a store whose reads take 50 ms.
type slow struct{ *memstore.Store }

func (s slow) Get(ctx context.Context, name string) (store.Object, error) {
	time.Sleep(50 * time.Millisecond)
	return s.Store.Get(ctx, name)
}

// BenchmarkAuditSlowStore audits the same archive on a slow store. Ideally the
// time is that of all calls divided by the concurrency.
func BenchmarkAuditSlowStore(b *testing.B) {
	s := memstore.New()
	large(b, s)
	for _, concurrency := range []int{32, 128} {
		b.Run(fmt.Sprint(concurrency), func(b *testing.B) {
			o := options()
			o.Concurrency = concurrency
			var objects int
			for b.Loop() {
				r, err := verify.Audit(b.Context(), slow{s}, o)
				if err != nil || !r.OK {
					b.Fatal(err, r)
				}
				objects = r.Checked.Objects
			}
			calls := float64(objects + 2) // two for the document
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/(calls*0.05/float64(concurrency)), "of-ideal")
		})
	}
}
