package archive_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// published is a document in the published format.
const published = `{"seen_ids":[1],"last_updated":"2026-01-01T12:00:00Z","total_tracked":1}`

// storeWithBackup returns an archive with gaps, an accepted day and a last commit that is
// ahead of the clock. Its last report has a backup of the document.
func storeWithBackup(t *testing.T) (s store.Store, backup archive.Backup) {
	t.Helper()
	s = memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first")))
	covered := start.Add(-time.Hour)
	setField(t, s, "covered_until", fmt.Sprintf("%q", covered.Format(time.RFC3339)))
	setField(t, s, "gaps", `[{"day":"2026-01-03","reason":"missed","since":"2026-01-02T12:00:00Z","unserved":true},{"day":"2026-01-04","reason":"unreadable","since":"2026-01-02T12:00:00Z","ids":[7]}]`)
	setField(t, s, "accepted_days", `["2025-12-24"]`)
	d := document(t, s)
	d.Commit.Timestamp = start.Unix() + 3600
	backup = *d.Backup()
	lastRun, err := json.Marshal(map[string]any{"document_backup": backup})
	if err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, archive.LastRunName, string(lastRun))
	if !backup.CoveredUntil.Equal(covered) || len(backup.Gaps) != 2 || len(backup.AcceptedDays) != 1 {
		t.Fatalf("backup %+v", backup)
	}
	return s, backup
}

// TestBackup checks that a document without a commit, or with an older one, takes over the
// backup, whether a run or a repair replaces it, and that the last document does not.
func TestBackup(t *testing.T) {
	for what, replace := range map[string]func(t *testing.T, s store.Store){
		"missing":   func(t *testing.T, s store.Store) { storetest.MustDelete(t, s, archive.DocumentName) },
		"damaged":   func(t *testing.T, s store.Store) { storetest.MustPut(t, s, archive.DocumentName, "{") },
		"published": func(t *testing.T, s store.Store) { storetest.MustPut(t, s, archive.DocumentName, published) },
		"older":     func(t *testing.T, s store.Store) { setField(t, s, "gaps", `[]`) },
		"not needed": func(t *testing.T, s store.Store) {
			setField(t, s, "gaps", `[]`)
			setField(t, s, "commit", fmt.Sprintf(`{"id":"a","sequence":1,"timestamp":%d}`, start.Unix()+3600))
		},
	} {
		for _, repairs := range []bool{false, true} {
			s, want := storeWithBackup(t)
			replace(t, s)
			if repairs {
				r := archive.Repair{Document: archive.Document{CompleteAbove: new(int64)}}
				if what != "missing" {
					r.BasedOn = etag(t, s, archive.DocumentName)
				}
				if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			} else {
				mustRun(t, s, current(archivetest.Event(2, 0, "first")))
			}
			d, took := document(t, s), what != "not needed"
			if got := d.Backup(); took != (len(got.Gaps) == 2 && got.Gaps[1].IDs[0] == 7) || !slices.Equal(got.AcceptedDays, want.AcceptedDays) ||
				!got.CoveredUntil.Equal(*want.CoveredUntil) || got.Timestamp <= want.Timestamp {
				t.Errorf("%s, repair %t: the document has %+v; want %+v", what, repairs, got, want)
			}
		}
	}
}

// TestPauseBeforeRebuild checks that the response after a pause makes gaps even if the
// document was lost in the pause.
func TestPauseBeforeRebuild(t *testing.T) {
	s, _ := storeWithBackup(t)
	storetest.MustDelete(t, s, archive.DocumentName)
	mustRunAt(t, s, at(20, 12), response(at(19, 0), at(20, 12)))
	if got := gaps(t, s); len(got) < 17 {
		t.Errorf("gaps %v", got)
	}
}

