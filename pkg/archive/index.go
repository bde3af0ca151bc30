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

// index is what a Writer has read of the archive's partitions. Data objects
// never change, so each is read once; a partition's list of objects holds as
// long as nobody else commits.
type index struct {
	store    store.Reader
	days     map[Date]*day
	rejected *rejectedIndex
	warnings []string
}

// day is one date's partitions.
type day struct {
	fresh  bool // listed since the document last changed
	read   map[string]bool
	stored map[int64]Versions
}

type rejectedIndex struct {
	read   map[string]bool
	hashes map[string]bool
	fresh  bool
}

func newIndex(s store.Reader) *index {
	return &index{store: s, days: make(map[Date]*day)}
}

// stale says that another run may have written to the archive.
func (x *index) stale() {
	for _, d := range x.days {
		d.fresh = false
	}
	if x.rejected != nil {
		x.rejected.fresh = false
	}
}

// versions returns the stored versions of an id by the partition of its date,
// which must have been looked up.
func (x *index) versions(date Date, id int64) Versions { return x.days[date].stored[id] }

// note records a line that this run has committed.
func (x *index) note(date Date, id int64, fingerprint string) {
	if d := x.days[date]; d != nil && !slices.Contains(d.stored[id], fingerprint) {
		d.stored[id] = append(d.stored[id], fingerprint)
	}
}

// noteRejected is note for a rejected item.
func (x *index) noteRejected(fingerprint string) {
	if x.rejected != nil {
		x.rejected.hashes[fingerprint] = true
	}
}

// keep records the lines of objects that may not be in the store, nor in the
// next document: a dry run puts none. Those of a later lookup come on top.
func (x *index) keep(pending []Pending) {
	for _, p := range pending {
		if n, _ := ParseName(p.Name); n.Kind == Rejected {
			x.rejectedItems().add(p.Content)
		} else {
			x.addLines(n.Date, p.Name, p.Content)
		}
	}
}

// day returns what is known of a date's partitions, which may be nothing yet.
func (x *index) day(date Date) *day {
	d := x.days[date]
	if d == nil {
		d = &day{read: make(map[string]bool), stored: make(map[int64]Versions)}
		x.days[date] = d
	}
	return d
}

// rejectedItems is day for all rejected items.
func (x *index) rejectedItems() *rejectedIndex {
	if x.rejected == nil {
		x.rejected = &rejectedIndex{read: make(map[string]bool), hashes: make(map[string]bool)}
	}
	return x.rejected
}

// lookup makes sure that the partitions of these dates are known. The lines of
// pending count as stored, whether or not their objects are there yet.
func (x *index) lookup(ctx context.Context, dates []Date, pending []Pending) error {
	var wanted []Date
	for _, date := range dates {
		if !x.day(date).fresh && !slices.Contains(wanted, date) {
			wanted = append(wanted, date)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for _, kind := range []Kind{Events, Revisions} {
		if err := x.readPartitions(ctx, kind, wanted); err != nil {
			return err
		}
	}
	for _, p := range pending {
		n, _ := ParseName(p.Name)
		if n.Kind != Rejected && slices.Contains(wanted, n.Date) {
			x.addLines(n.Date, p.Name, p.Content)
		}
	}
	for _, date := range wanted {
		x.days[date].fresh = true
	}
	return nil
}

// readPartitions reads what is new in the partitions of a kind.
func (x *index) readPartitions(ctx context.Context, kind Kind, dates []Date) error {
	var names []string
	var days []Date // of the names
	for prefix, month := range byMonth(kind, dates) {
		for attrs, err := range x.store.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("look up %s: %w", prefix, err)
			}
			if !x.readable(attrs.Name) {
				continue
			}
			for _, date := range month {
				if strings.HasPrefix(attrs.Name, Partition{kind, date}.Prefix()) && !x.days[date].read[attrs.Name] {
					names, days = append(names, attrs.Name), append(days, date)
				}
			}
		}
	}
	contents, err := ReadAll(ctx, x.store, names)
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	for i, name := range names {
		x.addLines(days[i], name, contents[i])
		x.days[days[i]].read[name] = true
	}
	return nil
}

// readable reports whether an object of that name can be read at all. No run
// gives another, but people do, and tools that make an object for each folder.
func (x *index) readable(name string) bool {
	err := store.CheckName(name)
	if err == nil {
		return true
	}
	x.warnings = append(x.warnings, fmt.Sprintf("an object beside the archive's cannot be read, nor hold events: %v", err))
	return false
}

// byMonth groups dates by the prefix that lists them with one call: that of
// the partition for a month's only date, else the month's.
func byMonth(kind Kind, dates []Date) map[string][]Date {
	months := make(map[string][]Date)
	for _, date := range dates {
		prefix := Partition{kind, date}.monthPrefix()
		months[prefix] = append(months[prefix], date)
	}
	prefixes := make(map[string][]Date, len(months))
	for prefix, dates := range months {
		if len(dates) == 1 {
			prefix = Partition{kind, dates[0]}.Prefix()
		}
		prefixes[prefix] = dates
	}
	return prefixes
}

// ReadAll reads objects, up to 16 at a time, and returns their contents in the
// order of the names. The content of an object that does not exist is nil: a
// repair deletes an object once its lines are stored under another name.
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

// addLines records the events of a data object.
func (x *index) addLines(date Date, name string, content []byte) {
	d := x.day(date)
	for number, text := range Lines(content) {
		line, reason := ParseLine(Events, text)
		if reason != "" {
			x.warnings = append(x.warnings, fmt.Sprintf("%s line %d is no event (%s); look at it with verify", name, number, reason))
			continue
		}
		if !slices.Contains(d.stored[line.ID], line.Fingerprint) {
			d.stored[line.ID] = append(d.stored[line.ID], line.Fingerprint)
		}
	}
}

// lookupRejected reads what is new among all rejected objects and returns the
// fingerprints of the items that they and pending hold.
func (x *index) lookupRejected(ctx context.Context, pending []Pending) (map[string]bool, error) {
	r := x.rejectedItems()
	if r.fresh {
		return r.hashes, nil
	}
	var names []string
	for attrs, err := range x.store.List(ctx, Rejected.Prefix()) {
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", Rejected.Prefix(), err)
		}
		if x.readable(attrs.Name) && !r.read[attrs.Name] {
			names = append(names, attrs.Name)
		}
	}
	contents, err := ReadAll(ctx, x.store, names)
	if err != nil {
		return nil, fmt.Errorf("look up: %w", err)
	}
	for i, name := range names {
		r.add(contents[i])
		r.read[name] = true
	}
	for _, p := range pending {
		if n, _ := ParseName(p.Name); n.Kind == Rejected {
			r.add(p.Content)
		}
	}
	r.fresh = true
	return r.hashes, nil
}

func (r *rejectedIndex) add(content []byte) {
	for _, text := range Lines(content) {
		if line, reason := ParseLine(Rejected, text); reason == "" {
			r.hashes[line.Fingerprint] = true
		}
	}
}
