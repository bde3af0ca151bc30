package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

// index holds what a [Writer] has read of the archive's partitions. It reads
// each data object only once, because data objects do not change. It lists a
// partition again only after another run has committed.
type index struct {
	store    store.Reader
	days     map[Date]*dayIndex
	rejected *rejectedIndex // nil before the first lookup of rejected items
	warnings []string       // messages for the user, one line each
}

// dayIndex holds the events and revisions of one date.
type dayIndex struct {
	fresh  bool            // listed, and no other run has committed since
	read   map[string]bool // the names of the objects that were read
	stored map[int64]Versions
}

// rejectedIndex holds the rejected items of all dates.
type rejectedIndex struct {
	fresh  bool            // listed, and no other run has committed since
	read   map[string]bool // the names of the objects that were read
	hashes map[string]bool // the fingerprints of the items
}

func newIndex(s store.Reader) *index {
	return &index{store: s, days: make(map[Date]*dayIndex)}
}

// invalidate makes the next lookup list the partitions again, because another
// run may have committed.
func (x *index) invalidate() {
	for _, d := range x.days {
		d.fresh = false
	}
	if x.rejected != nil {
		x.rejected.fresh = false
	}
}

// day returns the index of a date, which may be empty.
func (x *index) day(date Date) *dayIndex {
	d := x.days[date]
	if d == nil {
		d = &dayIndex{read: make(map[string]bool), stored: make(map[int64]Versions)}
		x.days[date] = d
	}
	return d
}

// rejectedItems returns the index of rejected items, which may be empty.
func (x *index) rejectedItems() *rejectedIndex {
	if x.rejected == nil {
		x.rejected = &rejectedIndex{read: make(map[string]bool), hashes: make(map[string]bool)}
	}
	return x.rejected
}

