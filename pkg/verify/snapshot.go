package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
)

// maxRounds is how often a snapshot reads the archive again because other runs
// have committed meanwhile. Each round reads only objects that are new.
const maxRounds = 20

// snapshot is the archive as it was read. It reads an object again only if the
// store lists it with other attributes.
type snapshot struct {
	store   status.Archive
	options Options

	document document
	// pending are the states of the document's pending objects, in their order;
	// empty for an object whose content is damaged or unlisted. An object that was read is
	// Different if it has other content, even if its lines are all stored.
	pending []archive.ObjectState
	objects map[string]*object // data objects of the included days, by name
	lines   lines              // of the objects
	outside int                // number of data objects of other days
	others  []string           // names of the other objects in the archive's folders
	foreign map[string]int     // numbers of other objects, by the first part of the name, with a slash if it is a folder
	// unlisted are the names that the store could not list. Objects may be there or
	// below them.
	unlisted []unlisted
	// foreignUnlisted are such names outside the archive's folders.
	foreignUnlisted []unlisted

	progressMutex sync.Mutex
	progress      Progress // guarded by progressMutex
}

// advance changes the progress and, once an object was read, reports it.
func (s *snapshot) advance(change func(*Progress)) {
	s.progressMutex.Lock()
	defer s.progressMutex.Unlock()
	change(&s.progress)
	if s.options.OnProgress != nil && s.progress.Objects > 0 {
		s.options.OnProgress(s.progress)
	}
}

// unlisted is a name that the store could not list.
type unlisted struct {
	name string
	err  error
}

// mayHold reports whether the objects of this name or with this prefix may be there.
func (u unlisted) mayHold(name string) bool {
	return u.name == name || strings.HasPrefix(name, u.name+"/")
}

// isArchive reports whether the store has a document, data objects, or names in the
// archive's folders that it could not list.
func (s *snapshot) isArchive() bool {
	return s.document.etag != "" || len(s.objects)+s.outside+len(s.unlisted) > 0
}

// otherNames returns the number of objects that are not the archive's, and the name of one
// of them, if possible one in the archive's folders.
func (s *snapshot) otherNames() (n int, example string) {
	inside := slices.DeleteFunc(slices.Clone(s.others), archive.IsMetadata)
	beside := slices.Collect(maps.Keys(s.foreign))
	for _, u := range s.foreignUnlisted {
		beside = append(beside, u.name)
	}
	n = len(inside) + len(s.foreignUnlisted)
	for _, objects := range s.foreign {
		n += objects
	}
	for _, names := range [][]string{inside, beside} {
		if len(names) > 0 {
			return n, slices.Min(names)
		}
	}
	return 0, ""
}

// document is the metadata document as it was read.
type document struct {
	etag   store.ETag        // empty if the document is missing
	parsed *archive.Document // nil if the document is missing or damaged
	damage string            // why the document cannot be parsed
	// seenIDs and totalTracked are the fields as stored: the parsed document is
	// sorted and counted again.
	seenIDs      []int64
	totalTracked int
}

// object is a data object.
type object struct {
	name   archive.Name
	listed store.Attrs // by the list before it was read
	etag   store.ETag
	md5    string
	size   int64
	number int32 // in lines.objects
	// delays are the delays of the valid lines under events/ by their line number less one, in
	// minutes: the time from the event's datetime to the commit of the object; 0 if the
	// datetime is later, and at most maxDelay. They are nil without Options.Timeline.
	delays []uint16
	month  string // of the object's day, as a key of [archive.Document.Stored]
	// unusual holds what few lines have, by line number.
	unusual map[int32]unusual
	// findings are those about this object only.
	findings   findings
	found      bool // by the last List
	read       bool
	unreadable error // why the lines are unknown; nil if they are known
}

// key returns the name of the object in the store.
func (o *object) key() string { return o.listed.Name }

func newSnapshot(s status.Archive, o Options) *snapshot {
	return &snapshot{store: s, options: o, objects: make(map[string]*object)}
}

// read reads the document and all objects. If the document has changed meanwhile,
// it reads both again. A second call reads only the objects that are new since.
func (s *snapshot) read(ctx context.Context) error {
	for range maxRounds {
		if err := s.readDocument(ctx); err != nil {
			return err
		}
		s.advance(func(p *Progress) { p.Counted = s.counted() })
		s.lines.reserve(s.counted())
		if err := s.readObjects(ctx); err != nil {
			return err
		}
		if err := s.checkPending(ctx); err != nil {
			return err
		}
		attrs, err := s.store.Stat(ctx, archive.DocumentName)
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return fmt.Errorf("check %s: %w", archive.DocumentName, err)
		}
		if attrs.ETag == s.document.etag {
			return nil
		}
	}
	return fmt.Errorf("read the archive: other runs committed during each of %d tries; try again when fewer runs are active", maxRounds)
}

