// Package storetest has tests and helpers for stores: [Run], the tests that each
// store passes, and [Faults], which makes the calls of a store fail by a script
// and records them.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"polisen-events-collector/pkg/store"
)

// Run checks that a store does what [store.Store] promises. It calls open for
// each of its tests; open returns an empty store.
//
// No test puts both an object "a" and an object "a/b", since a dirstore cannot
// hold both.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"put conditions", testPutConditions},
		{"size limit", testSizeLimit},
		{"attributes", testAttributes},
		{"bytes are copied", testBytesAreCopied},
		{"names", testNames},
		{"invalid names", testInvalidNames},
		{"ended context", testEndedContext},
		{"list", testList},
		{"list of many", testListOfMany},
		{"list during writes", testListDuringWrites},
		{"one creator wins", testOneCreatorWins},
		{"one replacer wins", testOneReplacerWins},
		{"no increment is lost", testNoIncrementIsLost},
		{"no partial reads", testNoPartialReads},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

func testPutConditions(t *testing.T, s store.Store) {
	tests := []struct {
		name   string
		exists bool
		cond   func(current, past store.ETag) store.Cond
		want   error
	}{
		{"always, onto nothing", false, func(_, _ store.ETag) store.Cond { return store.Always() }, nil},
		{"always, onto an object", true, func(_, _ store.ETag) store.Cond { return store.Always() }, nil},
		{"if absent, onto nothing", false, func(_, _ store.ETag) store.Cond { return store.IfAbsent() }, nil},
		{"if absent, onto an object", true, func(_, _ store.ETag) store.Cond { return store.IfAbsent() }, store.ErrPrecondition},
		{"if match, onto the object", true, func(current, _ store.ETag) store.Cond { return store.IfMatch(current) }, nil},
		{"if match, onto a later state", true, func(_, past store.ETag) store.Cond { return store.IfMatch(past) }, store.ErrPrecondition},
		{"if match, onto nothing", false, func(_, past store.ETag) store.Cond { return store.IfMatch(past) }, store.ErrPrecondition},
		{"zero, onto nothing", false, func(_, _ store.ETag) store.Cond { return store.Cond{} }, store.ErrInvalid},
		{"zero, onto an object", true, func(_, _ store.ETag) store.Cond { return store.Cond{} }, store.ErrInvalid},
		{"no ETag, onto nothing", false, func(_, _ store.ETag) store.Cond { return store.IfMatch("") }, store.ErrInvalid},
		{"no ETag, onto an object", true, func(_, _ store.ETag) store.Cond { return store.IfMatch("") }, store.ErrInvalid},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, name := t.Context(), fmt.Sprintf("put/%d", i)
			current, past := prepare(t, s, name, tt.exists)
			etag, err := s.Put(ctx, name, []byte("new"), tt.cond(current, past))
			wantOnly(t, err, tt.want)
			switch {
			case tt.want == nil:
				if etag == "" || etag == current || etag == past {
					t.Errorf("ETag is %q, after %q and %q", etag, past, current)
				}
				wantState(t, s, name, "new", etag)
			case etag != "":
				t.Errorf("failed Put returned %q", etag)
			case tt.exists:
				wantState(t, s, name, "current", current)
			default:
				wantNone(t, s, name)
			}
		})
	}
}

// prepare puts an object twice: this one if exists is set, else another one. It
// returns the ETags of the second and the first Put.
func prepare(t *testing.T, s store.Store, name string, exists bool) (current, past store.ETag) {
	t.Helper()
	if !exists {
		name = "other/" + name
	}
	past = put(t, s, name, "past", store.IfAbsent())
	current = put(t, s, name, "current", store.IfMatch(past))
	if past == "" || current == "" || past == current {
		t.Fatalf("ETags of two states are %q and %q", past, current)
	}
	return current, past
}