// lookUp reads the partitions of those of the dates that are not fresh. It counts
// the lines of pending objects as stored, whether or not the objects exist yet.
func (x *index) lookUp(ctx context.Context, dates []Date, pending []Pending) error {
	var stale []Date
	for _, date := range dates {
		if !x.day(date).fresh && !slices.Contains(stale, date) {
			stale = append(stale, date)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	for _, kind := range []Kind{Events, Revisions} {
		if err := x.readPartitions(ctx, kind, stale); err != nil {
			return fmt.Errorf("look up stored events: %w", err)
		}
	}
	for _, p := range pending {
		n, _ := ParseName(p.Name)
		if n.Kind != Rejected && slices.Contains(stale, n.Date) {
			x.addLines(n.Date, p.Name, p.Content)
		}
	}
	for _, date := range stale {
		x.days[date].fresh = true
	}
	return nil
}

// readPartitions reads the objects of a kind on these dates that were not read
// before.
func (x *index) readPartitions(ctx context.Context, kind Kind, dates []Date) error {
	var names []string
	var days []Date // of the names
	for prefix, group := range groupByMonth(kind, dates) {
		for attrs, err := range x.store.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if !x.checkName(attrs.Name) {
				continue
			}
			for _, date := range group {
				if strings.HasPrefix(attrs.Name, Partition{kind, date}.Prefix()) && !x.days[date].read[attrs.Name] {
					names, days = append(names, attrs.Name), append(days, date)
				}
			}
		}
	}
	contents, err := ReadAll(ctx, x.store, names)
	if err != nil {
		return err
	}
	for i, name := range names {
		x.addLines(days[i], name, contents[i])
		x.days[days[i]].read[name] = true
	}
	return nil
}

// groupByMonth groups dates by the prefixes to list: the prefix of a partition
// for a date that is the only one of its month, else the prefix of the month, so
// that a lookup takes one listing per month.
func groupByMonth(kind Kind, dates []Date) map[string][]Date {
	months := make(map[string][]Date)
	for _, date := range dates {
		prefix := Partition{kind, date}.monthPrefix()
		months[prefix] = append(months[prefix], date)
	}
	groups := make(map[string][]Date, len(months))
	for prefix, group := range months {
		if len(group) == 1 {
			prefix = Partition{kind, group[0]}.Prefix()
		}
		groups[prefix] = group
	}
	return groups
}

// checkName reports whether a listed object can be read, and warns if not. This
// program writes no such names, but some tools create an object for each folder.
func (x *index) checkName(name string) bool {
	err := store.CheckName(name)
	if err != nil {
		x.warnings = append(x.warnings, fmt.Sprintf("skipped an object with an invalid name: %v", err))
	}
	return err == nil
}

// ReadAll reads objects, up to 16 at the same time, and returns their contents
// in the order of the names. The content of an object that does not exist is
// nil: a repair deletes an object once its lines are stored under another name.
// Errors are the store's.
func ReadAll(ctx context.Context, s store.Reader, names []string) ([][]byte, error) {
	contents := make([][]byte, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, name := range names {
		g.Go(func() error {
			object, err := s.Get(ctx, name)
			if err != nil && !errors.Is(err, store.ErrNotExist) {
				return err
			}
			contents[i] = object.Body
			return nil
		})
	}
	return contents, g.Wait()
}

// addLines adds the events in a data object of this date.
func (x *index) addLines(date Date, name string, content []byte) {
	for number, text := range Lines(content) {
		line, reason := ParseLine(Events, text)
		if reason != "" {
			x.warnings = append(x.warnings, fmt.Sprintf("skipped %s line %d, which is not an event: %s; verify shows all such lines", name, number, reason))
			continue
		}
		x.day(date).add(line.ID, line.Fingerprint)
	}
}

func (d *dayIndex) add(id int64, fingerprint string) {
	if !slices.Contains(d.stored[id], fingerprint) {
		d.stored[id] = append(d.stored[id], fingerprint)
	}
}

// versions returns the stored versions of an event with this date, which must
// have been looked up.
func (x *index) versions(date Date, id int64) Versions { return x.days[date].stored[id] }

// lookUpRejected reads the objects with rejected items that were not read
// before, of all dates. It returns the fingerprints of all stored items and of
// those in pending objects.
func (x *index) lookUpRejected(ctx context.Context, pending []Pending) (map[string]bool, error) {
	r := x.rejectedItems()
	if r.fresh {
		return r.hashes, nil
	}
	var names []string
	for attrs, err := range x.store.List(ctx, Rejected.Prefix()) {
		if err != nil {
			return nil, fmt.Errorf("look up rejected items: %w", err)
		}
		if x.checkName(attrs.Name) && !r.read[attrs.Name] {
			names = append(names, attrs.Name)
		}
	}
	contents, err := ReadAll(ctx, x.store, names)
	if err != nil {
		return nil, fmt.Errorf("look up rejected items: %w", err)
	}
	for i, name := range names {
		r.addLines(contents[i])
		r.read[name] = true
	}
	for _, p := range pending {
		if n, _ := ParseName(p.Name); n.Kind == Rejected {
			r.addLines(p.Content)
		}
	}
	r.fresh = true
	return r.hashes, nil
}

// addLines adds the items in an object with rejected items.
func (r *rejectedIndex) addLines(content []byte) {
	for _, text := range Lines(content) {
		if line, reason := ParseLine(Rejected, text); reason == "" {
			r.hashes[line.Fingerprint] = true
		}
	}
}

// addVersion adds an event that this run has committed, if its date was looked
// up.
func (x *index) addVersion(date Date, id int64, fingerprint string) {
	if d := x.days[date]; d != nil {
		d.add(id, fingerprint)
	}
}

// addRejected adds a rejected item that this run has committed, if rejected
// items were looked up.
func (x *index) addRejected(fingerprint string) {
	if x.rejected != nil {
		x.rejected.hashes[fingerprint] = true
	}
}

// addPending adds the lines of pending objects. A dry run needs it: it puts no
// objects, and the next document no longer contains these.
func (x *index) addPending(pending []Pending) {
	for _, p := range pending {
		if n, _ := ParseName(p.Name); n.Kind == Rejected {
			x.rejectedItems().addLines(p.Content)
		} else {
			x.addLines(n.Date, p.Name, p.Content)
		}
	}
}
