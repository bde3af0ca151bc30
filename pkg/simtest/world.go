package simtest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
)

// The limits of the health checks, as the command has them.
const (
	maxAge = 3 * time.Hour
	maxLag = 24 * time.Hour
)

// world is the state of one history.
type world struct {
	plan  Plan
	wrap  Wrap
	start time.Time
	dir   string // of the state folders
	api   *api
	hosts []*host
	ctx   context.Context

	mu        sync.Mutex // of all fields below, of the archive and of the hosts
	archive   *archiveModel
	active    int // the number of processes
	effects   int // the number of effects that are yet to come
	violation string
	tracing   bool
	trace     []string
	faults    []string
	seen      map[string]int
	hash      uint64

	// must are the keys of the lines that may not be lost: those in the responses to runs
	// that succeeded.
	must map[string]bool
	// lastFetch is the time up to which the runs that succeeded have seen all events that
	// were published, and lastSuccess the time of the last report of one.
	lastFetch, lastSuccess time.Time
	rightClocks            bool // no clock is ever wrong
	processes              sync.WaitGroup
}

// host is a machine with its own clock, state folder and address at the API.
type host struct {
	*world
	name      string
	stateDir  string
	clock     time.Duration // the error of its clock; positive if the clock is ahead
	boots     int
	booted    time.Time
	api       *polisentest.API
	notBefore time.Time // the end of the pause that the API asked for
}

// newWorld returns a world at the start of the history of a plan.
func newWorld(t *testing.T, p Plan, trace bool, wrap Wrap) *world {
	dir, err := os.MkdirTemp("/dev/shm", "simtest-") // in memory, where writes need no disk
	if err != nil {
		dir, err = os.MkdirTemp("", "simtest-")
	}
	if err != nil {
		t.Fatal(err)
	}
	if wrap == nil {
		wrap = func(s store.Store) store.Store { return s }
	}
	d := draw(hashOf(p.Seed, "world"))
	time.Sleep(time.Duration(200+d.pick(700))*24*time.Hour + d.between(time.Second, 24*time.Hour))
	start := time.Now()
	w := &world{
		plan: p, wrap: wrap, start: start, dir: dir, ctx: t.Context(), tracing: trace, api: newAPI(p, start), must: make(map[string]bool),
		seen: make(map[string]int),
	}
	w.archive = newArchive(w)
	for i, clock := range p.Clocks {
		name := fmt.Sprintf("host-%d", i)
		h := &host{world: w, name: name, stateDir: dir + "/" + name, clock: clock, booted: start.Add(-24 * time.Hour)}
		h.api = &polisentest.API{Now: time.Now, Default: h.answer}
		w.hosts = append(w.hosts, h)
	}
	w.rightClocks = p.startsRight() && !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Kind == StepClock })
	return w
}

func (w *world) close() { os.RemoveAll(w.dir) }

func (w *world) result() Result {
	return Result{Violation: w.violation, Trace: w.trace, Faults: w.faults, Seen: w.seen, Hash: w.hash}
}

// after calls f after d.
func (w *world) after(d time.Duration, f func()) {
	w.effects++
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.effects--
		f()
	})
}

