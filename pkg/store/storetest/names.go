package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"polisen-events-collector/pkg/store"
)

func testNames(t *testing.T, s store.Store) {
	unusual := []string{
		"a b/ c ", "å/ä/ö", "e\u0301 is not \u00e9", "q?x=1&y=2", "100%25", "%2e%2e/x", "h#t", "+/plus+", "{x}[y]*",
		"a..b/c~", "-", "--help", "'quoted'/\"twice\"", "semi;colon,comma", "C:/x", "日本/🚓", "metadata/last_seen.json",
		strings.Repeat("long/", 200) + "name",
	}
	for _, name := range unusual {
		etag := put(t, s, name, "content of "+name, store.IfAbsent())
		wantState(t, s, name, "content of "+name, etag)
		if got, err := s.Stat(t.Context(), name); err != nil || got != attrsOf(name, "content of "+name, etag) {
			t.Errorf("Stat of %q gave %+v, %v", name, got, err)
		}
	}
	slices.Sort(unusual)
	if got, err := Names(t.Context(), s, ""); err != nil || !slices.Equal(got, unusual) {
		t.Errorf("List yields %q, %v; want %q", got, err, unusual)
	}
}

func testInvalidNames(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, name := range []string{
		"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/./b", ".hidden", "a/.tmp/x", "a//b", "a/", "a\x00b", "a\nb", `a\b`,
		"\xff", strings.Repeat("x", 1025),
	} {
		_, getErr := s.Get(ctx, name)
		_, statErr := s.Stat(ctx, name)
		_, createErr := s.Put(ctx, name, []byte("x"), store.IfAbsent())
		_, replaceErr := s.Put(ctx, name, []byte("x"), store.IfMatch("x"))
		_, overwriteErr := s.Put(ctx, name, []byte("x"), store.Always())
		for _, err := range []error{getErr, statErr, createErr, replaceErr, overwriteErr} {
			wantOnly(t, err, store.ErrInvalid)
		}
	}
	if got, err := Names(ctx, s, ""); len(got) > 0 || err != nil {
		t.Errorf("List yields %q, %v; want nothing", got, err)
	}
}

// testList compares List with a filter over sorted names. Sorting these names
// folder by folder would give another order than sorting them by bytes.
func testList(t *testing.T, s store.Store) {
	all := []string{
		"a-b", "a/b-c", "a/b/1", "a/b/2", "a/b0", "a/bc", "a/bc.d/x", "a0", "ab/c", "A/x", "å",
		"events/2026/01/01/events-1.jsonl", "events/2026/01/01/events-10.jsonl", "events/2026/01/01/events-2.jsonl",
		"events/2026/01/10/events-3.jsonl", "events/2026/02/01/events-4.jsonl", "events-old/x", "events.txt",
	}
	for _, name := range all {
		put(t, s, name, name, store.IfAbsent())
	}
	slices.Sort(all)
	for _, prefix := range []string{
		"", "a", "a/", "a/b", "a/b/", "a/b/1", "a/b/1/", "a-", "A", "å", "events", "events/", "events/2026/01/0", "events/2026/01/01/events-1",
		"events/2026/01/01/events-1.jsonl", "events/2026/03/", "none", "/", "a//", ".", "..", "../", "a/../a/", "./a",
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		seq := s.List(t.Context(), prefix)
		for range 2 { // a sequence can be iterated again
			var got []string
			for a, err := range seq {
				if err != nil || a.Size != int64(len(a.Name)) {
					t.Errorf("prefix %q: got %+v, %v", prefix, a, err)
				}
				got = append(got, a.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("prefix %q: got %q, want %q", prefix, got, want)
			}
		}
		var first []string
		for a, err := range seq { // stop early
			if err == nil {
				first = append(first, a.Name)
			}
			break
		}
		if !slices.Equal(first, want[:min(1, len(want))]) {
			t.Errorf("prefix %q: the first name is %q", prefix, first)
		}
	}
}

// testListOfMany lists more objects than the 1000 that Object Storage returns in
// one response.
func testListOfMany(t *testing.T, s store.Store) {
	const days, each, writers = 35, 30, 8
	var want []string
	for day := range days {
		for i := range each {
			want = append(want, fmt.Sprintf("many/%02d/%d", day, i))
		}
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < len(want); i += writers {
				if _, err := s.Put(t.Context(), want[i], nil, store.IfAbsent()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	for _, prefix := range []string{"", "many/", "many/1", "many/17/"} {
		want := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		if got, err := Names(t.Context(), s, prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("prefix %q: got %d names, %v; want %d in order", prefix, len(got), err, len(want))
		}
	}
}

// testListDuringWrites checks that a listing yields each existing object once
// while a writer replaces them and creates others.
func testListDuringWrites(t *testing.T, s store.Store) {
	var want []string
	for i := range 40 {
		name := fmt.Sprintf("stays/%d/x%02d", i%3, i)
		put(t, s, name, "", store.IfAbsent())
		want = append(want, name)
	}
	slices.Sort(want)
	ctx, done := t.Context(), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 60 {
			_, err := s.Put(ctx, want[i*7%len(want)], []byte("replaced"), store.Always())
			if err != nil {
				t.Error(err)
			}
			if _, err := s.Put(ctx, fmt.Sprintf("stays/%d/new%d", i%4, i), nil, store.IfAbsent()); err != nil {
				t.Error(err)
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false // after one more listing
		default:
		}
		got, err := Names(ctx, s, "")
		if !slices.IsSorted(got) {
			t.Errorf("List is out of order: %q", got)
		}
		got = slices.DeleteFunc(got, func(name string) bool { return strings.Contains(name, "new") })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("List yields %d of %d objects, %v", len(got), len(want), err)
		}
	}
	wg.Wait()
}
