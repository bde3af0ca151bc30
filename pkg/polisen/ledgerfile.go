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
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// ledgerFile is the name of the ledger in the state folder, for all hosts.
const ledgerFile = "api-calls.json"

// ledgerBook is the content of the ledger's file.
type ledgerBook struct {
	Hosts map[string]*record `json:"hosts"`
}

// update has change look at and change the host's record while no other
// process does, and writes it down even if change fails. Its errors are those
// of change and ctx's cause: trouble with the file is a warning.
func (l *ledger) update(ctx context.Context, change func(*record) error) error {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	unlock, err := l.lock(ctx)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for %s, which another process uses: %w", filepath.Join(l.dir, ledgerFile), context.Cause(ctx))
	case err != nil:
		l.warn(fmt.Sprintf("the API's call limits are kept within this run only: lock the call ledger: %v; make the state folder writable", err))
		var alone record
		alone.merge(&l.own)
		return change(&alone)
	}
	defer unlock()

	book := l.read()
	r := book.Hosts[l.host]
	now := l.now()
	l.own.prune(now)
	r.merge(&l.own)
	r.prune(now)
	changeErr := change(r)
	if err := l.write(book, now); err != nil {
		l.warn(fmt.Sprintf("the API's call limits are kept within this run only: write the call ledger: %v; make the state folder writable", err))
	}
	return changeErr
}

// anyway is update for what is to be written down even after ctx is done,
// though not waited for long.
func (l *ledger) anyway(ctx context.Context, change func(*record)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := l.update(ctx, func(r *record) error { change(r); return nil }); err != nil {
		l.warn(fmt.Sprintf("the call ledger lags behind: %v", err))
	}
}

func (l *ledger) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(l.dir, 0o750); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(l.dir, "api-calls.lock"), flock.SetPermissions(0o640))
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return func() { _ = lock.Close() }, nil // closing is unlocking
}

// read returns the ledger, with a record of our host. Of a damaged one nothing
// is known but that it was written, perhaps just after a call.
func (l *ledger) read() ledgerBook {
	var book ledgerBook
	text, err := os.ReadFile(filepath.Join(l.dir, ledgerFile))
	if err == nil {
		err = json.Unmarshal(text, &book)
	}
	for _, r := range book.Hosts {
		if r == nil && err == nil {
			err = errors.New("a host without a record")
		}
	}
	if err != nil {
		book = ledgerBook{}
	}
	if book.Hosts == nil {
		book.Hosts = make(map[string]*record)
	}
	r := book.Hosts[l.host]
	if r == nil {
		r = new(record)
		book.Hosts[l.host] = r
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.warn(fmt.Sprintf("read the call ledger: %v; begun anew, as if a call had just been made", err))
		r.add(l.now())
	}
	slices.SortFunc(r.Calls, time.Time.Compare)
	return book
}

// write replaces the ledger, without hosts that no rule looks at any more.
func (l *ledger) write(book ledgerBook, now time.Time) error {
	for host, r := range book.Hosts {
		if r.prune(now); len(r.Calls) == 0 && len(r.NotFound) == 0 {
			delete(book.Hosts, host)
		}
	}
	text, err := json.MarshalIndent(book, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(l.dir, ledgerFile), append(text, '\n'), 0o640, renameio.WithTempDir(l.dir))
}

func (l *ledger) warn(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.warned, text) {
		l.warned = append(l.warned, text)
		l.onWarn(text)
	}
}
