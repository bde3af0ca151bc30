package cmd

import (
	"bytes"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
)

// TestLargestItem has the API send an item that is no event and as large as a
// response may be, all of it in need of escapes: the document that holds it can
// still be read by the next run.
func TestLargestItem(t *testing.T) {
	w, _ := newBucket(t, buildProgram(t))
	largest := []byte(`[{"id":"` + strings.Repeat(`\"`, 16<<20-16) + `"}]`)
	for i, test := range []struct {
		body []byte
		exit code
	}{
		{largest, exitPartial},
		{largest, exitOK},
		{[]byte("[" + string(notice(1, 0, "first")) + "]"), exitOK},
	} {
		p := w.process("--api-url", writeResponse(t, test.body))
		_ = p.Run()
		if got := code(p.ProcessState.ExitCode()); got != test.exit {
			t.Fatalf("run %d: exit code %d, want %d: %.300s", i+1, got, test.exit, &p.stderr)
		}
	}
	c := archivetest.Read(t, w.contents())
	if len(c.Events) != 1 || len(c.Rejected) != 1 || len(c.Problems) > 0 {
		t.Errorf("%d events, %d rejected, problems %.300q", len(c.Events), len(c.Rejected), c.Problems)
	}
	for attrs, err := range w.contents().List(t.Context(), archive.Rejected.Prefix()) {
		if err != nil {
			t.Fatal(err)
		}
		o, err := w.contents().Get(t.Context(), attrs.Name)
		if err != nil || !bytes.Contains(o.Body, largest[1:len(largest)-1]) {
			t.Errorf("%s, %d bytes, does not hold the item: %v", attrs.Name, len(o.Body), err)
		}
	}
}
