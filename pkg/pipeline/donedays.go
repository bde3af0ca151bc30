package pipeline

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/statefile"
)

// DoneDays remembers in a file of the state folder which days a backfill has
// finished.
type DoneDays struct {
	path string
	file doneFile
}

type doneFile struct {
	// Backfill names the store, the URL and the filters of the backfill.
	Backfill string `json:"backfill"`
	// Days are the days that are done, as 2026-01-31, in ascending order.
	Days []string `json:"days"`
}

// OpenDoneDays returns the days that an earlier backfill of the same name has
// finished, or no days if resume is false. The name must tell apart backfills
// with different stores, URLs or filters. The state folder need not exist.
func OpenDoneDays(stateDir, backfill string, resume bool) (*DoneDays, error) {
	key := sha256.Sum256([]byte(backfill))
	d := &DoneDays{path: filepath.Join(stateDir, fmt.Sprintf("backfill-%x.json", key[:8]))}
	if resume {
		if err := statefile.Read(d.path, &d.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the days that are done: %w; delete the file, or leave out --resume", err)
		}
	}
	d.file.Backfill = backfill
	return d, nil
}

// Has reports whether the day is done.
func (d *DoneDays) Has(day archive.Date) bool { return slices.Contains(d.file.Days, day.String()) }

// Add adds a day and writes the file, so that the day survives a crash.
func (d *DoneDays) Add(day archive.Date) error {
	if !d.Has(day) {
		d.file.Days = append(d.file.Days, day.String())
		slices.Sort(d.file.Days)
	}
	if err := statefile.Write(d.path, d.file); err != nil {
		return fmt.Errorf("save %s as done: %w", day, err)
	}
	return nil
}
