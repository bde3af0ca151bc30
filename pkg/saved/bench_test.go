package saved_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/saved"
)

// BenchmarkRead reads saved responses in several forms. Its MB/s are decompressed
// text.
func BenchmarkRead(b *testing.B) {
	const responses = 256
	indented := bytes.Repeat(append(polisentest.Body(polisen.FullResponse), '\n'), responses)
	var lines []byte
	for range responses {
		for i := range int64(polisen.FullResponse) {
			lines = append(append(lines, polisentest.Event(polisentest.FirstID-i, polisentest.Newest)...), '\n')
		}
	}
	for _, bb := range []struct {
		name    string
		content []byte
		wrap    func(io.Writer) io.WriteCloser
	}{
		{"indented", indented, plain},
		{"lines", lines, plain},
		{"gzip", indented, gzipped},
		{"zstd", indented, zstandard},
	} {
		b.Run(bb.name, func(b *testing.B) {
			file := filepath.Join(b.TempDir(), "responses")
			if err := os.WriteFile(file, pack(b, bb.content, bb.wrap), 0o600); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(bb.content)))
			for b.Loop() {
				n := 0
				for item, err := range saved.Read(b.Context(), []string{file}, nil) {
					if err != nil || item.Damage != "" {
						b.Fatal(item, err)
					}
					n++
				}
				if n != responses*polisen.FullResponse {
					b.Fatal(n)
				}
			}
		})
	}
}

// BenchmarkMemory reads 2 GB from standard input, and reports the highest memory use in
// MiB.
func BenchmarkMemory(b *testing.B) {
	body := append(polisentest.Body(polisen.FullResponse), '\n')
	const responses = 10_000
	b.SetBytes(int64(len(body)) * responses)
	for b.Loop() {
		var m runtime.MemStats
		var most uint64
		n := 0
		for _, err := range saved.Read(b.Context(), []string{saved.Stdin}, &repeat{text: body, times: responses}) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n%500_000 == 0 {
				runtime.ReadMemStats(&m)
				most = max(most, m.Sys)
			}
		}
		if n != responses*polisen.FullResponse {
			b.Fatal(n)
		}
		b.ReportMetric(float64(most)/(1<<20), "MiB")
	}
}

// repeat is an io.Reader of a text that is repeated a number of times.
type repeat struct {
	text  []byte
	at    int
	times int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	if r.at += n; r.at == len(r.text) {
		r.at = 0
		r.times--
	}
	return n, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func plain(w io.Writer) io.WriteCloser   { return nopCloser{w} }
func gzipped(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func zstandard(w io.Writer) io.WriteCloser {
	z, err := zstd.NewWriter(w)
	if err != nil {
		panic(fmt.Sprint("without options: ", err))
	}
	return z
}

func pack(t testing.TB, content []byte, wrap func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := wrap(&packed)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
