package simtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// The kinds of steps that change the archive, as another program, a person or a broken
// disk does. They need an archive with a document, and that no process is under way and
// all objects of the last commit are stored; otherwise they change nothing, since
// PROTOCOL.md promises nothing about them then.
const (
	LoseDocument    Kind = "delete the document"
	DamageDocument  Kind = "damage the document"
	ForeignDocument Kind = "write the document as another program does"
	// OlderDocument needs hosts that all know a later commit, or a report that knows one.
	OlderDocument Kind = "restore an older document"
	// Vanish makes the archive vanish, like a disk that is not mounted. It needs hosts that
	// all know a commit.
	Vanish Kind = "the archive vanishes"
	Return Kind = "the archive returns"
	// Unreadable makes some objects unreadable.
	Unreadable Kind = "some objects cannot be read"
	Readable   Kind = "all objects can be read again"
	Copy       Kind = "copy lines to another object"
	Reorder    Kind = "reorder the lines of an object"
)

// disturbances returns the kinds of steps that begin a change of the archive and, by kind,
// the step that ends the change later.
func disturbances() ([]Kind, map[Kind]Kind) {
	return []Kind{LoseDocument, DamageDocument, ForeignDocument, OlderDocument, Vanish, Unreadable, Copy, Reorder},
		map[Kind]Kind{Vanish: Return, Unreadable: Readable}
}

// disturb takes a step that changes the archive. It reports false for other steps.
func (a *archiveModel) disturb(s Step) bool {
	d := draw(hashOf(a.plan.Seed, s.ID, "disturb"))
	switch s.Kind {
	case Return:
		a.comeBack()
		return true
	case Readable:
		a.unreadable = nil
		return true
	}
	if all, _ := disturbances(); !slices.Contains(all, s.Kind) {
		return false
	}
	if !a.isCalm() {
		a.note("  not now")
		return true
	}
	a.seen[string(s.Kind)]++
	body := a.body(archive.DocumentName)
	switch s.Kind {
	case LoseDocument:
		a.store.Remove(archive.DocumentName)
		a.replaced(nil)
	case DamageDocument:
		a.write(archive.DocumentName, body[:len(body)/2])
		a.replaced(nil)
	case ForeignDocument:
		ids := a.document().SeenIDs
		next, _ := json.Marshal(map[string]any{"seen_ids": ids, "last_updated": time.Now().UTC().Format(time.RFC3339), "total_tracked": len(ids)})
		a.write(archive.DocumentName, next)
		a.replaced(nil)
		a.older = true
	case OlderDocument:
		a.restoreOlder(&d)
	case Vanish:
		if a.leastKnown() > 0 {
			a.away, a.store = a.store, memstore.New()
		}
	case Unreadable:
		a.unreadable = make(map[string]bool)
		for _, name := range slices.Sorted(maps.Keys(a.objects)) {
			if d.chance(0.2) {
				a.unreadable[name] = true
			}
		}
	case Copy:
		a.copyLines(&d)
	case Reorder:
		if n, lines, ok := a.someLines(&d); ok {
			slices.Reverse(lines)
			a.write(n.String(), []byte(strings.Join(lines, "")))
		}
	}
	return true
}

// isCalm reports whether nothing is under way and all objects of the last commit are
// stored.
func (a *archiveModel) isCalm() bool {
	if a.active > 0 || a.effects > 0 || a.last == nil || a.away != nil {
		return false
	}
	return !slices.ContainsFunc(a.last.lines(), func(l pendingLine) bool { return a.lines[l.key] == 0 })
}

func (a *archiveModel) body(name string) []byte {
	o, _ := a.store.Get(context.Background(), name)
	return o.Body
}

// write writes an object as another program does.
func (a *archiveModel) write(name string, body []byte) {
	if _, err := a.store.Put(context.Background(), name, body, store.Always()); err != nil {
		panic(err)
	}
}

