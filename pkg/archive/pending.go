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
	if err == nil && attrs.MD5 == "" { // such as an object uploaded in parts
		var object store.Object
		object, err = s.Get(ctx, p.Name)
		attrs.MD5 = store.MD5(object.Body)
	}
	switch {
	case errors.Is(err, store.ErrNotExist):
		return Missing, nil
	case err != nil:
		return "", err
	}
	return p.Compare(attrs.MD5), nil
}

// Compare returns the state of a pending object whose stored content has the
// given MD5, in the form of [store.MD5].
func (p Pending) Compare(md5 string) ObjectState {
	if md5 != store.MD5(p.Content) {
		return Different
	}
	return Stored
}

// maxPuts is the maximum number of times that ensure puts an object which the
// store then reports as missing.
const maxPuts = 3

// ensure makes sure that an object with the name of p exists. It returns the
// object's state, Stored or Different, and whether this call created it. It never
// overwrites an object. With putFirst it puts before it checks, which saves a
// call if the object is missing.
func (p Pending) ensure(ctx context.Context, s store.Store, putFirst bool) (state ObjectState, created bool, err error) {
	var unknown, refused error // of the last PUT with an unknown outcome, and of the last one refused
	for try := 1; ; try++ {
		if putFirst || try > 1 {
			_, err := s.Put(ctx, p.Name, p.Content, store.IfAbsent())
			switch {
			case err == nil:
				return Stored, true, nil
			case errors.Is(err, store.ErrPrecondition):
				refused = err
			case ctx.Err() != nil, errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrInvalid):
				return "", false, err
			default:
				unknown = err
			}
		}
		state, err := p.Check(ctx, s)
		switch {
		case err != nil:
			return "", false, errors.Join(unknown, err)
		case state != Missing:
			return state, false, nil
		case unknown != nil:
			return "", false, unknown
		case try == maxPuts:
			// The answer goes in as text, because a wrapped store.ErrPrecondition
			// would pass for a conflict between two commits.
			return "", false, fmt.Errorf("the store reports an object both as present and as missing; gave up after %d tries: %v", maxPuts, refused)
		}
	}
}
