// Package store is what the archive needs of a place that keeps objects: whole
// reads, attributes, listing, and writes that happen only under a condition.
//
// It holds the interface, its errors and the helpers that every store shares.
// The stores themselves are the packages below it; storetest is the one suite
// that all of them pass. What the objects mean is the archive's business.
package store

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"iter"
)

// The outcomes a caller may act upon. Test for them with errors.Is. Any other
// error (a timeout, a reset, a 5xx) leaves a write's outcome unknown: it may
// have happened, or may still happen.
var (
	// ErrNotExist: there is no object of that name. No store says so of a
	// missing bucket or folder, which is ErrAccess.
	ErrNotExist = errors.New("object does not exist")
	// ErrPrecondition: the write's condition did not hold, or another write to
	// the object was under way; this write had no effect. A store that repeats
	// requests may say so of a write whose own earlier, unanswered try took
	// effect: whoever has to know reads the object.
	ErrPrecondition = errors.New("precondition failed")
	// ErrAccess: the store as a whole cannot be used with these settings:
	// credentials, permissions, a missing bucket. This call had no effect, and
	// repeating it does not help.
	ErrAccess = errors.New("no access to the store")
	// ErrDamaged: what is read of an object is not what the store's own
	// checksum says, though it was asked for more than once.
	ErrDamaged = errors.New("content was damaged")
	// ErrInvalid: the name or condition can never be accepted.
	ErrInvalid = errors.New("invalid request")
)

// ETag identifies one state of an object. It is opaque, and empty only where a
// listing leaves it out.
type ETag string

// Attrs is what a store knows of an object without its content.
type Attrs struct {
	Name string
	Size int64
	ETag ETag
	// MD5 is the content's MD5 as base64, as in the Content-MD5 header; empty
	// if the store does not know it.
	MD5 string
}

// Object is an object's attributes and whole content.
type Object struct {
	Attrs
	Body []byte
}

// Reader is the half of a store that changes nothing.
//
// All methods return an error that wraps context.Cause(ctx) once ctx is done.
type Reader interface {
	// Get returns the whole object. Its content has been checked against the
	// store's own length and MD5: ErrDamaged if it does not agree with the MD5.
	// ErrNotExist if there is none.
	Get(ctx context.Context, name string) (Object, error)
	// Stat returns the object's attributes. An object that it has found
	// survives a crash, whoever wrote it. ErrNotExist if there is none.
	Stat(ctx context.Context, name string) (Attrs, error)
	// List yields the objects whose names begin with prefix, in ascending
	// order of their names' bytes, each once. An error ends the sequence. An
	// object written before List began is never missed; a store without any
	// such object yields nothing. ETag and MD5 are empty where the store would
	// have to read the content for them.
	List(ctx context.Context, prefix string) iter.Seq2[Attrs, error]
}

// Writer is the half of a store that changes it.
type Writer interface {
	// Put writes the whole object atomically and durably: no reader ever sees
	// a part of it, and once Put has returned nil it survives a crash. It
	// returns the object's new ETag.
	//
	// ErrPrecondition if cond does not hold. Of racing writers with the same
	// condition exactly one succeeds.
	Put(ctx context.Context, name string, body []byte, cond Cond) (ETag, error)
	// Delete removes the object if its ETag is etag. ErrNotExist if there is
	// none, ErrPrecondition if it has another ETag, ErrInvalid if etag is
	// empty.
	Delete(ctx context.Context, name string, etag ETag) error
}

// Store is a whole store. It is safe for concurrent use.
type Store interface {
	Reader
	Writer
	// String names the store as the user does, such as file:///var/lib/x or
	// oci://namespace/bucket. It holds no secret.
	String() string
}

// Cond is the condition of a Put. The zero Cond is refused as ErrInvalid, so
// that no write is unconditional by oversight.
type Cond struct {
	kind condKind
	etag ETag
}

type condKind uint8

const (
	condNone condKind = iota
	condAlways
	condAbsent
	condMatch
)

// Always lets the Put happen whatever is there.
func Always() Cond { return Cond{kind: condAlways} }

// IfAbsent lets the Put happen only if there is no such object.
func IfAbsent() Cond { return Cond{kind: condAbsent} }

// IfMatch lets the Put happen only if the object is there and has this ETag.
func IfMatch(etag ETag) Cond { return Cond{kind: condMatch, etag: etag} }

// Valid reports whether c is a condition at all.
func (c Cond) Valid() bool {
	return c.kind == condAlways || c.kind == condAbsent || c.kind == condMatch && c.etag != ""
}

// Absent reports whether c asks that there be no object.
func (c Cond) Absent() bool { return c.kind == condAbsent }

// Match returns the ETag that c asks for, and whether it asks for one.
func (c Cond) Match() (ETag, bool) { return c.etag, c.kind == condMatch }

// Allows reports whether c lets a Put happen onto an object in this state:
// its ETag, or "" if there is no object.
func (c Cond) Allows(current ETag) bool {
	switch c.kind {
	case condAlways:
		return true
	case condAbsent:
		return current == ""
	case condMatch:
		return current != "" && current == c.etag
	}
	return false
}

// MD5 returns the content's MD5 in the form of Attrs.MD5. It guards against
// damage in transit and storage, not against forgery.
func MD5(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}
