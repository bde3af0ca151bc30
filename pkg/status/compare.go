package status

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
	"polisen-events-collector/pkg/text"
)

// Comparison says which events of a response a run would store. Each id is in
// one list; the lists are in descending order.
type Comparison struct {
	Events   int `json:"events"`
	Rejected int `json:"rejected"`
	// New are the ids that are not in the archive, Revised those that are stored
	// only in other versions, AlreadySeen those that are stored in this version. Waiting
	// are those of which a run could not tell, because an object cannot be read.
	New         []int64 `json:"new"`
	Revised     []int64 `json:"revised"`
	AlreadySeen []int64 `json:"already_seen"`
	Waiting     []int64 `json:"waiting"`
	// LookedUp is the number of events that were looked up in the archive.
	LookedUp int `json:"looked_up"`
}

// Compare finds out which events of a response a run would store. It decides by
// the same code as a run, and writes nothing. The error is that of
// [archive.Writer.Add].
func Compare(ctx context.Context, s store.Store, r *polisen.Response) (*Comparison, error) {
	w := archive.NewWriter(s, archive.Options{
		RunID: "compare", Now: func() time.Time { return r.FetchedAt }, Revisions: true, DryRun: true,
	})
	outcome, err := w.Add(ctx, archive.Batch{Events: r.Events, ObservedAt: r.FetchedAt, Current: true})
	if err != nil {
		return nil, err
	}
	sets := map[archive.Class]map[int64]bool{archive.New: {}, archive.Revised: {}, archive.Seen: {}, archive.Waiting: {}}
	for i, class := range outcome.Classes {
		if set := sets[class]; set != nil {
			set[r.Events[i].ID] = true
		}
	}
	// An id that the response contains in several versions may be in several sets.
	unseen, revised, seen, waiting := sets[archive.New], sets[archive.Revised], sets[archive.Seen], sets[archive.Waiting]
	maps.DeleteFunc(revised, func(id int64, _ bool) bool { return unseen[id] })
	maps.DeleteFunc(seen, func(id int64, _ bool) bool { return unseen[id] || revised[id] })
	maps.DeleteFunc(waiting, func(id int64, _ bool) bool { return unseen[id] || revised[id] || seen[id] })
	return &Comparison{
		Events: len(r.Events), Rejected: len(r.Rejected), LookedUp: outcome.LookedUp,
		New: descending(unseen), Revised: descending(revised), AlreadySeen: descending(seen), Waiting: descending(waiting),
	}, nil
}

// descending returns the ids of a set in descending order. It never returns nil.
func descending(set map[int64]bool) []int64 {
	ids := slices.AppendSeq([]int64{}, maps.Keys(set))
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

// Text writes a line of counts, and one line each for the ids that are new, revised or
// waiting.
func (c *Comparison) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s, %s rejected: %s new, %s revised, %s already seen\n", text.Count(c.Events, "event"),
		text.Number(c.Rejected), text.Number(len(c.New)), text.Number(len(c.Revised)), text.Number(len(c.AlreadySeen)))
	for _, list := range []struct {
		name string
		ids  []int64
	}{{"new", c.New}, {"revised", c.Revised}, {"waiting, since an object cannot be read", c.Waiting}} {
		if err == nil && len(list.ids) > 0 {
			_, err = fmt.Fprintf(w, "%s: %s\n", list.name, strings.Trim(fmt.Sprint(list.ids), "[]"))
		}
	}
	return err
}
