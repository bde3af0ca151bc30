package dirstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"polisen-events-collector/pkg/store"
)

// BenchmarkPutAbsent creates small objects in 30 folders, like a commit of a
// long backfill, with one writer and with 16 concurrent writers.
func BenchmarkPutAbsent(b *testing.B) {
	body := make([]byte, 2000)
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, b.TempDir())
			var next atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						name := fmt.Sprintf("events/2026/01/%02d/events-%d.jsonl", i%30, i)
						if _, err := s.Put(b.Context(), name, body, store.IfAbsent()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkPutMatch replaces one object with IfMatch, like a commit.
func BenchmarkPutMatch(b *testing.B) {
	s, body := open(b, b.TempDir()), make([]byte, 20_000)
	etag, err := s.Put(b.Context(), "metadata/last_seen.json", body, store.IfAbsent())
	for i := 0; b.Loop() && err == nil; i++ {
		body[i%len(body)]++
		etag, err = s.Put(b.Context(), "metadata/last_seen.json", body, store.IfMatch(etag))
	}
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkListDay lists one day of an archive of 1200 days with two objects each.
func BenchmarkListDay(b *testing.B) {
	s := open(b, b.TempDir())
	for day := range 1200 {
		for i := range 2 {
			name := fmt.Sprintf("events/%d/%02d/%02d/events-%d.jsonl", 2023+day/360, 1+day/30%12, 1+day%30, i)
			if _, err := s.Put(b.Context(), name, nil, store.IfAbsent()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range s.List(b.Context(), "events/2024/05/06/") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 2 {
			b.Fatalf("%d objects", n)
		}
	}
}
