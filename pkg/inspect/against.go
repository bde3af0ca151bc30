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

// place is where a run looks for an event that the document cannot tell of.
type place struct {
	date archive.Date
	id   int64
}

// Against holds a response against the document and, where that cannot tell,
// against the partitions of the events' dates, as a run that collects does.
func (v *View) Against(ctx context.Context, r *polisen.Response) (*Comparison, error) {
	doubtful := make(map[place]archive.Versions) // with the versions stored there
	for _, e := range r.Events {
		listed := v.listed(e.ID)
		if listed && len(v.document.Fingerprints[e.ID]) == 0 || !listed && !v.neverSeen(e.ID) {
			doubtful[place{archive.DateOf(e.Time), e.ID}] = nil
		}
	}
	if err := v.lookup(ctx, doubtful); err != nil {
		return nil, err
	}
	unseen, revised, seen := make(map[int64]bool), make(map[int64]bool), make(map[int64]bool)
	for _, e := range r.Events {
		versions, found := doubtful[place{archive.DateOf(e.Time), e.ID}]
		if !found && v.listed(e.ID) {
			versions = v.document.Fingerprints[e.ID]
		}
		switch {
		case len(versions) == 0:
			unseen[e.ID] = true
		case slices.Contains(versions, archive.Fingerprint(e.Raw)):
			seen[e.ID] = true
		default:
			revised[e.ID] = true
		}
	}
	// Each id stands once, as the most that is new of it.
	maps.DeleteFunc(revised, func(id int64, _ bool) bool { return unseen[id] })
	maps.DeleteFunc(seen, func(id int64, _ bool) bool { return unseen[id] || revised[id] })
	return &Comparison{
		Events: len(r.Events), Rejected: len(r.Rejected), LookedUp: len(doubtful),
		Unseen: descending(unseen), Revised: descending(revised), Seen: descending(seen),
	}, nil
}

// lookup fills in the versions that the archive and the last commit hold.
func (v *View) lookup(ctx context.Context, doubtful map[place]archive.Versions) error {
	add := func(n archive.Name, body []byte) {
		for _, text := range archive.Lines(body) {
			line, reason := archive.ParseLine(archive.Events, text)
			at := place{n.Date, line.ID}
			if versions, wanted := doubtful[at]; wanted && reason == "" {
				doubtful[at] = append(versions, line.Fingerprint)
			}
		}
	}
	prefixes := make(map[string]bool)
	for at := range doubtful {
		for _, kind := range []archive.Kind{archive.Events, archive.Revisions} {
			prefixes[archive.Partition{Kind: kind, Date: at.date}.Prefix()] = true
		}
	}
	names, err := v.list(ctx, slices.Collect(maps.Keys(prefixes))...)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(names, ahead) {
		bodies, err := v.getAll(ctx, chunk)
		if err != nil {
			return err
		}
		for i, body := range bodies {
			add(chunk[i], body)
		}
	}
	for _, p := range v.document.Pending { // which may not be put yet
		if n, _ := archive.ParseName(p.Name); n.Kind != archive.Rejected {
			add(n, []byte(p.Content))
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
