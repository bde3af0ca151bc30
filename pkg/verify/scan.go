package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

// maxRounds bounds how often a scan looks again because other runs have
// committed meanwhile. All rounds but the first read what is new alone.
const maxRounds = 20

// scan is what has been read of an archive. Data objects never change, so each
// is read once, however often the archive is looked at.
type scan struct {
	store store.Reader
	o     Options

	document store.Object       // its ETag is empty if there is none
	objects  map[string]*object // the data objects of the days to be read
	outside  map[string]string  // those of other days, with their MD5 if the list has it
	others   []string           // all other names
}

// object is what a data object holds.
type object struct {
	archive.Name
	text    string // the name
	etag    store.ETag
	md5     string
	size    int64
	records []record
	// findings are those that the object alone gives rise to.
	findings []Finding
	listed   bool // in this round
	read     bool
	// unreadable says that its lines cannot be known.
	unreadable bool
	// notUTF8 says that a line is not, so that no commit can hold them all.
	notUTF8 bool
}

// record is one line.
type record struct {
	id          int64
	fingerprint uint64
	line        int32
	misplaced   bool // it is of another day than its object
}

func newScan(s store.Reader, o Options) *scan {
	return &scan{store: s, o: o, objects: make(map[string]*object)}
}

// look reads the document and all objects that have not been read yet, until
// the document has stayed the same meanwhile.
func (s *scan) look(ctx context.Context) error {
	for range maxRounds {
		if err := s.readDocument(ctx); err != nil {
			return err
		}
		if err := s.readObjects(ctx); err != nil {
			return err
		}
		attrs, err := s.store.Stat(ctx, archive.DocumentName)
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return fmt.Errorf("look at %s: %w", archive.DocumentName, err)
		}
		if attrs.ETag == s.document.ETag {
			return nil
		}
	}
	return fmt.Errorf("read the archive: other runs have committed each of the %d times that it was read", maxRounds)
}

func (s *scan) readDocument(ctx context.Context) error {
	object, err := s.store.Get(ctx, archive.DocumentName)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("read %s: %w", archive.DocumentName, err)
	}
	s.document = object
	return nil
}

// readObjects lists the archive and reads what is new. One worker lists; when
// the others cannot keep up with it, and when it is done, it reads as well. So
// there are never more calls under way than workers.
func (s *scan) readObjects(ctx context.Context) error {
	for _, o := range s.objects {
		o.listed = false
	}
	workers := max(s.o.Concurrency, 1)
	jobs := make(chan job, 2*workers) // enough for them while the lister reads, too
	g, ctx := errgroup.WithContext(ctx)
	work := func() error {
		for j := range jobs {
			if err := s.read(ctx, j); err != nil {
				return err
			}
		}
		return nil
	}
	for range workers - 1 {
		g.Go(work)
	}
	g.Go(func() error {
		err := s.list(ctx, func(j job) error {
			select {
			case jobs <- j:
				return nil
			default:
				return s.read(ctx, j)
			}
		})
		close(jobs)
		if err != nil {
			return err
		}
		return work()
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for name, o := range s.objects {
		if !o.listed || !o.read {
			delete(s.objects, name) // a repair has deleted it
		}
	}
	return nil
}

// job is an object to be read, and its MD5 by the list.
type job struct {
	*object
	attrs store.Attrs
}

// list lists the whole archive, and hands on the data objects to be read.
func (s *scan) list(ctx context.Context, hand func(job) error) error {
	s.outside, s.others = make(map[string]string), nil
	for attrs, err := range s.store.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("list the archive: %w", err)
		}
		n, ok := archive.ParseName(attrs.Name)
		switch o := s.objects[attrs.Name]; {
		case !ok:
			s.others = append(s.others, attrs.Name)
		case o != nil:
			o.listed = true
		case s.o.includes(n.Date):
			o := &object{Name: n, text: attrs.Name, listed: true}
			s.objects[attrs.Name] = o
			if err := hand(job{o, attrs}); err != nil {
				return err
			}
		default:
			s.outside[attrs.Name] = attrs.MD5
		}
	}
	return nil
}

// read reads one object.
func (s *scan) read(ctx context.Context, j job) error {
	got, err := s.store.Get(ctx, j.text)
	if errors.Is(err, store.ErrNotExist) {
		return nil // deleted since it was listed
	}
	o := j.object
	if errors.Is(err, store.ErrDamaged) {
		o.read, o.unreadable = true, true
		o.find(ContentDamaged, 0, 0, "content with the MD5 that the store has of it", err.Error(), mendByHand)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", j.text, err)
	}
	o.read, o.etag, o.size, o.md5 = true, got.ETag, int64(len(got.Body)), store.MD5(got.Body)
	if want := j.attrs.MD5; want != "" && want != o.md5 {
		o.find(ContentDamaged, 0, 0, "content with the MD5 "+want+" that the store lists", "content with the MD5 "+o.md5, mendByHand)
	}
	o.parse(got.Body)
	return nil
}

// parse reads the lines of an object.
func (o *object) parse(body []byte) {
	switch {
	case len(body) == 0:
		o.find(EmptyObject, 0, 0, "at least one line", "no content", mendForeign)
	case body[len(body)-1] != '\n':
		o.find(NoFinalNewline, 0, 0, "a newline at the end", "none, so the last line may be cut", mendByHand)
	}
	for number, text := range archive.Lines(body) {
		line, reason := archive.ParseLine(o.Kind, text)
		if reason != "" {
			o.reject(number, text, reason)
			continue
		}
		if line.Date != o.Date {
			o.find(WrongPartition, number, line.ID, "lines of "+o.Date.String(), "one of "+line.Date.String(),
				"no command moves it; put it into an object of "+archive.Partition{Kind: o.Kind, Date: line.Date}.Prefix()+" by hand")
		}
		hash, _ := strconv.ParseUint(line.Fingerprint, 16, 64) // 16 digits by its contract
		o.records = append(o.records, record{line.ID, hash, int32(number), line.Date != o.Date})
	}
}

// reject reports a line that is none.
func (o *object) reject(number int, text []byte, reason string) {
	check, expected := NotEvent, "an event notice with an integer id and a datetime"
	switch {
	case !utf8.Valid(text):
		check, expected = NotUTF8, "UTF-8"
		o.notUTF8 = true
	case !json.Valid(text):
		check, expected = NotJSON, "one JSON value"
	case o.Kind == archive.Rejected:
		check, expected = NotRejected, "a rejected item with reason, observed_at and raw"
	}
	mend := mendByHand
	if o.Kind != archive.Rejected {
		mend = "no command takes out the line: do so by hand, then run: " + mendRepair + ", and fetch the day again: " + mendBackfill(o.Date, o.Date)
	}
	o.find(check, number, 0, expected, reason, mend)
}

func (o *object) find(c Check, line int, id int64, expected, actual, mend string) {
	o.findings = append(o.findings, Finding{
		Check: c, Severity: Problem, Object: o.text, Line: line, ID: id, Expected: expected, Actual: actual, Mend: mend,
	})
}
