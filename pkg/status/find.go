package status

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

// chunkSize is the number of objects that a search reads between two checks
// whether all ids are found.
const chunkSize = 4 * concurrency

// IDStatus says whether an id is in the archive.
type IDStatus string

// The statuses of an id.
const (
	Listed   IDStatus = "listed"    // in seen_ids of the document
	Stored   IDStatus = "stored"    // in an object, but not listed
	NotFound IDStatus = "not found" // neither
)

// Found is the result for one id.
type Found struct {
	ID     int64    `json:"id"`
	Status IDStatus `json:"status"`
	// Object and Line are the position of an id that was found in an object. Lines
	// count from one.
	Object string `json:"object,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Searched says where Find looked for the id.
	Searched string `json:"searched"`
}

// FindResult is the result of [Document.Find], in the order of its ids.
type FindResult []Found

// Find looks for ids: first in the document's list, and then, newest first, in
// the objects under events/. It does not search the objects for an id that is
// missing from a list which would have it. If date is not nil, it searches only
// the objects of that day, since the list has no dates. The error is the store's.
func (d *Document) Find(ctx context.Context, ids []int64, date *archive.Date) (FindResult, error) {
	result := make(FindResult, len(ids))
	wanted := make(map[int64]*Found)
	for i, id := range ids {
		f := &result[i]
		*f = Found{ID: id, Status: NotFound, Searched: "seen_ids"}
		switch {
		case date != nil:
			wanted[id] = f
		case d.parsed.Lists(id):
			f.Status = Listed
		case d.provesMissing(id):
			f.Searched = fmt.Sprintf("seen_ids, which lists every stored id above %d", *d.parsed.CompleteAbove)
		default:
			wanted[id] = f // the last one, if ids contains an id several times
		}
	}
	if len(wanted) == 0 {
		return result, nil
	}
	prefix := archive.Events.Prefix()
	if date != nil {
		prefix = archive.Partition{Kind: archive.Events, Date: *date}.Prefix()
	}
	read, err := d.search(ctx, prefix, wanted)
	if err != nil {
		return nil, err
	}
	searched := fmt.Sprintf("%s of %s", text.Count(read, "object"), prefix)
	switch {
	case d.State != Readable:
		searched += fmt.Sprintf("; the document is %s", d.State)
	case date == nil:
		searched = "seen_ids and " + searched
	}
	for i := range result {
		if f := wanted[result[i].ID]; f != nil {
			result[i] = *f
			result[i].Searched = searched
		}
	}
	return result, nil
}

// search fills in the positions of the wanted ids and returns the number of
// objects that it read.
func (d *Document) search(ctx context.Context, prefix string, wanted map[int64]*Found) (int, error) {
	left := maps.Clone(wanted)
	for _, p := range d.parsed.Pending { // a pending object may not be stored yet
		if n, _ := archive.ParseName(p.Name); n.Kind == archive.Events && strings.HasPrefix(p.Name, prefix) {
			locate(p.Name, p.Content, left)
		}
	}
	objects, err := d.list(ctx, prefix)
	if err != nil {
		return 0, err
	}
	read := 0
	for chunk := range slices.Chunk(objects, chunkSize) {
		if len(left) == 0 {
			break
		}
		contents, err := archive.ReadAll(ctx, d.store, chunk)
		if err != nil {
			return read, fmt.Errorf("search %s: %w", prefix, err)
		}
		for i, content := range contents {
			locate(chunk[i].Name, content, left)
		}
		read += len(chunk)
	}
	return read, nil
}

// list returns the data objects with the prefix, newest first.
func (d *Document) list(ctx context.Context, prefix string) ([]store.Attrs, error) {
	type object struct {
		name  archive.Name
		attrs store.Attrs
	}
	var objects []object
	for attrs, err := range d.store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		if n, ok := archive.ParseName(attrs.Name); ok {
			objects = append(objects, object{n, attrs})
		}
	}
	slices.SortFunc(objects, func(a, b object) int {
		return cmp.Or(b.name.Date.Compare(a.name.Date), cmp.Compare(b.name.Timestamp, a.name.Timestamp))
	})
	all := make([]store.Attrs, len(objects))
	for i, o := range objects {
		all[i] = o.attrs
	}
	return all, nil
}

// locate looks for the ids of left in an object, fills in their positions and
// deletes them from left.
func locate(name string, content []byte, left map[int64]*Found) {
	digits := make([][]byte, 0, len(left))
	for id := range left {
		digits = append(digits, strconv.AppendInt(nil, id, 10))
	}
	mayHold := func(b []byte) bool { // much cheaper than parsing
		return slices.ContainsFunc(digits, func(d []byte) bool { return bytes.Contains(b, d) })
	}
	if !mayHold(content) {
		return
	}
	for number, raw := range archive.Lines(content) {
		if !mayHold(raw) {
			continue
		}
		line, reason := archive.ParseLine(archive.Events, raw)
		if f := left[line.ID]; f != nil && reason == "" {
			f.Status, f.Object, f.Line = Stored, name, number
			delete(left, line.ID)
		}
	}
}

// Text writes one line per id.
func (r FindResult) Text(w io.Writer) error {
	for _, f := range r {
		detail := "searched " + f.Searched
		switch f.Status {
		case Listed:
			detail = "in seen_ids"
		case Stored:
			detail = fmt.Sprintf("%s line %d", f.Object, f.Line)
		}
		if _, err := fmt.Fprintf(w, "%d %s: %s\n", f.ID, f.Status, detail); err != nil {
			return err
		}
	}
	return nil
}

// Err returns nil if all ids were found, and otherwise an error that wraps
// [ErrNotFound].
func (r FindResult) Err() error {
	var missing []string
	for _, f := range r {
		if f.Status == NotFound {
			missing = append(missing, fmt.Sprintf("id %d (searched %s)", f.ID, f.Searched))
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
