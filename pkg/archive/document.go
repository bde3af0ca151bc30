package archive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/store"
)

const (
	// MaxSeen is the most ids that a document lists.
	MaxSeen = 1000
	// maxRejected is the most hashes of rejected items that a document lists.
	maxRejected = 1000
	// formatVersion is the version of the document that this program writes.
	formatVersion = 1
	// settle is how long after a commit a run that read the document before it
	// may still put objects: more than any run's time between two steps.
	settle = 10 * time.Minute
)

// Document is the metadata document: what the archive has seen, and the redo
// log of its last commit. The first three fields are the published format;
// all others may be missing in a document that another program wrote.
type Document struct {
	// SeenIDs are ids that are stored: unique, descending, at most MaxSeen.
	SeenIDs []int64 `json:"seen_ids"`
	// LastUpdated is the time of the commit, in UTC.
	LastUpdated time.Time `json:"last_updated"`
	// TotalTracked is the length of SeenIDs.
	TotalTracked int `json:"total_tracked"`

	// Version is the format's; zero in a document of the published format.
	Version int `json:"version,omitempty"`
	// Commit says which run wrote the document.
	Commit *Commit `json:"commit,omitempty"`
	// CompleteAbove bounds what the list cannot tell: an id above it that is
	// not listed was never seen. Nil means that any unlisted id may be stored.
	CompleteAbove *int64 `json:"complete_above,omitempty"`
	// Pending are the objects of the last commit, whole.
	Pending []Pending `json:"pending,omitempty"`
	// Fingerprints are the stored versions of listed ids, first version first.
	// A listed id may lack them.
	Fingerprints map[int64]Versions `json:"fingerprints,omitempty"`
	// Rejected says which rejected items are stored.
	Rejected *RejectedItems `json:"rejected,omitempty"`
	// Superseded are objects whose lines stand elsewhere since a repair. They
	// are deleted, or to be deleted before any other repair decides what is
	// double: without the list two repairs might each rely on the copy that
	// the other deletes. Every commit hands it on.
	Superseded []Superseded `json:"superseded,omitempty"`
}

// Commit identifies one commit.
type Commit struct {
	// ID is that of the run.
	ID string `json:"id"`
	// Sequence counts the archive's commits.
	Sequence int64 `json:"sequence"`
	// Timestamp is in the names of the commit's objects: Unix seconds, higher
	// than that of any earlier commit, and so perhaps ahead of the clock.
	Timestamp int64 `json:"timestamp"`
	// OldestActive is the timestamp of the oldest commit whose objects a run may still
	// have been putting at the time of this one.
	OldestActive int64 `json:"oldest_active,omitempty"`
}

// Superseded is one state of an object that may be deleted.
type Superseded struct {
	Name string     `json:"name"`
	ETag store.ETag `json:"etag"`
}

// RejectedItems are the fingerprints of stored rejected items.
type RejectedItems struct {
	// Complete says that no stored item is missing from Hashes.
	Complete bool `json:"complete"`
	// Hashes are the items' fingerprints, the most recently observed first.
	Hashes []string `json:"hashes"`
}

// Versions are the fingerprints of an event's stored versions, the first
// version first. Their JSON form is one string, divided by spaces.
type Versions []string

// MarshalText implements encoding.TextMarshaler.
func (v Versions) MarshalText() ([]byte, error) { return []byte(strings.Join(v, " ")), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Versions) UnmarshalText(text []byte) error {
	*v = strings.Fields(string(text))
	return nil
}

