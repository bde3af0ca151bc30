package saved_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/saved"
)

func TestSource(t *testing.T) {
	body := polisentest.Body(7)
	dir := t.TempDir()
	path := filepath.Join(dir, "ö 1.json")
	source := saved.Source{Path: path, Now: time.Now}
	for _, content := range [][]byte{body, polisentest.Gzip(body)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := source.Fetch(t.Context(), polisen.Query{})
		if err != nil || len(r.Events) != 7 || r.Calls != 0 || r.WireBytes != int64(len(content)) || r.Bytes != int64(len(body)) || r.FetchedAt.IsZero() {
			t.Errorf("%d events, %+v, %v", len(r.Events), r, err)
		}
	}
	if r, err := source.Fetch(t.Context(), polisen.Query{DateTime: "2018-03"}); !errors.Is(err, polisen.ErrSettings) || r == nil {
		t.Errorf("a query of a file: %v", err)
	}
	for _, content := range []string{"[] []", "[]", ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := source.Fetch(t.Context(), polisen.Query{})
		if _, ok := errors.AsType[*polisen.BodyError](err); !ok || !strings.Contains(err.Error(), path) || r == nil {
			t.Errorf("a file of %q: %v", content, err)
		}
	}
	if err := os.WriteFile(path, slices.Concat(polisentest.Gzip(body), []byte("\n"), body), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := source.Fetch(t.Context(), polisen.Query{}); err != nil || len(r.Events) != 7 || r.Cut == nil || !strings.Contains(r.Cut.Error(), "the rest was not read") {
		t.Errorf("text after gzip data: %+v, %v", r, err)
	}
	if r, err := (saved.Source{Path: dir + "/none", Now: time.Now}).Fetch(t.Context(), polisen.Query{}); !errors.Is(err, os.ErrNotExist) || r == nil {
		t.Errorf("a missing file: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files beside the saved response: %v", entries)
	}
}

// TestSourceCancel checks that Fetch of a named pipe that nobody writes to ends with
// the context, and that its error says why.
func TestSourceCancel(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_RDWR, 0) // O_RDWR does not wait for a reader
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	reason := errors.New("the time is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
	if r, err := (saved.Source{Path: pipe, Now: time.Now}).Fetch(ctx, polisen.Query{}); !errors.Is(err, reason) || r == nil {
		t.Errorf("%v, want the cause of the context", err)
	}
}