// counted returns the number of lines that the document counts; zero if it does not, or if
// some days are not read.
func (s *snapshot) counted() (n int) {
	if s.document.parsed == nil || s.options.limited() {
		return 0
	}
	for _, month := range s.document.parsed.Stored {
		n += month.Events + month.Revisions + month.Rejected
	}
	return n
}

func (s *snapshot) readDocument(ctx context.Context) error {
	s.document = document{}
	object, err := s.store.Get(ctx, archive.DocumentName)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", archive.DocumentName, err)
	}
	s.document.etag = object.ETag
	parsed, err := archive.ParseDocument(object.Body)
	var stored struct {
		SeenIDs      []int64 `json:"seen_ids"`
		TotalTracked int     `json:"total_tracked"`
	}
	switch {
	case errors.Is(err, archive.ErrNewerFormat):
		return err
	case err == nil:
		err = json.Unmarshal(object.Body, &stored)
	}
	if err != nil {
		s.document.damage = err.Error()
		return nil
	}
	backup, err := archive.ReadBackup(ctx, s.store)
	if err != nil {
		return err
	}
	parsed.Take(backup)
	s.document.parsed, s.document.seenIDs, s.document.totalTracked = parsed, stored.SeenIDs, stored.TotalTracked
	return nil
}

// checkPending finds the states of the document's pending objects. It asks the
// store only for those that have not been read.
func (s *snapshot) checkPending(ctx context.Context) error {
	s.pending = nil
	if s.document.parsed == nil {
		return nil
	}
	for _, p := range s.document.parsed.Pending {
		var state archive.ObjectState
		switch o := s.objects[p.Name]; {
		case o == nil && slices.ContainsFunc(s.unlisted, func(u unlisted) bool { return u.mayHold(p.Name) }):
		case o == nil:
			states, err := archive.CheckPending(ctx, s.store, []archive.Pending{p}, 1)
			if err != nil {
				return err
			}
			state = states[0]
		case o.unreadable == nil && p.Matches(o.md5):
			state = archive.Stored
		case o.unreadable == nil:
			state = archive.Different
		}
		s.pending = append(s.pending, state)
	}
	return nil
}

// readObjects lists the archive and reads the new objects. One worker lists and then
// reads too, so there are never more concurrent calls than workers. It does not wait for the
// others, so that the number of objects is soon known.
func (s *snapshot) readObjects(ctx context.Context) error {
	for _, o := range s.objects {
		o.found = false
	}
	s.advance(func(p *Progress) { p.Complete = false })
	jobs := newQueue()
	g, ctx := errgroup.WithContext(ctx)
	work := func() error {
		for {
			o := jobs.next()
			if o == nil {
				return nil
			}
			if err := s.readObject(ctx, o); err != nil {
				return err
			}
		}
	}
	for range max(s.options.Concurrency, 1) - 1 {
		g.Go(work)
	}
	g.Go(func() error {
		err := s.list(ctx, jobs.add)
		jobs.close()
		if err != nil {
			return err
		}
		s.advance(func(p *Progress) { p.Complete = true })
		return work()
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for key, o := range s.objects {
		if !o.found || !o.read {
			delete(s.objects, key) // it was deleted
		}
	}
	return nil
}

// queue holds the objects that are still to be read.
type queue struct {
	mutex   sync.Mutex
	changed *sync.Cond // with the mutex
	objects []*object
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.changed = sync.NewCond(&q.mutex)
	return q
}

// add adds an object at the end.
func (q *queue) add(o *object) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.objects = append(q.objects, o)
	q.changed.Signal()
}

// close says that no objects will be added.
func (q *queue) close() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// next removes the first object and returns it. It waits until there is one, and returns
// nil if there will be none.
func (q *queue) next() *object {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for len(q.objects) == 0 && !q.closed {
		q.changed.Wait()
	}
	if len(q.objects) == 0 {
		return nil
	}
	o := q.objects[0]
	q.objects = q.objects[1:]
	return o
}

// list lists the whole archive and calls add for each data object to read.
func (s *snapshot) list(ctx context.Context, add func(*object)) error {
	s.outside, s.others, s.unlisted = 0, nil, nil
	s.foreign, s.foreignUnlisted = make(map[string]int), nil
	for attrs, err := range s.store.List(ctx, "") {
		if err != nil && attrs.Name == "" {
			return fmt.Errorf("list the archive: %w", err)
		}
		first, _, below := strings.Cut(attrs.Name, "/")
		ours := archive.IsFolder(first)
		switch {
		case err != nil && ours:
			s.unlisted = append(s.unlisted, unlisted{attrs.Name, err})
			continue
		case err != nil:
			s.foreignUnlisted = append(s.foreignUnlisted, unlisted{attrs.Name, err})
			continue
		case slices.ContainsFunc(strings.Split(attrs.Name, "/"), store.IsLitter):
			continue
		case !ours:
			if below {
				first += "/"
			}
			s.foreign[first]++
			continue
		}
		name, ok := archive.ParseName(attrs.Name)
		switch o := s.objects[attrs.Name]; {
		case !ok:
			s.others = append(s.others, attrs.Name)
		case o != nil && o.listed == attrs:
			o.found = true
		case s.options.includes(name.Date):
			o := &object{name: name, listed: attrs, found: true}
			s.objects[attrs.Name] = o
			s.lines.addObject(o)
			s.advance(func(p *Progress) { p.Listed++ })
			add(o)
		default:
			s.outside++
		}
	}
	return nil
}

func (s *snapshot) readObject(ctx context.Context, o *object) error {
	lines := 0
	got, err := archive.ReadObject(ctx, s.store, o.listed)
	defer s.advance(func(p *Progress) {
		p.Objects, p.Bytes, p.Lines = p.Objects+1, p.Bytes+int64(len(got.Body)), p.Lines+lines
	})
	if errors.Is(err, store.ErrNotExist) {
		return nil // it was deleted after the list
	}
	switch {
	case err == nil:
	case errors.Is(err, store.ErrDamaged):
		o.addProblem(ContentDamaged, 0, "the content that the store recorded", err.Error(), s.options.correctByHand())
	case errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrTooLarge): // of this object, since the document could be read
		o.addProblem(Unreadable, 0, "an object that can be read", err.Error(), s.options.replaceEntry())
	default:
		return fmt.Errorf("read %s: %w", o.key(), err)
	}
	o.read, o.etag, o.size, o.md5 = true, got.ETag, int64(len(got.Body)), got.MD5
	if err != nil && got.Name == "" { // a wrong MD5 alone leaves no line out
		o.unreadable = err
		return nil
	}
	lines = s.parse(o, got.Body)
	return nil
}

