package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// TestCompareUnreadable checks that an event which a run could not decide on is listed.
func TestCompareUnreadable(t *testing.T) {
	const name = "events/2026/01/02/events-1700000000.jsonl"
	s := memstore.New()
	near, far := archivetest.Event(1, 2, "near"), archivetest.Event(2, 9, "far")
	storetest.MustPut(t, s, name, string(near.Raw)+"\n")
	c, err := status.Compare(t.Context(), storetest.NewUnreadable(s, name, store.ErrDamaged), &polisen.Response{
		Events: []polisen.Event{near, far}, FetchedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Waiting, []int64{1}) || !slices.Equal(c.New, []int64{2}) {
		t.Errorf("%+v, want 1 to wait and 2 to be new", c)
	}
	var text strings.Builder
	if err := c.Text(&text); err != nil || !strings.Contains(text.String(), "waiting, since an object cannot be read: 1\n") {
		t.Errorf("%v, %q", err, text.String())
	}
}
