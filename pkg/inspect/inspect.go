// Package inspect looks into an archive for an operator: what the metadata
// document says, whether an id has been seen and where it is stored, and what
// of a response would be new. Its answers are values, with a text and a JSON
// form.
//
// It calls nothing of a store but what reads, and keeps no clock. Whether the
// archive is as it should be is the verify package's business.
package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

// ErrNotFound is wrapped by errors that say that what was asked for is not
// there, after it was looked for.
var ErrNotFound = errors.New("not found")

// concurrency bounds the calls to the store that are under way at a time.
const concurrency = 16

// State is what there is of the document.
type State string

// The states of a document.
const (
	Readable State = "readable"
	Missing  State = "missing"
	Damaged  State = "damaged"
)

// View is an archive as it was when its document was read.
type View struct {
	store store.Reader
	name  string
	// State says whether the document could be read; Damage why not.
	State  State
	Damage string
	// Raw is the document as it stands, nil if there is none.
	Raw []byte
	// document is empty, and so tells nothing, unless it is readable.
	document archive.Document
}

// Open reads the document of the archive in the store of this name. A missing
// or damaged one is a State. Errors are the store's, or archive.ErrNewerFormat.
func Open(ctx context.Context, s store.Reader, name string) (*View, error) {
	v := &View{store: s, name: name, State: Readable}
	object, err := s.Get(ctx, archive.DocumentName)
	if errors.Is(err, store.ErrNotExist) {
		v.State = Missing
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", archive.DocumentName, err)
	}
	v.Raw = object.Body
	doc, err := archive.ParseDocument(object.Body)
	switch {
	case errors.Is(err, archive.ErrNewerFormat):
		return nil, err
	case err != nil:
		v.State, v.Damage = Damaged, err.Error()
	default:
		v.document = *doc
	}
	return v, nil
}

// Err returns nil, or an error that wraps ErrNotFound and says what comes of a
// document that is missing or damaged.
func (v *View) Err() error {
	switch v.State {
	case Missing:
		return fmt.Errorf("%w: no document yet: there is no %s in %s; the first collect makes it", ErrNotFound, archive.DocumentName, v.name)
	case Damaged:
		return fmt.Errorf("%w: no readable document: %s; the next collect keeps it aside and rebuilds it", ErrNotFound, v.Damage)
	}
	return nil
}

// IDs returns the listed ids, descending; never nil.
func (v *View) IDs() []int64 { return append([]int64{}, v.document.SeenIDs...) }

// listed reports whether the document lists the id.
func (v *View) listed(id int64) bool {
	_, ok := slices.BinarySearchFunc(v.document.SeenIDs, id, func(a, b int64) int { return cmp.Compare(b, a) })
	return ok
}

// neverSeen reports whether the document alone tells that the id, which it does
// not list, is stored nowhere.
func (v *View) neverSeen(id int64) bool {
	return v.document.CompleteAbove != nil && id > *v.document.CompleteAbove
}
