package simtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
)

// The exit codes of a process.
const (
	exitOK      = 0
	exitFailed  = 1
	exitPartial = 3
)

// The time limits of a collect; see package cmd.
const (
	workTime   = 288 * time.Second
	reportTime = 12 * time.Second
)

// process is one run of the program.
type process struct {
	*world
	host *host
	step Step

	// The mutex of the world protects these fields.
	calls     map[string]int // the number of calls by method and name
	ended     bool
	dead      bool      // it was killed
	answer    answer    // to the current call of the API
	delivered []string  // the keys of the items that the API has sent
	upTo      time.Time // the time up to which the API has shown all events
	answered  time.Time // the time of the last answer with the newest events

	err      error // of the run
	accept   bool  // --accept-archive
	thorough bool  // a repair of everything
}

func (h *host) newProcess(s Step) *process {
	return &process{world: h.world, host: h, step: s, calls: make(map[string]int)}
}

func (p *process) String() string { return fmt.Sprintf("%s %d", p.step.Kind, p.step.ID) }

func (p *process) runID() string {
	return fmt.Sprintf("%s-%d-%x", p.step.Kind, p.step.ID, hashOf(p.plan.Seed, p.step.ID))
}

// begin returns the key of a call and a source of random numbers for it.
func (p *process) begin(method, name string) (key string, d draw) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nextCall(method, name)
}

// nextCall is begin for a caller that holds the mutex.
func (p *process) nextCall(method, name string) (key string, d draw) {
	key = method + " " + name
	p.calls[key]++
	if n := p.calls[key]; n > 1 {
		key = fmt.Sprintf("%s, number %d", key, n)
	}
	return key, draw(hashOf(p.plan.Seed, p.step.ID, key))
}

// faultID returns the name of a fault of a call in [Result.Faults].
func (p *process) faultID(key, fault string) string { return fmt.Sprintf("%s: %s: %s", p, key, fault) }

// isWithout reports whether the plan leaves out a fault.
func (p *process) isWithout(key, fault string) bool { return p.plan.Without[p.faultID(key, fault)] }

// noteFault notes a fault that happens.
func (p *process) noteFault(key, fault string) {
	p.faults = append(p.faults, p.faultID(key, fault))
	if method, _, _ := strings.Cut(key, " "); method != "API" || !strings.Contains(fault, "ago") {
		name, _, _ := strings.Cut(fault, ", Retry-After")
		p.seen[method+": "+name]++
	} else {
		p.seen["API: older answer"]++
	}
	p.note("  fault of %s", p.faultID(key, fault))
}

// failed reports whether the process ended with an error other than a partial success.
func (p *process) failed() bool { return exitCode(p.err) == exitFailed }

