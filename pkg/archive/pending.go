package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

// Pending is an object that the document contains whole: see [Document.Pending].
type Pending struct {
	Name    string `json:"name"`
	Content Text   `json:"content"`
}

// Text is UTF-8 text whose JSON form is a string.
type Text []byte

// MarshalText implements [encoding.TextMarshaler]. It fails if t is not UTF-8,
// because encoding/json would replace the invalid bytes.
func (t Text) MarshalText() ([]byte, error) {
	if !utf8.Valid(t) {
		return nil, errors.New("content is not UTF-8")
	}
	return t, nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Text) UnmarshalText(text []byte) error {
	*t = bytes.Clone(text)
	return nil
}

// ObjectState says whether the store holds a pending object.
type ObjectState string

// The states of a pending object.
const (
	Stored    ObjectState = "stored"    // each of its lines is in the archive, most often in the object
	Missing   ObjectState = "missing"   // no object has its name
	Different ObjectState = "different" // an object of its name has other content
)

// CheckPending returns the states of a document's pending objects, in their order. An
// object with other content is [Stored] if each of its lines is in the archive,
// and [Different] if the next run stores some of its lines again. CheckPending reads
// only such objects and those whose MD5 the store does not know, and the partitions
// of their missing lines. It checks at most limit objects at the same time; the lookup in
// partitions has its own limit.
//
// Errors are the store's, also those of a single object that may hold a missing line.
func CheckPending(ctx context.Context, s store.Reader, pending []Pending, limit int) ([]ObjectState, error) {
	states, missing := make([]ObjectState, len(pending)), make([][]objectLine, len(pending))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(limit, 1))
	for i, p := range pending {
		g.Go(func() error {
			state, content, err := p.look(gctx, s)
			if states[i] = state; state == Different {
				missing[i], _ = p.missingFrom(content)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	x := newIndex(s, func(slog.Level, string) {})
	if err := x.lookUpLines(ctx, slices.Concat(missing...)); err != nil {
		return nil, err
	}
	for i := range pending {
		if states[i] != Different {
			continue
		}
		nowhere := slices.DeleteFunc(missing[i], x.has)
		for _, l := range nowhere {
			if err := x.unreadableFor(l); err != nil {
				return nil, err
			}
		}
		if len(nowhere) == 0 {
			states[i] = Stored
		}
	}
	return states, nil
}

// Matches reports whether stored content with this MD5, in the form of
// [store.MD5], is that of the pending object.
func (p Pending) Matches(md5 string) bool { return md5 == store.MD5(p.Content) }

// look returns the state of the object in the store. It compares MD5 sums, and
// reads the object if its MD5 differs or is unknown. If the state is Different,
// look also returns the content that is stored.
func (p Pending) look(ctx context.Context, s store.Reader) (state ObjectState, content []byte, _ error) {
	attrs, err := s.Stat(ctx, p.Name)
	if err == nil && p.Matches(attrs.MD5) {
		return Stored, nil, nil
	}
	var object store.Object
	if err == nil {
		object, err = ReadObject(ctx, s, attrs)
	}
	switch {
	case errors.Is(err, store.ErrNotExist):
		return Missing, nil, nil
	case (err == nil || errors.Is(err, store.ErrDamaged)) && bytes.Equal(object.Body, p.Content): // the store knows no MD5 of it, or a wrong one
		return Stored, nil, nil
	case err != nil:
		return "", nil, err
	}
	return Different, object.Body, nil
}

// lines returns the lines of the object.
func (p Pending) lines() []objectLine {
	n, _ := ParseName(p.Name)
	return linesOf(n.Partition, p.Content)
}

// missingFrom returns those lines of the pending object that the stored content
// does not have, and the number of all lines.
func (p Pending) missingFrom(content []byte) (missing []objectLine, all int) {
	type key struct {
		id          int64
		fingerprint string
	}
	n, _ := ParseName(p.Name)
	stored := make(map[key]bool)
	for _, l := range linesOf(n.Partition, content) {
		stored[key{l.ID, l.Fingerprint}] = true
	}
	lines := p.lines()
	for _, l := range lines {
		if !stored[key{l.ID, l.Fingerprint}] {
			missing = append(missing, l)
		}
	}
	return missing, len(lines)
}

// maxPuts is the maximum number of times that ensure puts an object which the
// store then reports as missing.
const maxPuts = 4

// presence is the result of [Pending.ensure] for an object.
type presence struct {
	state   ObjectState
	content []byte // of the stored object if it is Different
	created bool   // this call has put the object
	// err says why the object cannot be looked at or put, and state is then empty.
	// The object may exist.
	err error
}

// ensure makes sure that an object with the name of p exists, unless the store
// does not let it look at the object or cannot hold an object of that name. It never
// overwrites an object. With putFirst it puts before it looks, which saves a call if
// the object is missing. Its error is that of a PUT, or that of a call that ctx ended.
func (p Pending) ensure(ctx context.Context, s store.Store, putFirst bool) (presence, error) {
	var unknown, refused error // of the last PUT with an unknown outcome, and of the last one refused
	for puts := 0; ; {
		if putFirst || puts > 0 {
			puts++
			_, err := s.Put(ctx, p.Name, p.Content, store.IfAbsent())
			switch {
			case err == nil:
				return presence{state: Stored, created: true}, nil
			case errors.Is(err, store.ErrPrecondition):
				refused = err
			case errors.Is(err, store.ErrInvalid): // such as a folder in its place
				return presence{err: err}, nil
			case ctx.Err() != nil, errors.Is(err, store.ErrAccess):
				return presence{}, err
			default:
				unknown = err
			}
		}
		state, content, err := p.look(ctx, s)
		switch {
		case err != nil && (unknown != nil || ctx.Err() != nil):
			return presence{}, errors.Join(unknown, err)
		case err != nil:
			return presence{err: err}, nil
		case state != Missing:
			return presence{state: state, content: content}, nil
		case unknown != nil:
			return presence{}, unknown
		case puts == maxPuts:
			// The answer goes in as text, because a wrapped store.ErrPrecondition
			// would pass for a conflict between two commits.
			return presence{}, fmt.Errorf("the store refuses the object and does not have it either; gave up after %d tries: %v", maxPuts, refused)
		}
		putFirst = true
	}
}
