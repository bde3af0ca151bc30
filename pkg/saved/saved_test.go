package saved_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/saved"
)

// readAll returns one line for each item or error that Read yields.
func readAll(t *testing.T, dir string, paths []string, stdin io.Reader) (lines []string) {
	t.Helper()
	t.Chdir(dir)
	for item, err := range saved.Read(t.Context(), paths, stdin) {
		switch {
		case err != nil:
			lines = append(lines, fmt.Sprintf("%s: error: %v", item.File, err))
		case item.Warning != "":
			lines = append(lines, fmt.Sprintf("%s: %s", item.File, item.Warning))
		case item.Damage != "":
			lines = append(lines, fmt.Sprintf("%s: %s: %s", item.File, item.Damage, item.Raw))
		default:
			lines = append(lines, fmt.Sprintf("%s: %s", item.File, item.Raw))
		}
	}
	return lines
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCommitOrder checks that data objects of a copy of an archive come in the order of their
// commits, each kind by itself, and that other files stay where they are.
func TestCommitOrder(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for _, name := range []string{
		"a/events/2026/01/02/events-30.jsonl",
		"a/events/2026/01/03/events-20.jsonl.gz", // the suffix does not count
		"a/events/2026/01/04/events-100.jsonl",
		"a/events/2026/01/04/events-20.jsonl",
		"a/events/2026/01/05/other.jsonl",
		"a/events/2026/01/06/events-10.jsonl",
		"a/metadata/last_seen.json",
		"a/rejected/2026/01/02/rejected-9.jsonl",
		"a/revisions/2026/01/02/revisions-8.jsonl",
		"a/revisions/2026/01/03/revisions-7.jsonl",
		"b/revisions/2026/01/03/revisions-6.jsonl",
	} {
		files[name] = "{}"
	}
	write(t, dir, files)
	want := []string{
		"a/events/2026/01/03/events-20.jsonl.gz: {}",
		"a/events/2026/01/04/events-20.jsonl: {}",
		"a/events/2026/01/02/events-30.jsonl: {}",
		"a/events/2026/01/04/events-100.jsonl: {}",
		"a/events/2026/01/05/other.jsonl: {}",
		"a/events/2026/01/06/events-10.jsonl: {}",
		"a/metadata/last_seen.json: {}",
		"a/rejected/2026/01/02/rejected-9.jsonl: {}",
		"a/revisions/2026/01/03/revisions-7.jsonl: {}",
		"a/revisions/2026/01/02/revisions-8.jsonl: {}",
		"b/revisions/2026/01/03/revisions-6.jsonl: {}",
	}
	if diff := cmp.Diff(want, readAll(t, dir, []string{"a/events", "a/metadata", "a/rejected", "a/revisions", "b"}, nil)); diff != "" {
		t.Errorf("the order differs (-want +got):\n%s", diff)
	}
	// A folder that is given in parts is read as a whole.
	want = []string{"./a/revisions/2026/01/03/revisions-7.jsonl: {}", "a/revisions/2026/01/02/revisions-8.jsonl: {}"}
	if diff := cmp.Diff(want, readAll(t, dir, []string{"a/revisions/2026/01/02", "./a/revisions/2026/01/03/revisions-7.jsonl"}, nil)); diff != "" {
		t.Errorf("the order of parts differs (-want +got):\n%s", diff)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"one.json":      `[1]`,
		"in/b.jsonl":    `{"id":2}`,
		"in/a.json":     `[3,4]`,
		"in/empty.json": ``,
		"in/c/d.json":   `[5]`,
		"in/.hidden":    `[6]`,
		"in/.git/HEAD":  `[7]`,
		".given/.8":     `[8]`,
		"other/9":       `[9]`,
	})
	if err := errors.Join(os.Symlink("../other", filepath.Join(dir, "in", "linked")), os.Symlink("in", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	paths := []string{"one.json", "in", "missing", "-", ".given/.8", ".given", "link/c"}
	want := []string{
		"one.json: 1",
		"in/a.json: 3", "in/a.json: 4", `in/b.jsonl: {"id":2}`, "in/c/d.json: 5",
		"in/linked: error: read saved responses in in/linked: is a directory: links to folders are not followed; give the folder itself",
		"missing: error: read saved responses in missing: no such file or directory",
		"-: 10",
		".given/.8: 8",
		"link/c/d.json: 5",
	}
	if diff := cmp.Diff(want, readAll(t, dir, paths, strings.NewReader("[10]"))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestErrorsWrapTheirCauses(t *testing.T) {
	for _, err := range saved.Read(t.Context(), []string{"missing"}, nil) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want fs.ErrNotExist", err)
		}
	}
}

func TestCompressed(t *testing.T) {
	first, second := []byte(`[{"id":1},{"id":2}]`), []byte("\n[{\"id\":3}]\n")
	gz, zs := pack(t, first, gzipped), pack(t, first, zstandard)
	skippable := "\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
	broken := slices.Clone(gz)
	broken[len(broken)-8] ^= 1                          // in the checksum
	const wide = "\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00" // a window of 128 MiB, and an empty block
	const one, two, three = `-: {"id":1}`, `-: {"id":2}`, `-: {"id":3}`
	const unread = "-: error: read saved responses in standard input: the gzip data ends before the file, and the rest was not read: put the rest into a file of its own"
	for name, tt := range map[string]struct {
		content []byte
		want    []string
	}{
		"gzip":                     {gz, []string{one, two}},
		"gzip members":             {slices.Concat(gz, pack(t, second, gzipped)), []string{one, two, three}},
		"bytes after gzip":         {slices.Concat(gz, []byte("\r\n")), []string{one, two, "-: bytes after the end of the gzip data were ignored"}},
		"zeros after gzip":         {slices.Concat(gz, make([]byte, 9000)), []string{one, two, "-: bytes after the end of the gzip data were ignored"}},
		"gzip members on lines":    {slices.Concat(gz, []byte("\n\x00\r\n \t"), pack(t, second, gzipped)), []string{one, two, three}},
		"text after gzip":          {slices.Concat(gz, []byte("\n"), second), []string{one, two, unread}},
		"zstd after gzip":          {slices.Concat(gz, zs), []string{one, two, unread}},
		"zstd":                     {zs, []string{one, two}},
		"zstd frames":              {slices.Concat([]byte(skippable), zs, pack(t, second, zstandard)), []string{one, two, three}},
		"no items":                 {pack(t, nil, gzipped), nil},
		"truncated gzip":           {gz[:len(gz)-12], []string{one, "-: truncated: {\"id\":2", "-: error: read saved responses in standard input: unexpected EOF"}},
		"bad checksum":             {broken, []string{one, two, "-: error: read saved responses in standard input: gzip: invalid checksum"}},
		"bad header":               {[]byte("\x1f\x8b\x09"), []string{"-: error: read saved responses in standard input: unexpected EOF"}},
		"truncated zstd":           {zs[:len(zs)-6], []string{"-: error: read saved responses in standard input: unexpected EOF"}},
		"zstd with a large window": {[]byte(wide), []string{"-: error: read saved responses in standard input: window size exceeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := readAll(t, t.TempDir(), []string{"-"}, bytes.NewReader(tt.content))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCutGzip cuts the second member of gzip data at each byte of its header: the file was
// not read to its end.
func TestCutGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Name, z.Comment, z.Extra = "second.json", "a comment", []byte("more")
	if _, err := z.Write([]byte(`[{"id":2}]`)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	first := pack(t, []byte(`[{"id":1}]`), gzipped)
	for n := 1; n < b.Len(); n++ {
		cut := b.Bytes()[:n]
		for name, content := range map[string][]byte{"first": cut, "second": slices.Concat(first, cut)} {
			if n == 1 && name == "first" {
				continue // not yet gzip data
			}
			got := readAll(t, t.TempDir(), []string{"-"}, bytes.NewReader(content))
			if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "-: error: ") {
				t.Errorf("%d bytes of the %s member: got %q, want an error at the end", n, name, got)
			}
			if name == "second" && (len(got) == 0 || got[0] != `-: {"id":1}`) {
				t.Errorf("%d bytes of the second member: got %q, want the item of the first", n, got)
			}
		}
	}
}

// TestReadError checks that Read yields the items before an error, and goes on with
// the next file.
func TestReadError(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"next": `[3]`})
	stdin := io.MultiReader(strings.NewReader(`[1,{"id":2`), iotest.ErrReader(errors.New("connection lost")))
	want := []string{"-: 1", `-: truncated: {"id":2`, "-: error: read saved responses in standard input: connection lost", "next: 3"}
	if diff := cmp.Diff(want, readAll(t, dir, []string{"-", "next"}, stdin)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestConsumerStops(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "[1,2", "b": "[3]"})
	t.Chdir(dir)
	for _, paths := range [][]string{{"a", "b"}, {"missing", "b"}, {".", "b"}} {
		for range saved.Read(t.Context(), paths, nil) {
			break // the iterator would panic if it called yield again
		}
	}
}

// TestCancel checks that Read ends with the context, even while it waits for standard
// input, and that unread text does not count as damaged.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stdin, w := io.Pipe()
		defer w.Close()
		go func() {
			if _, err := io.WriteString(w, `[{"id":1},{"id"`); err != nil {
				t.Error(err)
			}
			synctest.Wait() // until Read waits for more
			cancel(reason)
		}()
		var got []string
		for item, err := range saved.Read(ctx, []string{"-", "never read"}, stdin) {
			got = append(got, string(item.Raw)+item.Damage)
			if err != nil {
				got = append(got, err.Error())
				if !errors.Is(err, reason) {
					t.Errorf("%v is not the cause", err)
				}
			}
		}
		want := []string{`{"id":1}`, "", "read saved responses in standard input: stopped"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestCancelPipe checks that Read ends with the context while it waits for a named
// pipe, with or without a writer.
func TestCancelPipe(t *testing.T) {
	for name, text := range map[string]string{"no writer": "", "an idle writer": `[{"id":1},`} {
		t.Run(name, func(t *testing.T) {
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if text != "" {
				w, err := os.OpenFile(pipe, os.O_RDWR, 0) // O_RDWR does not wait for a reader
				if err == nil {
					defer w.Close()
					_, err = io.WriteString(w, text)
				}
				if err != nil {
					t.Fatal(err)
				}
			} else {
				defer func() { // ends the goroutine that opens the pipe
					if w, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
						w.Close()
					}
				}()
			}
			if text == "" {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
			items := 0
			for _, err := range saved.Read(ctx, []string{pipe}, nil) {
				if err == nil {
					items++
					time.AfterFunc(20*time.Millisecond, cancel) // while Read waits for more
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			if want := len(text) / 9; items != want {
				t.Errorf("%d items, want %d", items, want)
			}
		})
	}
}

// TestCancelBetweenItems checks that Read ends with the context, even if there are
// more items in memory.
func TestCancelBetweenItems(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range saved.Read(ctx, []string{"-"}, strings.NewReader("[1,2,3")) {
		if n++; n == 2 && !errors.Is(err, context.Canceled) || n > 2 {
			t.Errorf("after the end of the context: %v", err)
		}
		cancel()
	}
}

// TestSameAsParse checks that Read finds the same events in a file of many responses
// as polisen.Parse finds in each response.
func TestSameAsParse(t *testing.T) {
	var bodies [][]byte
	for n := range 25 {
		bodies = append(bodies, polisentest.Body(n*n))
	}
	var want []polisen.Event
	stream := make([]io.Reader, 0, len(bodies))
	for _, body := range bodies {
		events, rejected, err := polisen.Parse(body)
		if empty := string(body) == "[]"; err != nil && !empty || len(rejected) > 0 {
			t.Fatal(rejected, err)
		}
		want = append(want, events...)
		stream = append(stream, bytes.NewReader(body))
	}
	n := 0
	for item, err := range saved.Read(t.Context(), []string{"-"}, io.MultiReader(stream...)) {
		if err != nil || item.Damage != "" {
			t.Fatal(item, err)
		}
		event, rejected := polisen.ParseItem(item.Raw)
		if rejected != nil || n == len(want) || !bytes.Equal(event.Raw, want[n].Raw) {
			t.Fatalf("item %d is %s", n, item.Raw)
		}
		n++
	}
	if n != len(want) || n == 0 {
		t.Errorf("%d items, want %d", n, len(want))
	}
}

// TestUnsupportedFormats checks that a file in a format that Read does not read is an error that
// says what to do, and that it yields no items.
func TestUnsupportedFormats(t *testing.T) {
	tarFile := make([]byte, 1024)
	copy(tarFile[257:], "ustar\x0000")
	gzipped := func(content string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(content)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for content, want := range map[string]string{
		"PK\x05\x06\x00": "zip", "[\x00]\x00": "UTF-16", "\x00[\x00]": "UTF-16", gzipped(string(tarFile)): "tar", gzipped("\xff\xfe[\x00]\x00"): "UTF-16",
		"BZh91AY&SY": "bzip2", "\xfd7zXZ\x00\x00": "xz", "PK\x03\x04\x14": "zip", string(tarFile): "tar",
		"\xff\xfe[\x00]\x00": "UTF-16", "\xfe\xff\x00[\x00]": "UTF-16",
	} {
		items := 0
		var err error
		for _, e := range saved.Read(t.Context(), []string{saved.Stdin}, strings.NewReader(content)) {
			if e == nil {
				items++
			}
			if err == nil {
				err = e
			}
		}
		if items > 0 || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), " first") {
			t.Errorf("%.10q: %d items, %v; want an error about %s", content, items, err, want)
		}
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		source := saved.Source{Path: file, Now: time.Now}
		if _, err := source.Fetch(t.Context(), polisen.Query{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.10q: the Source returns %v", content, err)
		}
	}
	// Text that looks like the mark of a tar archive, and damaged text, are items.
	for _, content := range []string{`[{"id":1,"a":"` + strings.Repeat("x", 243) + `ustar"}]`, strings.Repeat("\x00", 600)} {
		items := 0
		for _, err := range saved.Read(t.Context(), []string{saved.Stdin}, strings.NewReader(content)) {
			if items++; err != nil {
				t.Errorf("%.10q: %v", content, err)
			}
		}
		if items == 0 {
			t.Errorf("%.10q: no items", content)
		}
	}
}

// TestIsMetadata checks that backups of metadata, which a person may make by hand, do not
// count as saved responses.
func TestIsMetadata(t *testing.T) {
	for file, want := range map[string]bool{
		"a/metadata/last_seen.json": true, "metadata/last_seen.json.gz": true, "a/metadata/last_seen.json.bak": true,
		"a/metadata/last_run.json~": true, "a/metadata/last_seen.corrupt-1781956800.json": true,
		"last_seen.json": false, "a/metadata/response.json": false,
	} {
		if got := saved.IsMetadata(file); got != want {
			t.Errorf("%s: %t, want %t", file, got, want)
		}
	}
}
