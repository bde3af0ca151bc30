package verify_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/racetest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// history is one random history of an archive: runs and repairs whose store calls
// are interleaved one by one, some of which stall, fail or are killed, and another
// program that copies lines and reorders objects.
type history struct {
	*testing.T
	random *rand.Rand
	store  *memstore.Store
	stamp  int64           // of the newest object of the other program
	must   map[string]bool // the lines that may not be lost
	copies map[string]int  // how often each line may be stored: once, and the other program's copies
	moved  bool            // the other program has stored lines under events/
}

// process is one run or repair.
type process struct {
	*history
	mu     sync.Mutex
	calls  []chan error // of the calls that wait for process.proceed
	killed bool
	stalls bool // most of its calls proceed when all other processes have ended
}

var errLost = errors.New("lost request or reply")

// do waits for process.proceed, and then makes a call.
func (p *process) do(call func() error) error {
	waiting := make(chan error)
	p.mu.Lock()
	p.calls = append(p.calls, waiting)
	p.mu.Unlock()
	if err := <-waiting; err != nil {
		return err
	}
	err := call()
	return cmp.Or(<-waiting, err)
}

// proceed lets one of the process's calls proceed. The call may fail before or after its
// effect, and the process may be killed at it.
func (p *process) proceed() {
	waiting := p.calls[0]
	p.calls = p.calls[1:]
	var before, after error
	switch p.random.IntN(60) {
	case 0:
		before = errLost
	case 1:
		after = errLost
	case 2:
		p.killed = true
	}
	if p.killed {
		before, after = errLost, errLost
		if p.random.IntN(2) == 0 { // the last call takes effect
			before = nil
		}
	}
	waiting <- before
	if before == nil {
		waiting <- after
	}
	synctest.Wait()
	for p.killed && len(p.calls) > 0 {
		waiting, p.calls = p.calls[0], p.calls[1:]
		waiting <- errLost
		synctest.Wait()
	}
}

// stalling is the store of a process.
type stalling struct{ *process }

func (s stalling) String() string { return "mem:" }

func (s stalling) Get(ctx context.Context, name string) (o store.Object, err error) {
	err = s.do(func() (err error) { o, err = s.store.Get(ctx, name); return err })
	return o, err
}

func (s stalling) Stat(ctx context.Context, name string) (a store.Attrs, err error) {
	err = s.do(func() (err error) { a, err = s.store.Stat(ctx, name); return err })
	return a, err
}

func (s stalling) Put(ctx context.Context, name string, body []byte, cond store.Cond) (etag store.ETag, err error) {
	err = s.do(func() (err error) { etag, err = s.store.Put(ctx, name, body, cond); return err })
	return etag, err
}

func (s stalling) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		var all []store.Attrs
		err := s.do(func() error {
			for a, err := range s.store.List(ctx, prefix) {
				if err != nil {
					return err
				}
				all = append(all, a)
			}
			return nil
		})
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Attrs{}, err)
		}
	}
}

// items returns a random response: versions of a few events of three days, and
// rejected items.
func (h *history) items() archive.Batch {
	b := archive.Batch{ObservedAt: now, Current: h.random.IntN(2) == 0}
	for range 1 + h.random.IntN(4) {
		id := 1 + h.random.Int64N(6)
		b.Events = append(b.Events, event(id, 1+int(id)%3, []string{"first", "second", "third"}[h.random.IntN(3)]))
	}
	if h.random.IntN(3) == 0 {
		b.Rejected = append(b.Rejected, polisen.Rejected{Reason: "no id", Raw: fmt.Appendf(nil, "%d", h.random.IntN(2))})
	}
	return b
}

// keysOf returns the keys of the lines of a batch.
func keysOf(b archive.Batch) []string {
	var keys []string
	for _, e := range b.Events {
		keys = append(keys, keyOf(archive.Events, e.Raw))
	}
	for _, r := range b.Rejected {
		keys = append(keys, "rejected: "+polisen.Fingerprint(r.Raw))
	}
	return keys
}

