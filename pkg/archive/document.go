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
)

const (
	// MaxSeen is the maximum number of ids that a document lists. The published
	// format has this limit, which is twice the size of a full response.
	MaxSeen = 1000
	// maxRejected is the maximum number of rejected items that a document lists,
	// so that the document stays small.
	maxRejected = 1000
	// formatVersion is the version of the documents that this program writes.
	// Releases that know only version 1 refuse them, because they would drop the
	// gaps, the counts and covered_until.
	formatVersion = 2
)

// Document is the metadata document. It lists what the archive holds, and
// contains the redo log of the last commit. Its first three fields are the
// published format. A document that another program wrote may lack all others.
type Document struct {
	// SeenIDs are ids of stored events: unique, in descending order, at most
	// MaxSeen.
	SeenIDs []int64 `json:"seen_ids"`
	// LastUpdated is the time of the commit, in UTC.
	LastUpdated time.Time `json:"last_updated"`
	// TotalTracked is the length of SeenIDs.
	TotalTracked int `json:"total_tracked"`

	// Version is the version of the format, and 0 in the published format.
	Version int `json:"version,omitempty"`
	// Commit identifies the commit that wrote the document.
	Commit *Commit `json:"commit,omitempty"`
	// CompleteAbove is the id above which SeenIDs is complete: an event with a
	// higher id that is not listed was never seen. If it is nil, any event that is
	// not listed may be stored.
	CompleteAbove *int64 `json:"complete_above,omitempty"`
	// Pending are the objects of the last commit, and those of earlier commits that no
	// run has looked at since, or could not check because an object cannot be read. Each
	// has its content.
	Pending []Pending `json:"pending,omitempty"`
	// Fingerprints are the stored versions of listed ids. A listed id may have
	// none here.
	Fingerprints map[int64]Versions `json:"fingerprints,omitempty"`
	// Rejected lists stored rejected items.
	Rejected *RejectedItems `json:"rejected,omitempty"`
	// Stored are the numbers of items stored, by month, such as "2026-01". It is nil
	// if they are not known, because another program, an older release or a rebuild
	// wrote the document, or because a run has accepted an older document.
	Stored map[string]Counts `json:"stored,omitzero"`
	// Forgotten are ids of events that Stored counts although a repair has found them
	// nowhere, in descending order, at most MaxSeen. A run that stores such an event
	// once more does not count it again.
	Forgotten []int64 `json:"forgotten,omitempty"`
	// CoveredUntil is the time up to which the archive has all events, apart from
	// those of the gaps. It is in UTC, and never falls. It is nil before the first
	// full response; see [Document.Covered] for documents of an older format.
	CoveredUntil *time.Time `json:"covered_until,omitempty"`
	// Gaps are days whose events may be missing, in ascending order. Every commit
	// copies the gaps that stay.
	Gaps []Gap `json:"gaps,omitempty"`
	// AcceptedDays are the days, such as "2026-01-31", that the API does not serve
	// and that a repair has accepted as they are, in ascending order. They are no gaps.
	AcceptedDays []string `json:"accepted_days,omitempty"`
}

// Counts are numbers of stored items that belong to one month.
type Counts struct {
	// Events is the number of different ids, by the month of the event's date.
	Events int `json:"events"`
	// Revisions is the number of further versions, by the month of the version's
	// date.
	Revisions int `json:"revisions"`
	// Rejected is the number of rejected items, by the month of the UTC day on
	// which they were observed.
	Rejected int `json:"rejected"`
}

// Plus returns the sum of two counts.
func (c Counts) Plus(d Counts) Counts {
	return Counts{Events: c.Events + d.Events, Revisions: c.Revisions + d.Revisions, Rejected: c.Rejected + d.Rejected}
}

// Commit identifies one commit.
type Commit struct {
	// ID is the id of the run that made the commit.
	ID string `json:"id"`
	// Sequence is the number of the commit. The archive's first commit is 1.
	Sequence int64 `json:"sequence"`
	// Timestamp, in Unix seconds, is part of the names of the commit's objects. It
	// is higher than the timestamps of all earlier commits, and may therefore be
	// later than the time of the commit.
	Timestamp int64 `json:"timestamp"`
}

// RejectedItems lists stored rejected items.
type RejectedItems struct {
	// Complete says that Hashes covers all stored items.
	Complete bool `json:"complete"`
	// Hashes are fingerprints of items, with the latest observed first.
	Hashes []string `json:"hashes"`
}

// Versions are the fingerprints of an event's stored versions, starting with
// the first version. Their JSON form is one string with spaces between them.
type Versions []string