// ParseDocument reads a document, of this program's format or the plain
// published one. ErrNewerFormat if only a later version of this program can
// read it; any other error means that it is damaged.
func ParseDocument(body []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("read %s: %w", DocumentName, err)
	}
	if d.Version > formatVersion {
		return nil, fmt.Errorf("read %s: %w: version %d, this program knows %d; use a later release",
			DocumentName, ErrNewerFormat, d.Version, formatVersion)
	}
	if d.SeenIDs == nil {
		return nil, fmt.Errorf("read %s: it has no seen_ids", DocumentName)
	}
	for _, p := range d.Pending {
		if n, ok := ParseName(p.Name); !ok || n.String() != p.Name {
			return nil, fmt.Errorf("read %s: pending object %.80q is not a data object", DocumentName, p.Name)
		}
	}
	for _, p := range d.Superseded {
		if _, ok := ParseName(p.Name); !ok {
			return nil, fmt.Errorf("read %s: superseded object %.80q is not a data object", DocumentName, p.Name)
		}
	}
	slices.SortFunc(d.SeenIDs, descending)
	d.SeenIDs = slices.Compact(d.SeenIDs)
	d.TotalTracked = len(d.SeenIDs)
	return &d, nil
}

// encode returns the document's JSON text, on one line.
func (d *Document) encode() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(d.sizeHint())
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // keeps pending content readable
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("encode %s: %w", DocumentName, err)
	}
	return b.Bytes(), nil
}

// sizeHint is about the size of the encoded document, or a little more.
func (d *Document) sizeHint() int {
	size := 64 << 10 // a full list
	for _, p := range d.Pending {
		size += len(p.Content) * 5 / 4 // for the escapes
	}
	return size
}

// published reports whether d has the plain published format, or none.
func (d *Document) published() bool { return d.Version == 0 }

func (d *Document) sequence() int64 {
	if d.Commit == nil {
		return 0
	}
	return d.Commit.Sequence
}

func (d *Document) timestamp() int64 {
	if d.Commit == nil {
		return 0
	}
	return d.Commit.Timestamp
}

// unsettled returns the timestamp of the oldest commit whose objects a run may
// still be putting: one that read a document which has been replaced meanwhile
// may go on to heal or to flush by it.
func (d *Document) unsettled(now time.Time) int64 {
	if now.Sub(d.LastUpdated) > settle {
		return d.timestamp() // only this commit's own, which any run may heal
	}
	return d.Commit.OldestActive
}

// MayStillBeWritten reports whether a run that works at this time may yet put the
// object, so that to delete it would be of no avail.
func (d *Document) MayStillBeWritten(n Name, now time.Time) bool {
	return d.Commit != nil && d.unsettled(now) <= n.Timestamp && n.Timestamp <= d.Commit.Timestamp
}

// track builds the list of the next document from d's and from the stored ids
// that a batch showed. With first, the shown ids are kept before all others:
// they will be shown again. Otherwise the highest ids are kept.
func (d *Document) track(next *Document, shown map[int64]Versions, first bool) {
	ids := slices.Collect(maps.Keys(shown))
	if first {
		slices.SortFunc(ids, descending)
	}
	for _, id := range d.SeenIDs { // descending, too
		if _, ok := shown[id]; !ok {
			ids = append(ids, id)
		}
	}
	if !first {
		slices.SortFunc(ids, descending)
	}
	kept := min(len(ids), MaxSeen)
	next.CompleteAbove = d.CompleteAbove
	if dropped := ids[kept:]; len(dropped) > 0 && d.CompleteAbove != nil {
		above := max(*d.CompleteAbove, slices.Max(dropped))
		next.CompleteAbove = &above
	}
	next.SeenIDs = append([]int64{}, ids[:kept]...) // an empty list, not null
	slices.SortFunc(next.SeenIDs, descending)
	next.TotalTracked = kept
	next.Fingerprints = make(map[int64]Versions, kept)
	for _, id := range next.SeenIDs {
		v, ok := shown[id]
		if !ok {
			v = d.Fingerprints[id]
		}
		if len(v) > 0 {
			next.Fingerprints[id] = v
		}
	}
}

// trackRejected lists stored rejected items in the next document: hashes are
// their fingerprints, those to keep first; complete says whether they are all.
func trackRejected(next *Document, hashes []string, complete bool) {
	kept := min(len(hashes), maxRejected)
	if complete || kept > 0 {
		next.Rejected = &RejectedItems{Complete: complete && kept == len(hashes), Hashes: hashes[:kept]}
	}
}

func descending(a, b int64) int { return cmp.Compare(b, a) }