// keyOf returns the same text for all copies of a line.
func keyOf(k archive.Kind, raw []byte) string {
	l, reason := archive.ParseLine(k, raw)
	switch {
	case reason != "":
		return string(raw)
	case k == archive.Rejected:
		return "rejected: " + l.Fingerprint
	}
	return fmt.Sprint(l.ID, " ", l.Fingerprint)
}

// stored returns how often each line is stored.
func (h *history) stored() map[string]int {
	counts := make(map[string]int)
	for name, body := range storetest.Objects(h, h.store) {
		if n, ok := archive.ParseName(name); ok {
			for _, raw := range archive.Lines(body) {
				counts[keyOf(n.Kind, raw)]++
			}
		}
	}
	return counts
}

// edit makes a change as another program: it reorders an object, adds an event to it, or
// stores copies of some lines in a new object. beside says that processes are at work.
func (h *history) edit(beside bool) {
	objects := storetest.Objects(h, h.store)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		if _, ok := archive.ParseName(name); ok && len(objects[name]) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	name := names[h.random.IntN(len(names))]
	lines := slices.Collect(strings.Lines(string(objects[name])))
	h.random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	switch h.random.IntN(6) {
	case 0:
		storetest.MustPut(h.T, h.store, name, strings.Join(lines, ""))
		return
	case 1: // the program uses the same name for a new event of its own
		if n, _ := archive.ParseName(name); n.Kind == archive.Events {
			h.stamp++
			added := line(h.stamp, n.Date.Day, "first")
			h.must[keyOf(archive.Events, []byte(added[:len(added)-1]))] = true
			h.copies[keyOf(archive.Events, []byte(added[:len(added)-1]))] = 1
			storetest.MustPut(h.T, h.store, name, added+string(objects[name]))
			return
		}
	}
	lines = lines[:1+h.random.IntN(len(lines))]
	to, _ := archive.ParseName(name)
	if to.Kind == archive.Revisions && h.random.IntN(2) == 0 {
		to.Kind = archive.Events
	} else if to.Kind == archive.Events && h.random.IntN(4) == 0 {
		to.Kind = archive.Revisions
	}
	if h.random.IntN(6) == 0 {
		to.Date.Day = 1 + h.random.IntN(9)
	}
	h.stamp++
	to.Timestamp = h.stamp + 1_000_000_000 // after all commits
	if h.random.IntN(2) == 0 && !(beside && to.Kind == archive.Events) {
		to.Timestamp = h.stamp // before them; beside repairs it could make another version the event
	}
	for _, line := range lines {
		key := keyOf(to.Kind, []byte(strings.TrimSuffix(line, "\n")))
		h.must[key] = true
		h.copies[key]++
		h.moved = h.moved || to.Kind == archive.Events
	}
	storetest.MustPut(h.T, h.store, to.String(), strings.Join(lines, ""))
}

// start starts a process.
func (h *history) start(work func(s store.Store, o archive.Options)) *process {
	p := &process{history: h, stalls: h.random.IntN(4) == 0}
	o := writerOptions()
	at := now.Add(time.Duration(h.random.Int64N(int64(6*24*time.Hour))) - 3*24*time.Hour) // clocks are days apart
	o.Now = func() time.Time { return at }
	go work(stalling{p}, o)
	return p
}

// run starts a run that stores a batch.
func (h *history) run(b archive.Batch) *process {
	for _, key := range keysOf(b) {
		h.copies[key] = max(h.copies[key], 1)
	}
	return h.start(func(s store.Store, o archive.Options) {
		w := archive.NewWriter(s, o)
		if _, err := w.Add(context.Background(), b); err != nil {
			return
		}
		for _, key := range keysOf(b) {
			h.must[key] = true
		}
		_ = w.Flush(context.Background())
	})
}

// repair starts a repair of duplicates.
func (h *history) repair() *process {
	return h.start(func(s store.Store, w archive.Options) {
		o := options()
		o.Now = w.Now
		_, _ = verify.Repair(context.Background(), s, o, verify.RepairOptions{Duplicates: true, Writer: w})
	})
}

