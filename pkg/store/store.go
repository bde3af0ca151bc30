// Package store defines how the archive reads and writes objects: it reads whole
// objects and their attributes, lists names, and writes under a condition.
//
// It holds the [Store] interface, its errors and the checks that all stores
// share. The stores are in the packages below it; package storetest has the
// tests that each of them passes. Stores know nothing about the content of
// objects.
package store

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
)

// Errors to test for with errors.Is. After any other error of a write (a
// timeout, a connection reset, a 5xx response) its outcome is unknown: the
// write may have happened, or may still happen.
var (
	// ErrNotExist means that there is no object of that name. For a missing
	// bucket the error is ErrAccess.
	ErrNotExist = errors.New("object does not exist")
	// ErrPrecondition means that a write had no effect because its condition
	// did not hold or another write to the object was in progress.
	//
	// A store that repeats requests may also return it if an earlier attempt of
	// the same write took effect and its response was lost. To tell the two
	// cases apart, read the object.
	ErrPrecondition = errors.New("precondition failed")
	// ErrAccess means that the store cannot be used with these settings: the
	// credentials, a permission, the bucket or the folder is wrong. The call had
	// no effect, and repeating it does not help.
	ErrAccess = errors.New("no access to the store")
	// ErrDamaged means that an object's content does not match its checksum,
	// even when read again.
	ErrDamaged = errors.New("content was damaged")
	// ErrInvalid means that the store does not accept the name, the condition, the
	// size of the body or its own settings. The call had no effect, and repeating it
	// does not help.
	ErrInvalid = errors.New("invalid request")
)

// MaxObject is the size in bytes of the largest object that a store reads or
// writes. The largest metadata document must fit: it holds up to 32 MiB of new lines, whose
// size the escapes of JSON can double.
const MaxObject = 96 << 20

// ErrTooLarge means that an object is larger than MaxObject.
var ErrTooLarge = fmt.Errorf("the object is larger than %d MiB", MaxObject>>20)

// ETag identifies one state of an object. It is opaque. It is empty only in
// attributes from [Reader.List], in stores that would have to read the content
// for it.
type ETag string

// Attrs holds the attributes of an object.
type Attrs struct {
	Name string
	Size int64 // bytes
	ETag ETag
	// MD5 is the content's MD5 in base64, as in the Content-MD5 header. It is
	// empty if the store does not know it.
	MD5 string
}

// Object is an object's attributes and whole content.
type Object struct {
	Attrs
	Body []byte
}

// Reader reads objects.
//
// All methods return an error that wraps context.Cause(ctx) once ctx is done, and
// one that wraps ErrAccess if the store cannot be used. Methods with a name
// return one that wraps ErrInvalid if [CheckName] does not accept it.
type Reader interface {
	// Get returns the object, after checking its content against the length
	// and the MD5 that the store has for it. The MD5 of the result is that of the
	// content. The error wraps ErrNotExist if
	// there is no such object, ErrDamaged if the MD5 does not match and
	// ErrTooLarge if the object is larger than MaxObject.
	Get(ctx context.Context, name string) (Object, error)
	// Stat returns the object's attributes. It first makes sure that the
	// object survives a crash of the machine, even if another process wrote
	// it. The error wraps ErrNotExist if there is no such object.
	Stat(ctx context.Context, name string) (Attrs, error)
	// List yields the objects whose names begin with prefix, each once, in
	// ascending byte order of their names. It yields every object that was
	// written before the iteration began and has not been deleted since. The
	// sequence ends after an error with an empty Attrs.Name. An error with a name
	// concerns only the objects of that name and below it (those whose names begin
	// with it and a slash), and the sequence goes on. ETag and MD5 are empty in
	// stores that would have to read the content for them.
	List(ctx context.Context, prefix string) iter.Seq2[Attrs, error]
}

// Writer writes objects. This program deletes none, so there is no method for it.
// The errors that [Reader] lists for all methods apply here, too.
type Writer interface {
	// Put writes the whole object and returns its new ETag. Readers see the
	// old content or the new, never a part of it. Once Put has returned nil,
	// the object survives a crash of the machine. Whenever the object survives
	// one, so do the objects that this Store's Get returned before the Put.
	//
	// The error wraps ErrPrecondition if cond does not hold, and ErrInvalid if
	// cond is not valid. Of concurrent Puts with the same IfAbsent or IfMatch
	// condition, exactly one succeeds.
	Put(ctx context.Context, name string, body []byte, cond Cond) (ETag, error)
}

// Store reads and writes objects. It is safe for concurrent use.
type Store interface {
	Reader
	Writer
	// String returns the store's address as the user writes it, such as
	// file:///var/lib/archive or oci://namespace/bucket. It holds no secret.
	String() string
}

// Cond is the condition of a Put: [Always], [IfAbsent] or [IfMatch]. The zero
// Cond is invalid, so that nobody writes unconditionally by mistake.
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

// Always lets the Put happen in any case.
func Always() Cond { return Cond{kind: condAlways} }

// IfAbsent lets the Put happen only if there is no such object.
func IfAbsent() Cond { return Cond{kind: condAbsent} }

// IfMatch lets the Put happen only if the object exists and has this ETag.
func IfMatch(etag ETag) Cond { return Cond{kind: condMatch, etag: etag} }

// Valid reports whether c was made by Always or IfAbsent, or by IfMatch with an
// ETag that is not empty.
func (c Cond) Valid() bool {
	return c.kind == condAlways || c.kind == condAbsent || c.kind == condMatch && c.etag != ""
}

// Absent reports whether c is IfAbsent.
func (c Cond) Absent() bool { return c.kind == condAbsent }

// Match returns the ETag of an IfMatch condition, and whether c is one.
func (c Cond) Match() (ETag, bool) { return c.etag, c.kind == condMatch }

// Allows reports whether c holds for an object with the ETag current, which is
// empty if there is no object.
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

// MD5 returns the MD5 of body in base64, the form of [Attrs].MD5. It detects
// damage in transit and in storage, not forgery.
func MD5(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// CheckCall checks the arguments of a call about one object; every store begins
// with it. The verb is the call's name in errors, such as "get". The error wraps
// ErrInvalid if [CheckName] does not accept the name, and context.Cause(ctx) if
// ctx is done.
func CheckCall(ctx context.Context, verb, name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", verb, name, context.Cause(ctx))
	}
	return nil
}

// CheckPut is CheckCall for a Put. Its error also wraps ErrInvalid if cond is
// not valid or if body is larger than MaxObject, in which case it wraps
// ErrTooLarge as well.
func CheckPut(ctx context.Context, name string, body []byte, cond Cond) error {
	if err := CheckCall(ctx, "put", name); err != nil {
		return err
	}
	if !cond.Valid() {
		return fmt.Errorf("put %s: %w: the condition is missing, or its ETag is empty", name, ErrInvalid)
	}
	if len(body) > MaxObject {
		return fmt.Errorf("put %s: %w: %w", name, ErrInvalid, ErrTooLarge)
	}
	return nil
}

// ConditionFailed returns the error of a write whose condition does not hold,
// which wraps ErrPrecondition. current is the object's ETag, or empty if there is
// no object.
func ConditionFailed(current ETag) error {
	if current == "" {
		return fmt.Errorf("%w: the object does not exist", ErrPrecondition)
	}
	return fmt.Errorf("%w: the object's ETag is %q", ErrPrecondition, current)
}