// MarshalText implements [encoding.TextMarshaler].
func (v Versions) MarshalText() ([]byte, error) { return []byte(strings.Join(v, " ")), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (v *Versions) UnmarshalText(text []byte) error {
	*v = strings.Fields(string(text))
	return nil
}

// ParseDocument parses a document in this program's format or in the published
// one. It sorts SeenIDs and removes repeated ids. The error wraps
// [ErrNewerFormat] if only a later release can read the document. Any other
// error means that the document is damaged.
func ParseDocument(body []byte) (*Document, error) {
	if len(body) == 0 {
		return nil, fmt.Errorf("parse %s: it is empty", DocumentName)
	}
	var d Document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("parse %s: %w", DocumentName, err)
	}
	if d.Version > formatVersion {
		return nil, fmt.Errorf("parse %s: %w: version %d, and this release reads versions up to %d; install a later release",
			DocumentName, ErrNewerFormat, d.Version, formatVersion)
	}
	if d.SeenIDs == nil {
		return nil, fmt.Errorf("parse %s: it has no seen_ids", DocumentName)
	}
	for _, p := range d.Pending {
		if _, ok := ParseName(p.Name); !ok {
			return nil, fmt.Errorf("parse %s: pending object %.80q does not have the name of a data object", DocumentName, p.Name)
		}
	}
	slices.SortFunc(d.SeenIDs, descending)
	d.SeenIDs = slices.Compact(d.SeenIDs)
	d.TotalTracked = len(d.SeenIDs)
	return &d, nil
}

// encode returns the JSON form of the document, which is one line.
func (d *Document) encode() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(d.sizeHint())
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // keeps pending objects readable
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("encode %s: %w", DocumentName, err)
	}
	return b.Bytes(), nil
}

// sizeHint estimates the size of the encoded document in bytes.
func (d *Document) sizeHint() int {
	size := 64 << 10 // full lists of ids, fingerprints and rejected items
	for _, p := range d.Pending {
		size += len(p.Content) * 5 / 4 // for the escapes
	}
	return size
}

// Covered returns the time up to which the archive has all events, apart from
// those of the gaps, in UTC. It is nil if it is not known. An older format has no
// CoveredUntil, so the time of the last commit stands for it.
func (d *Document) Covered() *time.Time {
	if d.CoveredUntil == nil && d.Version < formatVersion && !d.LastUpdated.IsZero() {
		t := d.LastUpdated.UTC()
		return &t
	}
	return d.CoveredUntil
}

// published reports whether d is in the published format, or is the empty
// document of an archive that has none.
func (d *Document) published() bool { return d.Version == 0 }

// sequence returns the number of the last commit, or 0 if there was none.
func (d *Document) sequence() int64 {
	if d.Commit == nil {
		return 0
	}
	return d.Commit.Sequence
}

// timestamp returns the timestamp of the last commit, or 0 if there was none.
func (d *Document) timestamp() int64 {
	if d.Commit == nil {
		return 0
	}
	return d.Commit.Timestamp
}

// isOwn reports whether a pending object is one that the document's commit made. Others
// are of earlier commits.
func (d *Document) isOwn(p Pending) bool {
	n, ok := ParseName(p.Name)
	return ok && n.Timestamp == d.timestamp()
}

// ownPending returns the pending objects that the document's commit made.
func (d *Document) ownPending() (own []Pending) {
	for _, p := range d.Pending {
		if d.isOwn(p) {
			own = append(own, p)
		}
	}
	return own
}

// listIDs sets the list of ids of the next document: as many as fit of the ids
// that d lists and of the stored ids of a batch. If the batch is current, it
// keeps the ids of the batch before any others. Otherwise it keeps the highest
// ids.
func (d *Document) listIDs(next *Document, stored map[int64]Versions, current bool) {
	ids := slices.Collect(maps.Keys(stored))
	if current {
		slices.SortFunc(ids, descending)
	}
	for _, id := range d.SeenIDs { // in descending order
		if _, ok := stored[id]; !ok {
			ids = append(ids, id)
		}
	}
	if !current {
		slices.SortFunc(ids, descending)
	}
	kept := min(len(ids), MaxSeen)
	next.CompleteAbove = d.CompleteAbove
	if dropped := ids[kept:]; len(dropped) > 0 && d.CompleteAbove != nil {
		above := max(*d.CompleteAbove, slices.Max(dropped))
		next.CompleteAbove = &above
	}
	next.SeenIDs = append([]int64{}, ids[:kept]...) // not nil, whose JSON form is null
	slices.SortFunc(next.SeenIDs, descending)
	next.TotalTracked = kept
	next.Fingerprints = make(map[int64]Versions, kept)
	for _, id := range next.SeenIDs {
		versions, ok := stored[id]
		if !ok {
			versions = d.Fingerprints[id]
		}
		if len(versions) > 0 {
			next.Fingerprints[id] = versions
		}
	}
}

// listRejected sets the list of rejected items of the next document: as many as
// fit of the hashes, which are fingerprints of stored items in the order of their
// priority. If complete is true, the hashes cover all stored items.
func listRejected(next *Document, hashes []string, complete bool) {
	kept := min(len(hashes), maxRejected)
	if complete || kept > 0 {
		next.Rejected = &RejectedItems{Complete: complete && kept == len(hashes), Hashes: hashes[:kept]}
	}
}

// Lists reports whether SeenIDs has the id.
func (d *Document) Lists(id int64) bool {
	_, ok := slices.BinarySearchFunc(d.SeenIDs, id, descending)
	return ok
}

// descending orders ids from high to low.
func descending(a, b int64) int { return cmp.Compare(b, a) }
