package cmd

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// TestVerifyBucket finds and removes a duplicate in a bucket. A bucket that cannot
// be read is an error, not a finding.
func TestVerifyBucket(t *testing.T) {
	cloud := newCloud(t)
	s, err := cloud.Store(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const (
		first  = "events/2026/01/01/events-1767301200.jsonl"
		second = "events/2026/01/01/events-1767387600.jsonl"
		line   = `{"id":1,"datetime":"2026-01-01 9:08:07 +01:00"}` + "\n"
	)
	for name, body := range map[string]string{
		first: line, second: line + strings.Replace(line, "1", "2", 1),
		archive.DocumentName: `{"seen_ids": [2, 1], "last_updated": "2026-01-02T21:00:00Z", "total_tracked": 2}`,
	} {
		if _, err := s.Put(context.Background(), name, []byte(body), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(code int, text string, args ...string) {
		t.Helper()
		if exit, stdout, stderr := runWith(append([]string{"verify", "--retry-base", "1ms"}, args...), cloud.Settings(), nil); exit != code || !strings.Contains(stdout+stderr, text) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want %d and %q", args, exit, stdout, stderr, code, text)
		}
	}
	want(7, second+" line 1: duplicate-event: ")
	want(7, "would rewrite "+second, "--repair=duplicates", "--dry-run")
	want(0, "rewrite "+second, "--repair=duplicates")
	want(0, "ok: no problems in 2 events")
	if c := archivetest.Read(t, s); len(c.Problems) > 0 || len(c.Events) != 2 {
		t.Errorf("%d events, problems %v", len(c.Events), c.Problems)
	}

	// Each read of the object returns damaged content.
	cloud.SetIntercept(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, first) {
			w = flipped{w}
		}
		serve(w, r)
	})
	want(7, first+": content-damaged: ")
	want(5, "content was damaged", "--repair")
	cloud.SetIntercept(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	want(5, "503 Service Unavailable")
	want(5, "UNKNOWN - storage failed: ", "--quick")
	cloud.SetIntercept(nil)
	want(6, "no access to the store", "--store", "oci://fakenamespace/nobucket")
	want(7, "CRITICAL - metadata/last_run.json has no collect from the API, ", "--quick")
}

// TestQuickEnds checks that a health check ends by itself if the store does not respond,
// and prints one line.
func TestQuickEnds(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	cloud := newCloud(t)
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	cloud.SetIntercept(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { <-end })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := exec.CommandContext(ctx, program, "verify", "--quick")
	p.Env = environ(cloud.Settings())
	var stdout, stderr bytes.Buffer
	p.Stdout, p.Stderr = &stdout, &stderr
	if _, ok := errors.AsType[*exec.ExitError](p.Run()); !ok || p.ProcessState.ExitCode() != int(exitStorage) {
		t.Errorf("it ended with %v, want exit code %d", p.ProcessState, exitStorage)
	}
	if line := stdout.String(); !strings.HasPrefix(line, "UNKNOWN - storage failed: ") || !strings.Contains(line, "--timeout 10s") || strings.Count(line, "\n") != 1 || stderr.Len() > 0 {
		t.Errorf("stdout %q, stderr %q", line, &stderr)
	}
}

// flipped damages the body of a response.
type flipped struct{ http.ResponseWriter }

func (f flipped) Write(body []byte) (int, error) {
	damaged := bytes.Clone(body)
	damaged[0] ^= 1
	return f.ResponseWriter.Write(damaged)
}

// TestPageOfUnreadableMetadata writes the page of an archive whose document or report can
// no longer be read after the audit: the page says that the health is unknown.
func TestPageOfUnreadableMetadata(t *testing.T) {
	s := memstore.New()
	result, err := verify.Audit(t.Context(), s, verify.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		reads int // that succeed
	}{{archive.DocumentName, 0}, {archive.LastRunName, 0}, {archive.LastRunName, 1}} {
		reads := 0
		failing := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Name != tt.name {
				return storetest.Fault{}
			}
			if reads++; reads <= tt.reads {
				return storetest.Fault{}
			}
			return storetest.FailBefore()
		})
		path := filepath.Join(t.TempDir(), "report.html")
		if err := writePage(t.Context(), failing, config.Settings{}, verifyOptions{report: path}, result); err != nil {
			t.Fatal(err)
		}
		if html, err := os.ReadFile(path); err != nil || !bytes.Contains(html, []byte("Health: UNKNOWN")) {
			t.Errorf("%+v: the page does not say that the health is unknown (%v)", tt, err)
		}
	}
}
