package pipeline

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"polisen-events-collector/pkg/archive"
)

// DoneFile is a DoneDays in a file of the state folder.
type DoneFile struct {
	path string
	doneFile
}

// doneFile is the file's content.
type doneFile struct {
	// Of says what the days were asked for: store, URL and filters.
	Of   string   `json:"of"`
	Days []string `json:"days"`
}

// OpenDoneFile reads which days were asked for the same (store, URL and
// filters, as one text). Without resume it forgets them. The folder need not
// exist.
func OpenDoneFile(dir, of string, resume bool) (*DoneFile, error) {
	key := sha256.Sum256([]byte(of))
	f := &DoneFile{
		path:     filepath.Join(dir, fmt.Sprintf("backfill-%x.json", key[:8])),
		doneFile: doneFile{Of: of},
	}
	if !resume {
		return f, nil
	}
	text, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("read the days that are done: %w", err)
	}
	if err := json.Unmarshal(text, &f.doneFile); err != nil {
		return nil, fmt.Errorf("read the days that are done: %s: %w; remove the file, or leave out --resume", f.path, err)
	}
	return f, nil
}

// Has implements DoneDays.
func (f *DoneFile) Has(day archive.Date) bool { return slices.Contains(f.Days, day.String()) }

// Add implements DoneDays. The day survives a crash.
func (f *DoneFile) Add(day archive.Date) error {
	if !f.Has(day) {
		f.Days = append(f.Days, day.String())
		slices.Sort(f.Days)
	}
	text, err := json.MarshalIndent(f.doneFile, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(f.path), 0o750)
	}
	if err == nil {
		err = renameio.WriteFile(f.path, append(text, '\n'), 0o640, renameio.WithTempDir(filepath.Dir(f.path)))
	}
	if err != nil {
		return fmt.Errorf("remember %s as done: %w", day, err)
	}
	return nil
}
