package inspect

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
)

// Comparison is a response held against the archive. Each id stands once, in
// descending order.
type Comparison struct {
	Events   int `json:"events"`
	Rejected int `json:"rejected"`
	// Unseen are not in the archive, Revised are there in other versions only,
	// Seen in this one.
	Unseen  []int64 `json:"unseen"`
	Revised []int64 `json:"revised"`
	Seen    []int64 `json:"seen"`
	// LookedUp counts the events for which the archive itself was consulted.
	LookedUp int `json:"looked_up"`
}

// Against says what a run that collects would store of a response: it is such a
// run without its writes.
func (v *View) Against(ctx context.Context, r *polisen.Response) (*Comparison, error) {
	w := archive.NewWriter(readOnly{v.store, v.name}, archive.Options{
		RunID: "inspect", Now: func() time.Time { return r.FetchedAt }, Revisions: true, DryRun: true,
	})
	outcome, err := w.Add(ctx, archive.Batch{Events: r.Events, ObservedAt: r.FetchedAt, Current: true})
	if err != nil {
		return nil, err
	}
	unseen, revised, seen := make(map[int64]bool), make(map[int64]bool), make(map[int64]bool)
	sets := map[archive.Class]map[int64]bool{archive.New: unseen, archive.Revised: revised, archive.Seen: seen}
	for i, class := range outcome.Classes {
		if set := sets[class]; set != nil {
			set[r.Events[i].ID] = true
		}
	}
	// Each id stands once, as the most that is new of it.
	maps.DeleteFunc(revised, func(id int64, _ bool) bool { return unseen[id] })
	maps.DeleteFunc(seen, func(id int64, _ bool) bool { return unseen[id] || revised[id] })
	return &Comparison{
		Events: len(r.Events), Rejected: len(r.Rejected), LookedUp: outcome.LookedUp,
		Unseen: descending(unseen), Revised: descending(revised), Seen: descending(seen),
	}, nil
}

// readOnly is a store for a dry run, which only reads.
type readOnly struct {
	store.Reader
	name string
}

func (r readOnly) String() string { return r.name }

func (r readOnly) Put(context.Context, string, []byte, store.Cond) (store.ETag, error) {
	return "", fmt.Errorf("put into %s: %w: it is only read", r.name, store.ErrInvalid)
}

func (r readOnly) Delete(context.Context, string, store.ETag) error {
	return fmt.Errorf("delete from %s: %w: it is only read", r.name, store.ErrInvalid)
}

// descending returns the ids of a set; never nil.
func descending(set map[int64]bool) []int64 {
	ids := slices.AppendSeq([]int64{}, maps.Keys(set))
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

// Text writes the counts, and the ids that a run would store.
func (c *Comparison) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d events, %d rejected: %d unseen, %d revised, %d seen\n",
		c.Events, c.Rejected, len(c.Unseen), len(c.Revised), len(c.Seen))
	for _, list := range []struct {
		name string
		ids  []int64
	}{{"unseen", c.Unseen}, {"revised", c.Revised}} {
		if err == nil && len(list.ids) > 0 {
			_, err = fmt.Fprintf(w, "%s: %s\n", list.name, strings.Trim(fmt.Sprint(list.ids), "[]"))
		}
	}
	return err
}