// parse parses the lines of an object, and returns the number of the valid ones.
func (s *snapshot) parse(o *object, body []byte) int {
	if len(body) > 0 && body[len(body)-1] != '\n' {
		o.addProblem(NoFinalNewline, 0, "a newline at the end", "no newline, so the last line may be cut", s.options.correctByHand())
	}
	o.month = o.name.Date.MonthKey()
	maxLines := bytes.Count(body, []byte("\n")) + 1
	lines := make([]line, 0, maxLines)
	var readable []rejectedEvent
	if s.options.Timeline && o.name.Kind == archive.Events {
		o.delays = make([]uint16, maxLines)
	}
	var parser archive.LineParser
	for number, raw := range archive.Lines(body) {
		parsed, reason := parser.Parse(o.name.Kind, raw)
		if reason != "" {
			s.addInvalid(o, number, raw, reason)
			continue
		}
		l := newLine(o, parsed, number)
		if o.delays != nil {
			o.delays[number-1] = delay(parsed.Time, o.name.Timestamp)
		}
		u := unusual{halfPair: parsed.HalfPair}
		if parsed.Date != o.name.Date {
			u.month = parsed.Date.MonthKey()
			prefix := archive.Partition{Kind: o.name.Kind, Date: parsed.Date}.Prefix()
			o.findings.add(o.finding(&l, WrongPartition, "only lines of "+o.name.Date.String(), "a line of "+parsed.Date.String(), moveLine(prefix)))
		}
		if u != (unusual{}) {
			if o.unusual == nil {
				o.unusual = make(map[int32]unusual)
			}
			o.unusual[l.number] = u
		}
		lines = append(lines, l)
		if parsed.Event != nil {
			readable = append(readable, rejectedEvent{l, newLine(o, *parsed.Event, number), parsed.Event.Date})
		}
	}
	s.lines.add(o.name.Kind, lines, readable)
	return len(lines)
}

// addInvalid adds a problem with a line that is not valid.
func (s *snapshot) addInvalid(o *object, number int, raw []byte, reason string) {
	check, expected := NotEvent, "an event with an integer id and a datetime"
	switch {
	case !utf8.Valid(raw):
		check, expected = NotUTF8, "UTF-8 text"
	case !json.Valid(raw):
		check, expected = NotJSON, "one JSON value"
	case o.name.Kind == archive.Rejected:
		check, expected = NotRejected, "a rejected item with reason, observed_at and raw"
	}
	fix := s.options.correctByHand()
	if o.name.Kind != archive.Rejected {
		fix = s.options.backfill(o.name.Date, o.name.Date)
		fix.Advice = strings.TrimSuffix("first correct or delete the line by hand, then run: "+s.options.repair().Command+"; "+fix.Advice, "; ")
	}
	o.addProblem(check, number, expected, reason, fix)
}

// addProblem adds a problem with the object, or with one of its lines.
func (o *object) addProblem(c Check, number int, expected, actual string, fix Fix) {
	o.findings.add(Finding{
		Check: c, Severity: Problem, Object: o.key(), Line: number, Expected: expected, Actual: actual, Fix: fix,
	})
}
