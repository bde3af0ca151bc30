package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

// maxIndexed is the number of events above which a [Writer] forgets its index before
// the next batch, so that a backfill of any length takes bounded memory. The API has
// published some 25,000 events a year.
const maxIndexed = 1 << 17

// index holds what a [Writer] has read of the archive's partitions since another
// run last committed.
type index struct {
	store store.Reader
	warn  func(level slog.Level, text string)

	// days are the days whose partitions were read, each with the error of an
	// object that could not be read, or nil.
	days map[Date]error
	// answered says that a call for a single data object has succeeded in this run,
	// so the store has not failed as a whole.
	answered bool
	// versions are the stored versions of the events that were read, and events
	// the ids that are under events/.
	versions map[int64]*versionSet
	events   map[int64]bool

	rejectedRead bool            // rejected/ was read
	rejectedErr  error           // of an object in rejected/ that could not be read
	rejected     map[string]bool // fingerprints of rejected items

	// invalid are the fingerprints of lines that are not valid; see objectLine.
	invalid map[string]bool
}

func newIndex(s store.Reader, warn func(slog.Level, string)) *index {
	return &index{
		store: s, warn: warn, days: make(map[Date]error), versions: make(map[int64]*versionSet), events: make(map[int64]bool),
		rejected: make(map[string]bool), invalid: make(map[string]bool),
	}
}

// renew returns an empty index of the same archive.
func (x *index) renew() *index {
	next := newIndex(x.store, x.warn)
	next.answered = x.answered
	return next
}

// beside returns a date and the days beside it. An event whose time is corrected
// across midnight has its stored versions there.
func beside(date Date) [3]Date { return [3]Date{date.Previous(), date, date.Next()} }

// unreadable returns the error of an object that may hold an event of this date
// and could not be read, or nil. The date must have been looked up.
func (x *index) unreadable(date Date) error {
	for _, d := range beside(date) {
		if err := x.days[d]; err != nil {
			return err
		}
	}
	return nil
}

// lookUp reads the partitions of these dates and of the days beside them, as far
// as they were not read. It returns the errors that concern the store as a whole;
// for those of single objects see [index.unreadable].
func (x *index) lookUp(ctx context.Context, dates []Date) error {
	unread := make(map[Date]bool)
	for _, date := range dates {
		for _, d := range beside(date) {
			if _, read := x.days[d]; !read {
				unread[d] = true
			}
		}
	}
	for _, kind := range []Kind{Events, Revisions} {
		if err := x.readPartitions(ctx, kind, slices.Collect(maps.Keys(unread))); err != nil {
			return fmt.Errorf("look up stored events: %w", err)
		}
	}
	for d := range unread {
		if _, failed := x.days[d]; !failed {
			x.days[d] = nil
		}
	}
	return nil
}

// readPartitions reads the objects of a kind on these dates.
func (x *index) readPartitions(ctx context.Context, kind Kind, dates []Date) error {
	var objects []store.Attrs
	var days []Date      // of the objects
	var unlisted []error // of single entries
	groups := groupByMonth(kind, dates)
	for _, prefix := range slices.Sorted(maps.Keys(groups)) { // so that two runs make the same calls in the same order
		group := groups[prefix]
		for attrs, err := range x.store.List(ctx, prefix) {
			if err != nil {
				if attrs.Name == "" {
					return err
				}
				for day, date := range group {
					if strings.HasPrefix(attrs.Name, day) || strings.HasPrefix(day, attrs.Name+"/") {
						x.days[date] = err
						unlisted = append(unlisted, err)
					}
				}
				continue
			}
			if !x.checkName(attrs.Name) {
				continue
			}
			for day, date := range group {
				if strings.HasPrefix(attrs.Name, day) {
					objects, days = append(objects, attrs), append(days, date)
				}
			}
		}
	}
	contents, errs := readAll(ctx, x.store, objects)
	if err := x.wholeStore(ctx, slices.Concat(errs, unlisted)); err != nil {
		return err
	}
	for i, o := range objects {
		if errs[i] != nil {
			x.days[days[i]] = errs[i]
		}
		x.addLines(o.Name, Partition{kind, days[i]}, contents[i])
	}
	return nil
}