// run runs the process to its end.
func (p *process) run() {
	ctx, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	p.mu.Lock()
	p.active++
	p.mu.Unlock()
	if p.step.Kill > 0 {
		defer time.AfterFunc(p.step.Kill, func() { p.kill(cancel) }).Stop()
	}
	var r report.Report
	switch p.step.Kind {
	case Collect:
		ctx, stop := context.WithTimeout(ctx, workTime)
		defer stop()
		r, p.err = pipeline.Collect(ctx, p.options("collect"), p.client(false))
	case Backfill:
		p.err = p.backfill(ctx)
	case Import:
		p.err = p.importSaved(ctx)
	case Repair:
		p.err = p.repair(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.ended = true
	if p.dead {
		return
	}
	p.note("  %s ends: %v", p, p.err)
	p.seen[fmt.Sprintf("%s with exit code %d", p.step.Kind, exitCode(p.err))]++
	if errors.Is(p.err, archive.ErrLostCommits) {
		p.seen["refused the archive"]++
	}
	if !p.failed() {
		p.checkSuccess(r)
	}
}

// kill kills the process: its later calls have no effect.
func (p *process) kill(cancel context.CancelCauseFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.note("  %s is killed", p)
		p.seen["killed"]++
		p.dead = true
		cancel(errKilled)
	}
}

// checkSuccess checks the effect of a process that succeeded; r is the report of a collect.
func (p *process) checkSuccess(r report.Report) {
	if p.archive.away != nil && p.step.Kind != Repair {
		p.fail("%s succeeded in an archive that has vanished", p)
	}
	for _, key := range p.delivered {
		p.must[key] = true
		if !p.archive.isStored(key) {
			p.fail("%s succeeded, but an item that it fetched is not stored: %s", p, key)
			return
		}
	}
	if p.step.Kind != Collect {
		return
	}
	if p.upTo.After(p.lastFetch) {
		p.lastFetch = p.upTo
	}
	p.archive.checkCounts(p, r)
	p.countSeen(r)
}

// countSeen counts the cases that a report shows.
func (p *process) countSeen(r report.Report) {
	p.seen["healed objects"] += r.Counts.Healed
	p.seen["conflicts"] += r.Counts.CommitConflicts
	p.seen["unknown outcomes"] += r.Counts.CommitUnknownOutcomes
	p.seen["lookups"] += r.Counts.LookedUp
	p.seen["revisions"] += r.Counts.Revised
	p.seen["rejected items"] += r.Counts.Rejected
	if r.Gaps != nil {
		p.seen["open gaps after a run"] += r.Gaps.Open
		p.seen["unserved gaps after a run"] += r.Gaps.Unserved
	}
	for _, s := range r.Stages {
		p.seen["stage "+s.Name]++
	}
}

// exitCode returns the exit code for the result of a run.
func exitCode(err error) int {
	_, partial := errors.AsType[*pipeline.PartialError](err)
	switch {
	case err == nil:
		return exitOK
	case partial && !errors.Is(err, pipeline.ErrStore) && !errors.Is(err, pipeline.ErrAPI):
		return exitPartial
	}
	return exitFailed
}

// client returns a client of the API.
func (p *process) client(leaveRoom bool) pipeline.Source {
	c, err := polisen.NewClient(polisen.Options{
		URL: "https://polisen.example/api/events", UserAgent: "simulation", StateDir: p.host.stateDir,
		LeaveRoom: leaveRoom, Clock: &hostClock{p}, Transport: p,
	})
	if err != nil {
		panic(err)
	}
	return hostSource{c, p.host}
}

// options returns the options of a run of the pipeline.
func (p *process) options(command string) pipeline.Options {
	clock := &hostClock{p}
	return pipeline.Options{
		Report:     report.Report{RunID: p.runID(), Command: command, Host: p.host.name, Store: "mem:"},
		Recorder:   report.NewRecorder(clock.Now),
		Clock:      clock,
		OpenStore:  func(context.Context) (store.Store, error) { return p.wrap(session{p}), nil },
		Revisions:  true,
		GapSource:  p.client(true),
		Command:    commandLine,
		ReportTime: reportTime,
		MaxLag:     maxLag,
		HostState:  pipeline.NewHostState(p.host.stateDir),
		ExitCode:   exitCode,

		AcceptArchive: p.accept,
	}
}

// backfill fetches some of the last days.
func (p *process) backfill(ctx context.Context) error {
	_, d := p.begin("backfill", "")
	clock := &hostClock{p}
	to := archive.DateOf(clock.Now())
	if d.chance(0.5) {
		to = to.AddDays(-d.pick(20))
	}
	done, err := pipeline.OpenDoneDays(p.host.stateDir, "simulation", d.chance(0.5))
	if err != nil {
		return err
	}
	_, err = pipeline.BackfillDays(ctx, p.options("backfill"), pipeline.Days{
		From: to.AddDays(-d.pick(4)), To: to, Source: p.client(true), Done: done,
		ServedFrom: archive.ServedFrom(clock.Now().AddDate(0, 1, 0)),
	})
	return err
}

// importSaved stores the response to an older query for the newest events.
func (p *process) importSaved(ctx context.Context) error {
	_, d := p.begin("import", "")
	items := p.api.newest(time.Now().Add(-d.between(time.Minute, 10*24*time.Hour)))
	for _, v := range items {
		p.delivered = append(p.delivered, v.key)
	}
	o := p.options("backfill")
	o.HostState = o.HostState.ReadOnly()
	_, err := pipeline.BackfillSaved(ctx, o, saved.Read(ctx, []string{"-"}, bytes.NewReader(body(items))), nil)
	return err
}

// repair repairs the archive.
func (p *process) repair(ctx context.Context) error {
	_, d := p.begin("repair", "")
	clock := &hostClock{p}
	_, err := verify.Repair(ctx, p.wrap(session{p}), verify.Options{Concurrency: 2, Now: clock.Now}, verify.RepairOptions{
		Duplicates: d.chance(0.7) || p.thorough, Counts: d.chance(0.3) || p.thorough, Gaps: d.chance(0.3),
		Writer: archive.Options{RunID: p.runID(), Now: clock.Now, Pause: pipeline.Pause(clock)},
	})
	return err
}
