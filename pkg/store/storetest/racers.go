package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"polisen-events-collector/pkg/store"
)

const racers = 8

// race calls run for all racers at once and returns their results.
func race(run func(i int) (store.ETag, error)) (etags [racers]store.ETag, errs [racers]error) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			etags[i], errs[i] = run(i)
		})
	}
	close(start)
	wg.Wait()
	return etags, errs
}

func testOneCreatorWins(t *testing.T, s store.Store) {
	for round := range 5 {
		name := fmt.Sprintf("created/%d", round)
		etags, errs := race(func(i int) (store.ETag, error) {
			return s.Put(t.Context(), name, []byte(strconv.Itoa(i)), store.IfAbsent())
		})
		if winner := wantOneWinner(t, errs, store.ErrPrecondition); winner >= 0 {
			wantState(t, s, name, strconv.Itoa(winner), etags[winner])
		}
	}
}

// testOneReplacerWins races calls that replace an object with the same ETag.
func testOneReplacerWins(t *testing.T, s store.Store) {
	for round := range 5 {
		name := fmt.Sprintf("replaced/%d", round)
		first := put(t, s, name, "first", store.IfAbsent())
		etags, errs := race(func(i int) (store.ETag, error) {
			return s.Put(t.Context(), name, []byte(strconv.Itoa(i)), store.IfMatch(first))
		})
		if winner := wantOneWinner(t, errs, store.ErrPrecondition); winner >= 0 {
			wantState(t, s, name, strconv.Itoa(winner), etags[winner])
		}
	}
}

// wantOneWinner checks that exactly one racer has no error, and that the errors of
// the others wrap loss. It returns the winner, or -1.
func wantOneWinner(t *testing.T, errs [racers]error, loss error) int {
	t.Helper()
	winner, wins := -1, 0
	for i, err := range errs {
		if err == nil {
			winner = i
			wins++
			continue
		}
		wantOnly(t, err, loss)
	}
	if wins != 1 {
		t.Errorf("%d racers won, want one: %v", wins, errs)
		return -1
	}
	return winner
}

func testNoIncrementIsLost(t *testing.T, s store.Store) {
	const counters, each = 4, 10
	put(t, s, "counter", "0", store.IfAbsent())
	var wg sync.WaitGroup
	for range counters {
		wg.Go(func() {
			for range each {
				if err := Increment(t.Context(), s, "counter"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	o, err := s.Get(t.Context(), "counter")
	if err != nil || string(o.Body) != strconv.Itoa(counters*each) {
		t.Errorf("the counter is %s, %v; want %d", o.Body, err, counters*each)
	}
}

// Increment adds one to the number in the object, with conditional Puts that it
// repeats until one succeeds.
func Increment(ctx context.Context, s store.Store, name string) error {
	for {
		o, err := s.Get(ctx, name)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(o.Body))
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, name, []byte(strconv.Itoa(n+1)), store.IfMatch(o.ETag))
		if !errors.Is(err, store.ErrPrecondition) {
			return err
		}
	}
}

// testNoPartialReads reads an object while it is replaced with content of very
// different lengths. Each state of the content is one letter, repeated.
func testNoPartialReads(t *testing.T, s store.Store) {
	state := func(i int) []byte { return bytes.Repeat([]byte{'a' + byte(i%26)}, 1+i%26*7919) }
	put(t, s, "state", string(state(0)), store.IfAbsent())
	ctx, done := t.Context(), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 50 {
			if _, err := s.Put(ctx, "state", state(i), store.Always()); err != nil {
				t.Error(err)
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				o, err := s.Get(ctx, "state")
				if err != nil || o.Size == 0 {
					t.Errorf("read %+v, %v", o.Attrs, err)
					return
				}
				if want := state(int(o.Body[0] - 'a')); !bytes.Equal(o.Body, want) || o.MD5 != store.MD5(want) || o.Size != int64(len(want)) {
					t.Errorf("read %d of %d bytes, with %+v", len(o.Body), len(want), o.Attrs)
				}
				a, err := s.Stat(ctx, "state")
				if err != nil || a.MD5 != store.MD5(state(int(a.Size-1)/7919)) {
					t.Errorf("Stat gave attributes that fit no state: %+v, %v", a, err)
				}
			}
		})
	}
	wg.Wait()
}
