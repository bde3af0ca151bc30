package inspect

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
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
	// LookedUp counts the ids for which the archive itself was consulted.
	LookedUp int `json:"looked_up"`
}

// Against holds a response against the document, and against the partitions of
// the events' dates where that cannot tell.
func (v *View) Against(ctx context.Context, r *polisen.Response) (*Comparison, error) {
	stored, doubtful := make(map[int64]archive.Versions), make(map[int64]bool)
	dates := make(map[archive.Date]bool)
	for _, e := range r.Events {
		known := v.document.Fingerprints[e.ID]
		switch {
		case v.listed(e.ID) && len(known) > 0:
			stored[e.ID] = known
		case !v.listed(e.ID) && v.neverSeen(e.ID):
		default:
			doubtful[e.ID], dates[archive.DateOf(e.Time)] = true, true
		}
	}
	if err := v.lookup(ctx, dates, doubtful, stored); err != nil {
		return nil, err
	}
	unseen, revised, seen := make(map[int64]bool), make(map[int64]bool), make(map[int64]bool)
	for _, e := range r.Events {
		versions := stored[e.ID]
		switch {
		case len(versions) == 0 && !v.listed(e.ID):
			unseen[e.ID] = true
		case len(versions) == 0, slices.Contains(versions, archive.Fingerprint(e.Raw)):
			seen[e.ID] = true // a listed id without a known version counts as it is
		default:
			revised[e.ID] = true
		}
	}
	maps.DeleteFunc(seen, func(id int64, _ bool) bool { return revised[id] }) // shown in two versions
	return &Comparison{
		Events: len(r.Events), Rejected: len(r.Rejected), LookedUp: len(doubtful),
		Unseen: descending(unseen), Revised: descending(revised), Seen: descending(seen),
	}, nil
}

// lookup adds to stored the versions of the doubtful ids that the partitions of
// these dates and the last commit hold.
func (v *View) lookup(ctx context.Context, dates map[archive.Date]bool, doubtful map[int64]bool, stored map[int64]archive.Versions) error {
	add := func(body []byte) {
		for _, text := range archive.Lines(body) {
			if line, reason := archive.ParseLine(archive.Events, text); reason == "" && doubtful[line.ID] {
				stored[line.ID] = append(stored[line.ID], line.Fingerprint)
			}
		}
	}
	var names []archive.Name
	for date := range dates {
		for _, kind := range []archive.Kind{archive.Events, archive.Revisions} {
			prefix := archive.Partition{Kind: kind, Date: date}.Prefix()
			for attrs, err := range v.store.List(ctx, prefix) {
				if err != nil {
					return fmt.Errorf("list %s: %w", prefix, err)
				}
				if n, ok := archive.ParseName(attrs.Name); ok {
					names = append(names, n)
				}
			}
		}
	}
	for chunk := range slices.Chunk(names, ahead) {
		bodies, err := v.getAll(ctx, chunk)
		if err != nil {
			return err
		}
		for _, body := range bodies {
			add(body)
		}
	}
	for _, p := range v.document.Pending {
		if n, _ := archive.ParseName(p.Name); n.Kind != archive.Rejected {
			add([]byte(p.Content))
		}
	}
	return nil
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