// TestBackupCannotBeRead checks that a run with a missing document fails if the store fails to
// give the last report, and goes on with a warning if the report cannot be used.
func TestBackupCannotBeRead(t *testing.T) {
	const noBackup = `{"stored_commit":{"id":"a","sequence":1,"timestamp":1890000000}}`
	for _, tt := range []struct {
		cause   error  // of reading the report; nil if it can be read
		lastRun string // in place of a report with a backup; empty for none
		wantErr bool
		warning string
	}{
		{errors.New("no answer"), "", true, ""},
		{store.ErrAccess, "", false, "no access"},
		{store.ErrDamaged, "", false, "metadata/last_run.json is damaged"},
		{nil, "{", false, "metadata/last_run.json is damaged"},
		{nil, noBackup, false, "metadata/last_run.json has no backup of it"},
		{nil, `{"document_backup":{"timestamp":"1"}}`, false, "metadata/last_run.json has no backup of it"},
		{nil, `{"stored_commit":null}`, false, ""}, // of a run that knew of no commit
	} {
		s, _ := storeWithBackup(t)
		storetest.MustDelete(t, s, archive.DocumentName)
		if tt.lastRun != "" {
			storetest.MustPut(t, s, archive.LastRunName, tt.lastRun)
		}
		o := options()
		var warnings []string
		o.Warn = func(_ slog.Level, text string) { warnings = append(warnings, text) }
		from := s
		if tt.cause != nil {
			from = storetest.NewUnreadable(s, archive.LastRunName, tt.cause)
		}
		_, _, err := runWith(from, o, current(archivetest.Event(2, 0, "first")))
		isWanted := func(w string) bool {
			return strings.HasPrefix(w, "the list of days whose events may be missing is lost with the metadata document, because ") && strings.Contains(w, tt.warning)
		}
		if (err != nil) != tt.wantErr || (tt.warning != "") != slices.ContainsFunc(warnings, isWanted) {
			t.Errorf("%v, %q: error %v, warnings %q", tt.cause, tt.lastRun, err, warnings)
		}
		if tt.lastRun == noBackup && document(t, s).Commit.Timestamp <= 1890000000 {
			t.Errorf("the commit is not after that of the report: %+v", document(t, s).Commit)
		}
	}
}

// TestNothingToBackUp checks that a run does not warn about a lost list of gaps if there was
// none: in a new archive, and after runs that knew of no commit.
func TestNothingToBackUp(t *testing.T) {
	const failed = `{"exit_code":4}`
	for _, tt := range []struct{ document, lastRun string }{
		{"", failed},
		{"", `{"stored_commit":{"id":"a","sequence":1,"timestamp":1890000000}}`},
		{published, failed},
	} {
		s := memstore.New()
		storetest.MustPut(t, s, archive.LastRunName, tt.lastRun)
		if tt.document != "" {
			storetest.MustPut(t, s, archive.DocumentName, tt.document)
		}
		o := options()
		o.Warn = func(_ slog.Level, text string) {
			if strings.Contains(text, "lost") {
				t.Errorf("%+v: %s", tt, text)
			}
		}
		w := archive.NewWriter(s, o)
		for id := range int64(3) { // three commits
			if _, err := w.Add(t.Context(), current(archivetest.Event(id, 0, "first"))); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.Document().Commit.Sequence; got != 3 {
			t.Errorf("%+v: %d commits", tt, got)
		}
	}
}

// TestDamagedBackup checks that a run ignores a backup that no version of the program writes.
func TestDamagedBackup(t *testing.T) {
	for _, body := range []string{
		"{", "[]", `{}`, `{"document_backup":null}`, `{"document_backup":[]}`, `{"document_backup":{"timestamp":"1"}}`,
		`{"document_backup":{"timestamp":9223372036854775806}}`,
		`{"document_backup":{"timestamp":1890000000,"gaps":[{"day":"2026-13-01","reason":"missed"}]}}`,
	} {
		s := memstore.New()
		mustRun(t, s, current(archivetest.Event(1, 0, "first")))
		storetest.MustDelete(t, s, archive.DocumentName)
		storetest.MustPut(t, s, archive.LastRunName, body)
		mustRun(t, s, current(archivetest.Event(2, 0, "first")))
		if d := document(t, s); len(d.Gaps) > 0 || d.CoveredUntil != nil || d.Commit.Timestamp > start.Unix()+1 {
			t.Errorf("%s: %+v", body, d.Backup())
		}
	}
}
