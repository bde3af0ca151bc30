package polisen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// ledgerPath is the ledger's file for the calls of a host, which may have a port.
func ledgerPath(dir, host string) string {
	plain := strings.NewReplacer(":", "_", "[", "", "]", "").Replace(strings.ToLower(host))
	return filepath.Join(dir, "api-calls-"+plain+".json")
}

// page is an open ledger, which nobody else uses until it is closed.
type page struct {
	record
	ledger *ledger
	lock   *flock.Flock // nil if the file cannot be used
}

// open waits until no other goroutine and no other process uses the ledger.
// Its error is ctx's cause, and ErrRefused if that is the deadline: trouble with
// the file is a warning, and makes a page of what this process alone knows.
func (l *ledger) open(ctx context.Context) (*page, error) {
	select {
	case l.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, l.occupied(ctx)
	}
	p := &page{ledger: l}
	var err error
	p.lock, err = l.lock(ctx)
	if ctx.Err() != nil {
		if p.lock != nil {
			_ = p.lock.Close()
		}
		<-l.busy
		return nil, l.occupied(ctx)
	}
	if err != nil {
		l.alone("lock the call ledger", err)
	}
	now := l.now()
	p.record, err = readLedger(l.path)
	if err != nil && p.lock != nil && !l.anew { // nobody knows how many calls it held
		l.anew = true // once: it may be that the file cannot be written either
		l.warn(fmt.Sprintf("the call ledger is begun anew, as if %d calls had just been made: read %s", CallsPerHour, l.path), err)
		l.own.assume(CallsPerHour, now)
	}
	if !p.UnderWay.IsZero() { // it may have reached the API at any time until now
		p.remove(p.UnderWay)
		p.add(now)
		p.UnderWay = time.Time{}
	}
	p.merge(&l.own)
	p.prune(now)
	l.own.prune(now)
	return p, nil
}

// occupied is the error of whoever could not wait any longer for the ledger.
func (l *ledger) occupied(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: another call is under way, and did not end before this run's deadline: %w", ErrRefused, context.Cause(ctx))
	}
	return fmt.Errorf("wait for the end of another call: %w", context.Cause(ctx))
}

// alone warns that other processes do not hear of this one's calls.
func (l *ledger) alone(doing string, err error) {
	l.warn("the API's call limits are kept within this run only: "+doing, fmt.Errorf("%w; make the state folder writable, with room in it", err))
}

func (l *ledger) lock(ctx context.Context) (*flock.Flock, error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o750); err != nil {
		return nil, err
	}
	lock := flock.New(strings.TrimSuffix(l.path, ".json")+".lock", flock.SetPermissions(0o640))
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// readLedger returns what the file says; nothing if there is none.
func readLedger(path string) (r record, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // whoever warns names the path
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && r.Calls == nil {
		err = errors.New("it lists no calls")
	}
	if err != nil {
		return record{}, err
	}
	slices.SortFunc(r.Calls, time.Time.Compare)
	return r, nil
}

func (p *page) save() {
	if p.lock == nil {
		return
	}
	if p.Calls == nil {
		p.Calls = []time.Time{} // in JSON a list, as readLedger wants it
	}
	text, err := json.MarshalIndent(p.record, "", "  ")
	if err == nil {
		path := p.ledger.path
		err = renameio.WriteFile(path, append(text, '\n'), 0o640, renameio.WithTempDir(filepath.Dir(path)))
	}
	if err != nil {
		p.ledger.alone("write the call ledger", err)
	}
}

func (p *page) close() {
	if p.lock != nil {
		_ = p.lock.Close() // which unlocks it
	}
	<-p.ledger.busy
}

// warn tells of each kind of trouble once. The ledger is in use by the caller.
func (l *ledger) warn(what string, err error) {
	if l.warned[what] {
		return
	}
	if l.warned == nil {
		l.warned = make(map[string]bool)
	}
	l.warned[what] = true
	l.onWarn(what + ": " + err.Error())
}