// groupByMonth groups dates by the prefixes to list: the prefix of a partition
// for a date that is the only one of its month, else the prefix of the month, so
// that a lookup takes one listing per month. A group has the dates by the prefix
// of their partitions.
func groupByMonth(kind Kind, dates []Date) map[string]map[string]Date {
	months := make(map[string]map[string]Date)
	for _, date := range dates {
		p := Partition{kind, date}
		if months[p.monthPrefix()] == nil {
			months[p.monthPrefix()] = make(map[string]Date)
		}
		months[p.monthPrefix()][p.Prefix()] = date
	}
	groups := make(map[string]map[string]Date, len(months))
	for month, group := range months {
		prefix := month
		if len(group) == 1 {
			for day := range group {
				prefix = day
			}
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
		x.warn(slog.LevelInfo, fmt.Sprintf("skipped an object with an invalid name: %v", err))
	}
	return err == nil
}

// ReadAll reads objects with these attributes, up to 16 at the same time, and
// returns their contents in the same order. The content of an object that no
// longer exists is nil. Errors are the store's; an object whose content does not
// match its attributes is [store.ErrDamaged].
func ReadAll(ctx context.Context, s store.Reader, objects []store.Attrs) ([][]byte, error) {
	contents, errs := readAll(ctx, s, objects)
	return contents, cmp.Or(errs...)
}

// readAll is like ReadAll, but returns the error of each object.
func readAll(ctx context.Context, s store.Reader, objects []store.Attrs) (contents [][]byte, errs []error) {
	contents, errs = make([][]byte, len(objects)), make([]error, len(objects))
	var g errgroup.Group
	g.SetLimit(concurrency)
	for i, attrs := range objects {
		g.Go(func() error {
			object, err := ReadObject(ctx, s, attrs)
			switch {
			case errors.Is(err, store.ErrNotExist):
			case err != nil:
				errs[i] = err
			default:
				contents[i] = object.Body
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return contents, errs
}

// wholeStore returns the error of a store that failed as a whole, given the
// results of calls for one object each: ctx is done, or several calls have failed
// and none has succeeded in this run.
func (x *index) wholeStore(ctx context.Context, errs []error) error {
	failed := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	x.answered = x.answered || len(failed) < len(errs)
	if len(failed) > 0 && (ctx.Err() != nil || len(failed) > 1 && !x.answered) {
		return failed[0]
	}
	return nil
}

// ReadObject reads the object with these attributes. If the content does not match
// them, it asks for the attributes and reads the object again, because the object
// may have been overwritten. If it still does not match, the error is
// [store.ErrDamaged]. The object is then returned as it was read if only its MD5 is
// wrong, and is empty if its size is: it may lack lines.
func ReadObject(ctx context.Context, s store.Reader, attrs store.Attrs) (store.Object, error) {
	for again := false; ; again = true {
		object, err := s.Get(ctx, attrs.Name)
		if err != nil {
			return store.Object{}, err
		}
		size := int64(len(object.Body))
		if size == attrs.Size && (attrs.MD5 == "" || attrs.MD5 == object.MD5) {
			return object, nil
		}
		if again {
			err := fmt.Errorf("read %s: %w: it has %d bytes and the MD5 %s, but the store says %d bytes and %q",
				attrs.Name, store.ErrDamaged, size, object.MD5, attrs.Size, attrs.MD5)
			if size != attrs.Size || size != object.Size {
				object = store.Object{}
			}
			return object, err
		}
		if attrs, err = s.Stat(ctx, attrs.Name); err != nil {
			return store.Object{}, err
		}
	}
}

// addLines adds the lines of an object.
func (x *index) addLines(name string, p Partition, content []byte) {
	for _, l := range linesOf(p, content) {
		if l.reason != "" && l.kind != Rejected {
			x.warn(slog.LevelInfo, fmt.Sprintf("skipped %s line %d, which is not an event: %s; verify shows all such lines", name, l.number, l.reason))
		}
		x.add(l)
	}
}

func (x *index) add(l objectLine) {
	switch {
	case l.reason != "":
		x.invalid[l.Fingerprint] = true
	case l.kind == Rejected:
		x.rejected[l.Fingerprint] = true
	default:
		if x.versions[l.ID] == nil {
			x.versions[l.ID] = &versionSet{}
		}
		x.versions[l.ID].add(l.Fingerprint)
		x.events[l.ID] = x.events[l.ID] || l.kind == Events
	}
}

// addCommitted adds a line that this run has committed. An event whose date was
// not looked up is left to the lookup.
func (x *index) addCommitted(l objectLine) {
	if _, read := x.days[l.Date]; read || l.kind == Rejected {
		x.add(l)
	}
}

// has reports whether a line is stored, as far as the index knows.
func (x *index) has(l objectLine) bool {
	switch {
	case l.reason != "":
		return x.invalid[l.Fingerprint]
	case l.kind == Rejected:
		return x.rejected[l.Fingerprint]
	}
	return x.versions[l.ID].has(l.Fingerprint)
}

// lookUpLines reads the partitions that may hold these lines, as far as they were not
// read. Its error is that of lookUp or lookUpRejected.
func (x *index) lookUpLines(ctx context.Context, lines []objectLine) error {
	var dates []Date
	for _, l := range lines {
		if l.kind != Rejected {
			dates = append(dates, l.Date)
		} else if err := x.lookUpRejected(ctx); err != nil {
			return err
		}
	}
	return x.lookUp(ctx, dates)
}

// unreadableFor returns the error of an object that may hold the line and could
// not be read, or nil. The line must have been looked up.
func (x *index) unreadableFor(l objectLine) error {
	if l.kind == Rejected {
		return x.rejectedErr
	}
	return x.unreadable(l.Date)
}

// lookUpRejected reads all objects with rejected items, if they were not read.
func (x *index) lookUpRejected(ctx context.Context) error {
	if x.rejectedRead {
		return nil
	}
	var objects []store.Attrs
	for attrs, err := range x.store.List(ctx, Rejected.Prefix()) {
		if err != nil && attrs.Name == "" {
			return fmt.Errorf("look up rejected items: %w", err)
		}
		if err != nil {
			x.rejectedErr = cmp.Or(x.rejectedErr, err)
			continue
		}
		if x.checkName(attrs.Name) {
			objects = append(objects, attrs)
		}
	}
	contents, errs := readAll(ctx, x.store, objects)
	if err := x.wholeStore(ctx, errs); err != nil {
		return fmt.Errorf("look up rejected items: %w", err)
	}
	for i, o := range objects {
		x.addLines(o.Name, Partition{Kind: Rejected}, contents[i])
		x.rejectedErr = cmp.Or(x.rejectedErr, errs[i])
	}
	x.rejectedRead = true
	return nil
}

// addPending adds the lines of pending objects that a dry run does not put.
func (x *index) addPending(pending []Pending) {
	for _, p := range pending {
		n, _ := ParseName(p.Name)
		x.addLines(p.Name, n.Partition, p.Content)
	}
}