// replaced notes that another program has replaced the document by that of an older commit, or
// by one without a commit. It takes over the backup. If that has no covered_until, the program
// does not know the gaps before its next response. If it is older than the last commit, hosts
// may know a later one.
func (a *archiveModel) replaced(c *commit) {
	var backup archive.Backup
	if c != nil {
		d := a.document()
		d.Take(a.backup())
		backup = *d.Backup()
	} else {
		backup = a.backup()
	}
	a.older = a.older || backup.Timestamp < a.last.Timestamp
	a.last, a.disturbed = c, true
	covered := coverage{at: time.Now()}
	if backup.CoveredUntil != nil {
		covered.until = *backup.CoveredUntil
	}
	a.exempt = a.exempt || covered.until.IsZero()
	a.covered = append(a.covered, covered)
}

// backup returns the backup in the last report; an empty one if there is none.
func (a *archiveModel) backup() archive.Backup {
	last, err := report.ParseLastRun(a.body(archive.LastRunName))
	if err != nil {
		return archive.Backup{}
	}
	return archive.ParseBackup(last.DocumentBackup)
}

// leastKnown returns the timestamp of the oldest of the commits that the hosts know; 0 if
// a host knows none.
func (w *world) leastKnown() int64 {
	least := int64(math.MaxInt64)
	for _, h := range w.hosts {
		var state struct{ Commit struct{ Timestamp int64 } }
		files, _ := filepath.Glob(filepath.Join(h.stateDir, "archive-*.json"))
		if len(files) == 1 {
			body, _ := os.ReadFile(files[0])
			_ = json.Unmarshal(body, &state)
		}
		least = min(least, state.Commit.Timestamp)
	}
	return least
}

// restoreOlder replaces the document by one of an earlier commit that is older than all
// that the hosts know, or than the one that the last report knows.
func (a *archiveModel) restoreOlder(d *draw) {
	known := max(a.leastKnown(), a.backup().Timestamp)
	var older []*commit
	for _, c := range a.commits {
		if c.Timestamp < known {
			older = append(older, c)
		}
	}
	if len(older) == 0 {
		return
	}
	slices.SortFunc(older, func(b, c *commit) int {
		return strings.Compare(b.ID+fmt.Sprint(b.Sequence), c.ID+fmt.Sprint(c.Sequence))
	})
	c := older[d.pick(len(older))]
	a.write(archive.DocumentName, c.body)
	a.replaced(c)
}

// comeBack makes an archive return that has vanished.
func (a *archiveModel) comeBack() {
	if a.away == nil {
		return
	}
	for attrs := range a.store.List(context.Background(), "") {
		a.fail("somebody wrote %s to the empty store", attrs.Name)
	}
	a.store, a.away = a.away, nil
}

// someLines returns the lines of some object of events or revisions, with line ends.
func (a *archiveModel) someLines(d *draw) (n archive.Name, lines []string, ok bool) {
	names := slices.Sorted(maps.Keys(a.objects))
	if len(names) == 0 {
		return n, nil, false
	}
	name := names[d.pick(len(names))]
	n, _ = archive.ParseName(name)
	if n.Kind == archive.Rejected {
		return n, nil, false
	}
	return n, slices.Collect(strings.Lines(string(a.body(name)))), true
}

// copyLines stores copies of some lines in an object of another name.
func (a *archiveModel) copyLines(d *draw) {
	n, lines, ok := a.someLines(d)
	if !ok || len(lines) == 0 {
		return
	}
	lines = lines[:1+d.pick(len(lines))]
	n.Timestamp += 1_000_000_000 // later than all commits
	if a.objects[n.String()] != nil {
		return
	}
	content := []byte(strings.Join(lines, ""))
	a.write(n.String(), content)
	a.objects[n.String()] = keysOf(n.Kind, content)
	for _, key := range a.objects[n.String()] {
		a.count(n.Kind, key, 1)
		a.copied[key]++
	}
	a.disturbed = true
}
