package pipeline

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/statefile"
)

// DoneDays is the list of the days that a backfill has finished. It is kept in a file
// in the state folder.
type DoneDays struct {
	path string
	file doneFile // the content of the file
}

// doneFile is the JSON form of the days.
type doneFile struct {
	// Days are the days that are done, such as 2026-01-31, in ascending order.
	Days []string `json:"days"`
}

// doneName returns the name of the file for the backfill with this name. It holds a hash, since
// the name of the backfill may hold secrets.
func doneName(backfill string) string {
	key := sha256.Sum256([]byte(backfill))
	return fmt.Sprintf("backfill-%x.json", key[:8])
}

// doneNames matches all names of doneName.
var doneNames = regexp.MustCompile(`^backfill-[0-9a-f]{16}\.json$`)

// OpenDoneDays returns the days that an earlier backfill with the same name has
// finished; no days if resume is false. Backfills with different stores, URLs or
// filters must have different names. Add creates the state folder if it is missing.
func OpenDoneDays(stateDir, backfill string, resume bool) (*DoneDays, error) {
	d := &DoneDays{path: filepath.Join(stateDir, doneName(backfill))}
	if resume {
		if err := statefile.Read(d.path, &d.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the list of finished days: %w; delete the file, or run without --resume", err)
		}
	}
	return d, nil
}

// Has reports whether a day is done.
func (d *DoneDays) Has(day archive.Date) bool { return slices.Contains(d.file.Days, day.String()) }

// Add adds a day and writes the file. With an error the day is in d, but may be missing
// in the file.
func (d *DoneDays) Add(day archive.Date) error {
	if !d.Has(day) {
		d.file.Days = append(d.file.Days, day.String())
		slices.Sort(d.file.Days)
	}
	if err := statefile.Write(d.path, d.file); err != nil {
		return fmt.Errorf("record %s as finished: %w", day, err)
	}
	return nil
}

// forgetDoneDays deletes the lists of all backfills: an archive that is accepted in place of
// another may lack the days. Backfills into other archives then fetch some days again, which
// stores nothing twice.
func forgetDoneDays(stateDir string) error {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if doneNames.MatchString(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(stateDir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("delete the lists of finished days: %w", err)
	}
	return nil
}
