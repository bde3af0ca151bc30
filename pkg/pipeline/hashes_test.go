package pipeline

import "testing"

// TestHashes checks that a backfill of any length remembers a bounded number of items.
func TestHashes(t *testing.T) {
	h := hashes{limit: 3}
	for i := range uint64(10) {
		if !h.add(itemHash{i}) || h.add(itemHash{i}) {
			t.Errorf("%d: want a new hash, then a known one", i)
		}
		if len(h.set) > h.limit {
			t.Fatalf("%d hashes, want at most %d", len(h.set), h.limit)
		}
	}
}