// interleave lets the calls of the processes proceed one by one, in random order, until all
// processes have ended. Before each call the other program makes a change with the
// probability edits.
func (h *history) interleave(edits float64, processes ...*process) {
	for {
		synctest.Wait()
		waiting := slices.DeleteFunc(slices.Clone(processes), func(p *process) bool { return len(p.calls) == 0 })
		if len(waiting) == 0 {
			return
		}
		active := slices.DeleteFunc(slices.Clone(waiting), func(p *process) bool { return p.stalls && h.random.IntN(40) > 0 })
		if len(active) == 0 {
			active = waiting
		}
		if h.random.Float64() < edits {
			h.edit(true)
		}
		p := active[h.random.IntN(len(active))]
		h.random.Shuffle(len(p.calls), func(i, j int) { p.calls[i], p.calls[j] = p.calls[j], p.calls[i] })
		p.proceed()
	}
}

// check checks that nothing is lost, and that runs and repairs have stored nothing
// twice.
func (h *history) check(when string) {
	h.Helper()
	stored := h.stored()
	for key, n := range stored {
		most := h.copies[key]
		if h.moved { // a repair stores a later version under revisions/ before it removes it from events/
			most++
		}
		if n > most {
			h.Fatalf("%s: %s is stored %d times, want at most %d", when, key, n, most)
		}
	}
	if o, err := h.store.Get(h.Context(), archive.DocumentName); err == nil {
		d, err := archive.ParseDocument(o.Body)
		if err != nil {
			h.Fatal(err)
		}
		for _, p := range d.Pending { // the next run stores these lines if they are nowhere
			n, _ := archive.ParseName(p.Name)
			for _, raw := range archive.Lines(p.Content) {
				stored[keyOf(n.Kind, raw)]++
			}
		}
	}
	for key := range h.must {
		if stored[key] == 0 {
			h.Fatalf("%s: lost %s", when, key)
		}
	}
}

// play plays one history.
func (h *history) play() {
	for range 1 + h.random.IntN(3) {
		h.interleave(0, h.run(h.items()))
		for range h.random.IntN(3) {
			h.edit(false)
		}
	}
	h.check("at the start")
	edits := []float64{0, 0.1}[h.random.IntN(2)]
	for range 1 + h.random.IntN(2) {
		processes := []*process{h.repair()}
		for range 1 + h.random.IntN(3) {
			if h.random.IntN(2) == 0 {
				processes = append(processes, h.repair())
			} else {
				processes = append(processes, h.run(h.items()))
			}
		}
		h.interleave(edits, processes...)
		h.check("after the processes")
	}
	if err := repairDuplicates(h.store); err != nil {
		h.Fatal(err)
	}
	h.check("after the last repair")
	for key, n := range h.stored() {
		if n != 1 {
			h.Fatalf("after the last repair: %s is stored %d times", key, n)
		}
	}
	if c := archivetest.Read(h, h.store); len(c.Problems) > 0 {
		h.Fatalf("problems:\n%s", strings.Join(c.Problems, "\n"))
	}
	if r, err := verify.Audit(h.Context(), h.store, options()); err != nil || r.Problems > r.ByCheck[verify.ArchiveMissing]+r.ByCheck[verify.MissingDays] {
		h.Fatalf("audit: %v: %v", err, r)
	}
}

// TestModel plays random histories. In none of them is a line lost, or stored twice
// by this program, and a last repair leaves each line once.
func TestModel(t *testing.T) {
	for seed := range racetest.Size(100, archivetest.Size(600, 6_000)) {
		ok := t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &history{
					T: t, random: rand.New(rand.NewPCG(uint64(seed), 0)), store: memstore.New(), stamp: 1_000_000_000,
					must: make(map[string]bool), copies: make(map[string]int),
				}
				h.play()
			})
		})
		if !ok {
			t.Fatalf("seed %d", seed)
		}
	}
}
