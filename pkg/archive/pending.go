package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"polisen-events-collector/pkg/store"
)

// Pending is an object of the last commit, with its content.
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
	Stored    ObjectState = "stored"    // the object exists with the pending content
	Missing   ObjectState = "missing"   // no object has its name
	Different ObjectState = "different" // an object of its name has other content
)

// Check returns the state of the pending object in the store. It compares MD5
// sums, and reads the object if the store does not know its MD5. Errors are the
// store's.
func (p Pending) Check(ctx context.Context, s store.Reader) (ObjectState, error) {
	attrs, err := s.Stat(ctx, p.Name)
	if err == nil && attrs.MD5 != "" {
		return p.Compare(attrs.MD5), nil
	}
	state, _, err := p.read(ctx, s, attrs, err)
	return state, err
}

// look is like Check, but reads the object in any case if its MD5 differs. Then it
// also returns the content that is stored.
func (p Pending) look(ctx context.Context, s store.Reader) (state ObjectState, content []byte, err error) {
	attrs, err := s.Stat(ctx, p.Name)
	if err == nil && p.Compare(attrs.MD5) == Stored {
		return Stored, nil, nil
	}
	return p.read(ctx, s, attrs, err)
}

// read reads the object, given the result of Stat.
func (p Pending) read(ctx context.Context, s store.Reader, attrs store.Attrs, err error) (state ObjectState, content []byte, _ error) {
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

// Compare returns the state of a pending object whose stored content has the
// given MD5, in the form of [store.MD5].
func (p Pending) Compare(md5 string) ObjectState {
	if md5 != store.MD5(p.Content) {
		return Different
	}
	return Stored
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

// presence is what ensure has found out about a pending object.
type presence struct {
	state   ObjectState
	content []byte // of the stored object if it is Different
	created bool   // this call has put the object
	// err says why the object cannot be looked at, and state is then empty. The
	// object may exist.
	err error
}

// ensure makes sure that an object with the name of p exists, unless the store
// does not let it look at the object. It never overwrites an object. With putFirst
// it puts before it looks, which saves a call if the object is missing. Its error
// is that of a PUT.
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
			case ctx.Err() != nil, errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrInvalid):
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