// testSizeLimit puts an object that no store would read.
func testSizeLimit(t *testing.T, s store.Store) {
	etag := put(t, s, "large", "small", store.IfAbsent())
	body := make([]byte, store.MaxObject+1)
	for _, name := range []string{"large", "new"} {
		for _, cond := range []store.Cond{store.Always(), store.IfAbsent(), store.IfMatch(etag)} {
			_, err := s.Put(t.Context(), name, body, cond)
			wantOnly(t, err, store.ErrInvalid)
			if !errors.Is(err, store.ErrTooLarge) {
				t.Errorf("%v does not wrap ErrTooLarge", err)
			}
		}
	}
	wantState(t, s, "large", "small", etag)
	wantNone(t, s, "new")
}

// testAttributes compares the attributes that Put, Get, Stat and List return. List
// may leave out ETag and MD5.
func testAttributes(t *testing.T, s store.Store) {
	ctx := t.Context()
	for name, body := range map[string][]byte{
		"attributes/nil":    nil,
		"attributes/empty":  {},
		"attributes/binary": []byte("\x00\xff\r\n\xc3"),
		"attributes/text":   []byte(`{"a": "åäö"}` + "\n"),
		"attributes/2 MiB":  bytes.Repeat([]byte("0123456789abcdef"), 2<<20/16),
	} {
		want := attrsOf(name, string(body), put(t, s, name, string(body), store.IfAbsent()))
		if want.ETag == "" {
			t.Errorf("Put of %d bytes returned no ETag", len(body))
		}
		got, err := s.Get(ctx, name)
		if err != nil || got.Attrs != want || !bytes.Equal(got.Body, body) {
			t.Errorf("Get gave %+v and %d bytes, %v; want %+v", got.Attrs, len(got.Body), err, want)
		}
		if got, err := s.Stat(ctx, name); err != nil || got != want {
			t.Errorf("Stat gave %+v, %v; want %+v", got, err, want)
		}
		for got, err := range s.List(ctx, name) {
			if got.ETag == "" {
				got.ETag = want.ETag
			}
			if got.MD5 == "" {
				got.MD5 = want.MD5
			}
			if err != nil || got != want {
				t.Errorf("List gave %+v, %v; want %+v", got, err, want)
			}
		}
	}
}

func testBytesAreCopied(t *testing.T, s store.Store) {
	ctx, body := t.Context(), []byte("as written")
	etag, err := s.Put(ctx, "copied", body, store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	wantState(t, s, "copied", "as written", etag)
	if o, err := s.Get(ctx, "copied"); err == nil {
		clear(o.Body)
	}
	wantState(t, s, "copied", "as written", etag)
}

// testEndedContext calls each method with a context that has ended, with and
// without a cause of its own. No call may have an effect.
func testEndedContext(t *testing.T, s store.Store) {
	etag := put(t, s, "object", "before", store.IfAbsent())
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cause := errors.New("cancelled by the test")
	caused, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(cause)
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, cause: caused} {
		_, getErr := s.Get(ctx, "object")
		_, statErr := s.Stat(ctx, "object")
		_, putErr := s.Put(ctx, "new", []byte("after"), store.IfAbsent())
		_, replaceErr := s.Put(ctx, "object", []byte("after"), store.IfMatch(etag))
		_, overwriteErr := s.Put(ctx, "object", []byte("after"), store.Always())
		_, listErr := Names(ctx, s, "")
		for call, err := range map[string]error{
			"Get": getErr, "Stat": statErr, "Put if absent": putErr, "Put if match": replaceErr,
			"Put always": overwriteErr, "List": listErr,
		} {
			if !errors.Is(err, want) {
				t.Errorf("%s with a context that ended with %q gave %v", call, want, err)
			}
		}
	}
	wantState(t, s, "object", "before", etag)
	wantNone(t, s, "new")

	// A listing ends with an error if its context ends.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put(t, s, "object 2", "", store.IfAbsent())
	var last error
	for _, err := range s.List(ctx, "") {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("List cancelled at its first object ended with %v", last)
	}
}