// note adds a line to the trace.
func (w *world) note(format string, args ...any) {
	if w.tracing {
		at := time.Since(w.start)
		days := at / (24 * time.Hour)
		w.trace = append(w.trace, fmt.Sprintf("day %d, %v: ", days, (at-days*24*time.Hour).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

// fail notes a violation. Only the first one counts.
func (w *world) fail(format string, args ...any) {
	if w.violation == "" {
		w.violation = fmt.Sprintf(format, args...)
		w.note("VIOLATION: %s", w.violation)
	}
}

// noteCall notes a call that took effect.
func (w *world) noteCall(p *process, key string, err error) {
	w.hash = hashOf(w.hash, p.step.ID, key, time.Since(w.start), err != nil)
	if w.tracing {
		w.note("  %s: %s: %v", p, key, err)
	}
}

// play plays the whole history.
func (w *world) play() {
	for _, s := range w.plan.Steps {
		time.Sleep(time.Until(w.start.Add(s.At)))
		w.mu.Lock()
		stop := w.violation != ""
		w.note("%s", s)
		w.mu.Unlock()
		if stop {
			break
		}
		w.take(s)
	}
	w.processes.Wait()
	w.finish()
}

// take takes a step.
func (w *world) take(s Step) {
	h := w.hosts[s.Host]
	switch s.Kind {
	case StepClock:
		w.mu.Lock()
		h.clock += s.By
		w.mu.Unlock()
	case CheckHealth:
		w.mu.Lock()
		w.checkHealth()
		w.mu.Unlock()
	case Reboot:
		w.mu.Lock()
		h.boots++
		h.booted = time.Now()
		w.mu.Unlock()
	default:
		w.mu.Lock()
		disturbed := w.archive.disturb(s)
		w.mu.Unlock()
		if !disturbed {
			w.processes.Go(h.newProcess(s).run)
		}
	}
}

// calmTime is the longest time that the end of a history takes.
const calmTime = 3 * 24 * time.Hour

// finish lets the hosts run without faults until all gaps are closed, and then checks
// everything.
func (w *world) finish() {
	time.Sleep(maxLate + time.Minute)
	w.mu.Lock()
	for _, h := range w.hosts {
		h.clock = 0
	}
	w.archive.comeBack()
	w.archive.unreadable = nil
	failed, disturbed, older := w.violation != "", w.archive.disturbed, w.archive.older
	w.mu.Unlock()
	if failed {
		return
	}
	calm := 1_000_000
	var last *process
	for i := range 20 {
		calm++
		last = w.hosts[i%len(w.hosts)].newProcess(Step{ID: calm, Kind: Collect, Host: i % len(w.hosts)})
		last.accept = older // hosts may know a later commit
		if !w.mustRun(last) {
			return
		}
		w.mu.Lock()
		d := w.archive.document()
		w.mu.Unlock()
		if open, _ := d.GapDays(); i > len(w.hosts) && len(open) == 0 {
			break
		}
		time.Sleep(62 * time.Minute)
	}
	if disturbed {
		repair := w.hosts[0].newProcess(Step{ID: calm + 1, Kind: Repair})
		repair.thorough = true
		if !w.mustRun(repair) {
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.check()
}

// mustRun runs a process without faults, which must succeed.
func (w *world) mustRun(p *process) bool {
	p.run()
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.failed() {
		w.fail("%s failed without a fault: %v", p, p.err)
	}
	return w.violation == ""
}

// checkHealth makes a health check with a clock that is right, and checks that it says OK
// only if all promises hold.
func (w *world) checkHealth() {
	a := w.archive
	h, err := w.health()
	if err != nil {
		w.fail("health check: %v", err)
		return
	}
	w.note("health check: %s, %v", h.Status, h.Problems)
	w.seen["health check says "+string(h.Status)]++
	if h.Status != status.HealthOK {
		return
	}
	d := a.document()
	switch {
	case d == nil || a.last == nil && !a.disturbed:
		w.fail("the health check says OK without a document")
		return
	case d.Commit == nil: // another program wrote it, and the next run takes over the backup
		taken := *d
		taken.Take(a.backup())
		d = &taken
	}
	switch {
	case a.away != nil:
		w.fail("the health check says OK, and the archive has vanished")
		return
	case len(d.Gaps) > 0:
		w.fail("the health check says OK, and there are gaps: %+v", d.Gaps)
	case w.rightClocks && time.Since(w.lastSuccess) > maxAge+status.MaxSkew:
		w.fail("the health check says OK, and the last run succeeded %v ago", time.Since(w.lastSuccess))
	}
	if key, ok := least(w.must, func(key string, _ bool) bool { return !a.isStored(key) }); ok {
		w.fail("the health check says OK, and a line that a run fetched is missing: %s", key)
	}
	if time.Since(d.LastUpdated).Abs() >= status.PutGrace {
		for _, l := range a.last.lines() {
			if a.lines[l.key] == 0 {
				w.fail("the health check says OK, and a line of %s is not stored: %s", l.object, l.key)
			}
		}
	}
	w.checkComplete(d, w.lastFetch)
}

// check checks the archive at the end of a history.
func (w *world) check() {
	a := w.archive
	d := a.document()
	if d == nil {
		w.fail("there is no document at the end")
		return
	}
	if open, _ := d.GapDays(); len(open) > 0 {
		w.fail("gaps are open at the end: %v", open)
	}
	if key, ok := least(w.must, func(key string, _ bool) bool { return a.lines[key] == 0 }); ok {
		w.fail("a line that a run fetched is missing: %s", key)
	}
	if key, ok := least(a.lines, func(_ string, n int) bool { return n > 1 }); ok {
		w.fail("a line is stored %d times: %s", a.lines[key], key)
	}
	w.checkComplete(d, w.lastFetch)
	if d.Stored == nil {
		w.fail("the document has no counts at the end")
	} else if counts := a.storedCounts(); !maps.Equal(counts, d.Stored) {
		w.fail("the document counts %v, and the archive has %v", d.Stored, counts)
	}
	audit, err := verify.Audit(w.ctx, a.store, verify.Options{Concurrency: 1, Now: time.Now})
	switch {
	case err != nil:
		w.fail("audit: %v", err)
	case audit.Problems > audit.ByCheck[verify.MissingDays]: // checkComplete checks the days
		w.fail("the audit found: %v", audit.Findings)
	}
	h, err := w.health()
	// Hundreds of events at once may leave little time until events are missed.
	isShort := err == nil && h.Headroom != nil && time.Duration(*h.Headroom) < maxAge
	if err != nil || h.Status != status.HealthOK && h.Status != status.HealthWarning && !isShort {
		w.fail("the health check at the end: %v, %v", h, err)
	}
	for _, host := range w.hosts {
		if b := host.api.Breaches(); len(b) > 0 {
			w.fail("%s broke the API's rules: %q", host.name, b)
		}
	}
}

// least returns the least key of the entries that match, so that a history fails with the
// same message each time. It does not sort the keys, of which there are thousands.
func least[V any](m map[string]V, matches func(key string, value V) bool) (least string, ok bool) {
	for key, value := range m {
		if (!ok || key < least) && matches(key, value) {
			least, ok = key, true
		}
	}
	return least, ok
}

// checkComplete checks that each event that the API showed until the time of the last
// response is stored, or its day is a gap.
func (w *world) checkComplete(d *archive.Document, until time.Time) {
	gap := make(map[string]bool)
	for _, g := range d.Gaps {
		gap[g.Day] = true
	}
	for _, day := range d.AcceptedDays {
		gap[day] = true
	}
	a := w.archive
	if a.exempt {
		return
	}
	for _, n := range w.api.notices {
		first := n.versions[0]
		isGap := func(v *version) bool { return gap[v.day] }
		// Published late, or moved back: see "Limits" in PROTOCOL.md of package archive.
		gapsBegin := archive.Today(a.coveredAt(first.published)).Previous().String()
		isEarly := func(v *version) bool { return v.day < gapsBegin }
		isPending := func(v *version) bool { return a.last.has(v.key) }
		switch {
		case n.id == 0, !n.withdrawn.IsZero(), !n.hiddenFrom.IsZero(), a.events[n.id] > 0:
		case !first.published.After(a.exemptBefore), first.published.After(until):
		case slices.ContainsFunc(n.versions, isGap), slices.ContainsFunc(n.versions, isEarly), slices.ContainsFunc(n.versions, isPending):
		default:
			w.fail("event %d of %v, published %v after the start, is missing, and its day is no gap; covered_until was %v then",
				n.id, first.time, first.published.Sub(w.start), a.coveredAt(first.published))
		}
	}
}

// coveredAt returns the highest covered_until of the answers that the API made until a time.
func (a *archiveModel) coveredAt(t time.Time) (until time.Time) {
	for _, c := range a.covered {
		if !c.at.After(t) && c.until.After(until) {
			until = c.until
		}
	}
	return until
}

// health makes a health check.
func (w *world) health() (*status.Health, error) {
	return status.CheckHealth(w.ctx, w.archive.store, status.HealthOptions{
		MaxAge: maxAge, MaxLag: maxLag, Concurrency: 2, Now: time.Now(), Command: commandLine,
	})
}

func commandLine(args string) string { return "polisen-events-collector " + args }

// hostClock is the clock of a host as one process reads it.
type hostClock struct{ *process }

// Now implements [retry.Clock].
func (c *hostClock) Now() time.Time {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return time.Now().Add(c.host.clock)
}

// longestPause is the longest pause of the program that is random.
const longestPause = 1280 * time.Millisecond

// Sleep implements [retry.Clock]. A short sleep gets another length, since the program
// draws such lengths at random. A longer one lasts a little longer, as on a real machine,
// so that no two processes wake at the same moment.
func (c *hostClock) Sleep(ctx context.Context, d time.Duration) error {
	_, random := c.begin("Sleep", "")
	if d < longestPause {
		d = random.between(time.Millisecond, longestPause)
	} else {
		d += random.between(time.Microsecond, 20*time.Millisecond)
	}
	return retry.System.Sleep(ctx, d)
}

// Boot implements [retry.BootClock].
func (c *hostClock) Boot() (string, time.Duration) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return fmt.Sprint("boot ", c.host.boots), time.Since(c.host.booted)
}

var _ retry.BootClock = (*hostClock)(nil)

// hostDeadline is a context whose deadline is a time of the clock of a host.
type hostDeadline struct {
	context.Context
	host *host
}

func (c hostDeadline) Deadline() (time.Time, bool) {
	deadline, ok := c.Context.Deadline()
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return deadline.Add(c.host.clock), ok
}

// hostSource is a client of the API that reads the clock of a host.
type hostSource struct {
	*polisen.Client
	host *host
}

func (s hostSource) Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error) {
	return s.Client.Fetch(hostDeadline{ctx, s.host}, q)
}

var _ pipeline.Source = hostSource{}

// processKey is the key of the process in the context of a request.
type processKey struct{}

// answer returns the answer of the API to a request of a process.
func (h *host) answer(r *http.Request) polisentest.Answer {
	p := r.Context().Value(processKey{}).(*process)
	return p.answer.Answer
}

// RoundTrip implements [http.RoundTripper].
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	dateTime := r.URL.Query().Get("DateTime")
	key, d := p.begin("API", dateTime)
	time.Sleep(d.between(time.Millisecond, 50*time.Millisecond))
	p.mu.Lock()
	now := time.Now()
	if p.dead {
		p.mu.Unlock()
		return nil, errKilled
	}
	a := p.world.api.answerTo(dateTime, now, &d, p.step.APITrouble)
	if a.fault != "" && p.isWithout(key, a.fault) {
		a = p.world.api.answerTo(dateTime, now, &d, 0)
	}
	if a.fault != "" {
		p.noteFault(key, a.fault)
	}
	isFullHour := len(dateTime) > len(time.DateOnly) && len(a.items) == polisen.FullResponse
	if dateTime != "" && (a.fault != "" || isFullHour) {
		p.archive.faultyDays[dateTime[:len(time.DateOnly)]] = true
	}
	if now.Before(p.host.notBefore) {
		p.fail("%s called the API %v before the end of the pause that it asked for", p, p.host.notBefore.Sub(now))
	}
	p.noteCall(p, key, nil)
	p.mu.Unlock()
	if a.Status == 0 && a.Body == nil && !a.Reset && a.fault != "empty body" {
		a.Body = body(a.items)
	}
	a.Plain = true
	if a.Header == nil {
		a.Header = make(http.Header)
	}
	a.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	a.Delay += d.between(10*time.Millisecond, 5*time.Second)
	p.answer = a
	answer, err := p.host.api.RoundTrip(r.WithContext(context.WithValue(r.Context(), processKey{}, p)))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, errKilled
	}
	if seconds := a.Header.Get("Retry-After"); seconds != "" && err == nil {
		wait, _ := time.ParseDuration(seconds + "s")
		p.host.notBefore = now.Add(wait)
	}
	if dateTime == "" && err == nil {
		p.upTo, p.answered = a.upTo, a.made
	}
	if err == nil && a.Truncate == 0 {
		for _, v := range a.items {
			p.delivered = append(p.delivered, v.key)
		}
	}
	return answer, err
}
