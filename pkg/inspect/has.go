package inspect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

// ahead is how many objects a search reads before it looks whether it is done.
const ahead = 4 * concurrency

// Status says what is known of an id.
type Status string

// The statuses of an id that was looked for.
const (
	Seen    Status = "seen"     // the document lists it
	Stored  Status = "stored"   // it is not listed, but stands in the archive
	NotSeen Status = "not seen" // neither
)

// Found is the answer for one id.
type Found struct {
	ID     int64  `json:"id"`
	Status Status `json:"status"`
	// Object and Line are where a stored id stands; the line counts from one.
	Object string `json:"object,omitempty"`
	Line   int    `json:"line,omitempty"`
	// LookedIn says where it was looked for.
	LookedIn string `json:"looked_in"`
}

// Answers are in the order of the ids that were asked for.
type Answers []Found

// Has looks for ids: in the document's list, and where that cannot tell among
// the events of the archive, newest first, or of one date if it is not nil.
func (v *View) Has(ctx context.Context, ids []int64, date *archive.Date) (Answers, error) {
	answers := make(Answers, len(ids))
	search := make(map[int64]*Found)
	for i, id := range ids {
		a := &answers[i]
		*a = Found{ID: id, Status: NotSeen, LookedIn: "the list"}
		switch {
		case v.listed(id):
			a.Status = Seen
		case v.neverSeen(id):
			a.LookedIn = fmt.Sprintf("the list, which is complete above %d", *v.document.CompleteAbove)
		default:
			search[id] = a // of an id that is given twice, the last
		}
	}
	if len(search) == 0 {
		return answers, nil
	}
	prefix := archive.Events.Prefix()
	if date != nil {
		prefix = archive.Partition{Kind: archive.Events, Date: *date}.Prefix()
	}
	read, err := v.search(ctx, prefix, search)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		a := search[answers[i].ID]
		if a == nil {
			continue
		}
		answers[i] = *a
		answers[i].LookedIn = fmt.Sprintf("the list, and %d objects of %s", read, prefix)
		if v.State != Readable {
			answers[i].LookedIn = fmt.Sprintf("%d objects of %s (the document is %s)", read, prefix, v.State)
		}
	}
	return answers, nil
}

// search fills in where the wanted ids stand, as far as they do, and returns
// how many objects it read.
func (v *View) search(ctx context.Context, prefix string, wanted map[int64]*Found) (int, error) {
	left := maps.Clone(wanted)
	for _, p := range v.document.Pending { // which may not be put yet
		if n, _ := archive.ParseName(p.Name); n.Kind == archive.Events && strings.HasPrefix(p.Name, prefix) {
			locate(p.Name, p.Content, left)
		}
	}
	names, err := v.list(ctx, prefix)
	if err != nil {
		return 0, err
	}
	slices.SortFunc(names, func(a, b archive.Name) int {
		return cmp.Or(b.Date.Compare(a.Date), cmp.Compare(b.Timestamp, a.Timestamp))
	})
	read := 0
	for chunk := range slices.Chunk(names, ahead) {
		if len(left) == 0 {
			break
		}
		bodies, err := v.getAll(ctx, chunk)
		if err != nil {
			return read, err
		}
		for i, body := range bodies {
			locate(chunk[i].String(), body, left)
		}
		read += len(chunk)
	}
	return read, nil
}

// list returns the data objects below the prefix.
func (v *View) list(ctx context.Context, prefix string) (names []archive.Name, err error) {
	for attrs, err := range v.store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		if n, ok := archive.ParseName(attrs.Name); ok {
			names = append(names, n)
		}
	}
	return names, nil
}

// getAll reads objects in parallel. One that a repair deletes meanwhile is nil:
// its lines stand under a later name.
func (v *View) getAll(ctx context.Context, names []archive.Name) ([][]byte, error) {
	bodies := make([][]byte, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, n := range names {
		g.Go(func() error {
			object, err := v.store.Get(ctx, n.String())
			if err != nil && !errors.Is(err, store.ErrNotExist) {
				return fmt.Errorf("read %s: %w", n, err)
			}
			bodies[i] = object.Body
			return nil
		})
	}
	return bodies, g.Wait()
}

// locate looks for ids in an object, and takes those that it finds off left.
func locate(name string, body []byte, left map[int64]*Found) {
	digits := make([][]byte, 0, len(left))
	for id := range left {
		digits = append(digits, strconv.AppendInt(nil, id, 10))
	}
	holdsAny := func(text []byte) bool { // far cheaper than to parse each line
		return slices.ContainsFunc(digits, func(d []byte) bool { return bytes.Contains(text, d) })
	}
	if !holdsAny(body) {
		return
	}
	for number, text := range archive.Lines(body) {
		if !holdsAny(text) {
			continue
		}
		line, reason := archive.ParseLine(archive.Events, text)
		if a := left[line.ID]; a != nil && reason == "" {
			a.Status, a.Object, a.Line = Stored, name, number
			delete(left, line.ID)
		}
	}
}

// Text writes a line for each id.
func (as Answers) Text(w io.Writer) error {
	for _, a := range as {
		where := "looked in " + a.LookedIn
		switch a.Status {
		case Seen:
			where = "in the list"
		case Stored:
			where = fmt.Sprintf("%s line %d", a.Object, a.Line)
		}
		if _, err := fmt.Fprintf(w, "%d %s: %s\n", a.ID, a.Status, where); err != nil {
			return err
		}
	}
	return nil
}

// Err returns nil if every id was found, or an error that wraps ErrNotFound.
func (as Answers) Err() error {
	var missing []string
	for _, a := range as {
		if a.Status == NotSeen {
			missing = append(missing, fmt.Sprintf("id %d (looked in %s)", a.ID, a.LookedIn))
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: %s", ErrNotFound, missing[0])
	}
	return fmt.Errorf("%w: %s and %d more", ErrNotFound, missing[0], len(missing)-1)
}
