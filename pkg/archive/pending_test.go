package archive_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// withoutMD5 is a store that knows no MD5 of its objects, as Object Storage does
// for objects that were uploaded in parts.
type withoutMD5 struct{ store.Store }

func (s withoutMD5) Stat(ctx context.Context, name string) (store.Attrs, error) {
	attrs, err := s.Store.Stat(ctx, name)
	attrs.MD5 = ""
	return attrs, err
}

// deletedAfterStat is a store without MD5 in which another process deletes each
// object between Stat and Get.
type deletedAfterStat struct{ withoutMD5 }

func (s deletedAfterStat) Get(ctx context.Context, name string) (store.Object, error) {
	s.Store.(*memstore.Store).Remove(name)
	return s.withoutMD5.Get(ctx, name)
}

func TestCheckPending(t *testing.T) {
	const name = "events/2026/01/01/events-1767250000.jsonl"
	p := archive.Pending{Name: name, Content: archive.Text("{}\n")}
	full := func(content string) store.Store {
		s := memstore.New()
		storetest.MustPut(t, s, name, content)
		return s
	}
	failing := func(k int, s store.Store) store.Store {
		return storetest.NewFaults(s, storetest.At(k, storetest.FailBefore()))
	}
	for _, test := range []struct {
		name  string
		store store.Store
		want  archive.ObjectState
		err   error
	}{
		{"stored", full("{}\n"), archive.Stored, nil},
		{"missing", memstore.New(), archive.Missing, nil},
		{"different", full("[]\n"), archive.Different, nil},
		{"stored, MD5 unknown", withoutMD5{full("{}\n")}, archive.Stored, nil},
		{"missing, MD5 unknown", withoutMD5{memstore.New()}, archive.Missing, nil},
		{"different, MD5 unknown", withoutMD5{full("[]\n")}, archive.Different, nil},
		{"different and empty, MD5 unknown", withoutMD5{full("")}, archive.Different, nil},
		{"stored, MD5 wrong", wrongMD5{full("{}\n")}, archive.Stored, nil},
		{"different, MD5 wrong", wrongMD5{full("[]\n")}, "", store.ErrDamaged},
		{"deleted between two calls", deletedAfterStat{withoutMD5{full("{}\n")}}, archive.Missing, nil},
		{"stat fails", failing(1, full("{}\n")), "", storetest.ErrFault},
		{"get fails, MD5 unknown", failing(2, withoutMD5{full("{}\n")}), "", storetest.ErrFault},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := archive.CheckPending(t.Context(), test.store, []archive.Pending{p}, 1)
			if !errors.Is(err, test.err) || err == nil && got[0] != test.want {
				t.Errorf("state %q, error %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

// TestCheckPendingReadsLittle checks that no partition is read for an object with other
// content if it has all lines.
func TestCheckPendingReadsLittle(t *testing.T) {
	const name = "events/2026/01/01/events-1767250000.jsonl"
	s := memstore.New()
	storetest.MustPut(t, s, name, "[]\n\n{}\n")
	f := storetest.NewFaults(s, nil)
	got, err := archive.CheckPending(t.Context(), f, []archive.Pending{{Name: name, Content: archive.Text("{}\n[]\n")}}, 1)
	if err != nil || got[0] != archive.Stored || len(f.Calls()) != 2 {
		t.Errorf("state %q, error %v, calls %v; want a stat and a get", got, err, f.Calls())
	}
}

// contradicting is a store that refuses each conditional PUT of a data object as
// if the object existed, and reports the object as missing.
type contradicting struct{ store.Store }

func (s contradicting) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if cond.Absent() && archive.DocumentName != name {
		return "", errors.Join(store.ErrPrecondition, errors.New("IfNoneMatchFailed"))
	}
	return s.Store.Put(ctx, name, body, cond)
}

func TestContradictingStore(t *testing.T) {
	s, b := memstore.New(), current(archivetest.Event(1, 0, "first"))
	_, err := run(contradicting{s}, b)
	if err == nil || !strings.Contains(err.Error(), "refuses the object and does not have it either") || !strings.Contains(err.Error(), "IfNoneMatchFailed") {
		t.Errorf("error %v, want both answers of the store", err)
	}
	if errors.Is(err, store.ErrPrecondition) {
		t.Errorf("error %v is a conflict", err)
	}
	mustRun(t, s, b) // heals
	m := newModel()
	m.add(b)
	m.Check(t, s)
}
