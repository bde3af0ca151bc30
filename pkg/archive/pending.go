package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"polisen-events-collector/pkg/store"
)

// Pending is an object of the last commit.
type Pending struct {
	Name    string `json:"name"`
	Content Text   `json:"content"`
}

// Text is UTF-8, in JSON a string.
type Text []byte

// MarshalText implements encoding.TextMarshaler. What is not UTF-8 is an error,
// since JSON would hold something else in its place.
func (t Text) MarshalText() ([]byte, error) {
	if !utf8.Valid(t) {
		return nil, errors.New("not UTF-8")
	}
	return t, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Text) UnmarshalText(text []byte) error {
	*t = bytes.Clone(text)
	return nil
}

// ObjectState says whether the store holds a pending object.
type ObjectState string

// The states of a pending object.
const (
	Stored    ObjectState = "stored"    // with the pending content
	Missing   ObjectState = "missing"   // there is no object of its name
	Different ObjectState = "different" // an object of its name holds something else
)

// Check asks the store for the pending object. It compares MD5 sums, and reads
// the object if the store knows none. Errors are the store's.
func (p Pending) Check(ctx context.Context, s store.Reader) (ObjectState, error) {
	attrs, err := s.Stat(ctx, p.Name)
	if errors.Is(err, store.ErrNotExist) {
		return Missing, nil
	}
	if err == nil && attrs.MD5 == "" { // such as an object uploaded in parts
		var object store.Object
		if object, err = s.Get(ctx, p.Name); err == nil {
			attrs.MD5 = store.MD5(object.Body)
		}
	}
	if err != nil {
		return "", fmt.Errorf("check %s: %w", p.Name, err)
	}
	return p.Compare(attrs.MD5), nil
}

// Compare returns the state of a pending object whose stored content has the
// given MD5 sum, in the form of [store.MD5].
func (p Pending) Compare(md5 string) ObjectState {
	if md5 != store.MD5(p.Content) {
		return Different
	}
	return Stored
}
