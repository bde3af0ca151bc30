package archive_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
)

var start = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func rejected(raw string) polisen.Rejected {
	return polisen.Rejected{Reason: "id is missing", Raw: []byte(raw)}
}

// model is the expected content of an archive, computed from its batches.
type model struct{ *archivetest.Model }

func newModel(batches ...archive.Batch) model {
	m := model{archivetest.NewModel()}
	for _, b := range batches {
		m.add(b)
	}
	return m
}

// add adds the items of a batch.
func (m model) add(b archive.Batch) {
	for _, e := range b.Events {
		m.Add(e.Raw)
	}
	for _, r := range b.Rejected {
		m.Add(r.Raw)
	}
}

func options() archive.Options {
	return archive.Options{
		RunID:     rand.Text(),
		Now:       func() time.Time { return start }, // in the same second for all runs, whose object names must still differ
		Revisions: true,
	}
}

// runWith stores a batch as one run with these options, and returns its Writer too.
func runWith(s store.Store, o archive.Options, b archive.Batch) (*archive.Writer, archive.Outcome, error) {
	w := archive.NewWriter(s, o)
	outcome, err := w.Add(context.Background(), b)
	if err == nil {
		err = w.Flush(context.Background())
	}
	return w, outcome, err
}

// run stores a batch as one run. Its error is also that of items that wait.
func run(s store.Store, b archive.Batch) (archive.Outcome, error) {
	w, outcome, err := runWith(s, options(), b)
	if err == nil {
		err = w.Unfinished()
	}
	return outcome, err
}

func mustRun(t *testing.T, s store.Store, b archive.Batch) archive.Outcome {
	t.Helper()
	outcome, err := run(s, b)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return outcome
}

// storeBatch stores a batch and adds it to the model.
func storeBatch(t *testing.T, s store.Store, m model, b archive.Batch) {
	t.Helper()
	m.add(b)
	mustRun(t, s, b)
}
