package archive_test

import (
	"slices"
	"testing"

	"polisen-events-collector/pkg/archive"
)

// TestRepeatedIDs checks that a document of another program may list an id several
// times, in any order, and that the parsed one lists and counts it once.
func TestRepeatedIDs(t *testing.T) {
	d, err := archive.ParseDocument([]byte(`{"seen_ids":[2,3,2,1,3],"last_updated":"2026-01-02T00:00:00Z","total_tracked":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.SeenIDs, []int64{3, 2, 1}) || d.TotalTracked != 3 {
		t.Errorf("ids %v, total_tracked %d; want each id once, in descending order", d.SeenIDs, d.TotalTracked)
	}
}
