package saved

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory that a zstd stream may ask for; zstd itself
// asks for more only with --long or --ultra.
const maxZstdWindow = 32 << 20

// reader reads one file after the other with the same buffers.
type reader struct {
	scanner
	stdin io.Reader
	raw   *bufio.Reader
}

func newReader(ctx context.Context, stdin io.Reader, yield func(Item, error) bool) *reader {
	const rawSize = 64 << 10
	r := &reader{stdin: stdin, raw: bufio.NewReaderSize(nil, rawSize)}
	r.scanner.init(ctx, MaxItem, yield)
	return r
}

// read yields the items of a file. The error is why it was not read to its end.
func (r *reader) read(file string) error {
	source, closeSource, err := r.open(file)
	if err != nil {
		return err
	}
	defer closeSource()
	r.raw.Reset(source)
	content, closeContent, err := decompress(r.raw)
	if err != nil {
		return err
	}
	defer closeContent()
	return r.scan(file, content)
}

func (r *reader) open(file string) (io.Reader, func(), error) {
	if file == Stdin {
		source, done := interruptible(r.ctx, func() (io.ReadCloser, error) { return io.NopCloser(r.stdin), nil })
		return source, done, nil
	}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		source, done := interruptible(r.ctx, func() (io.ReadCloser, error) { return os.Open(file) })
		return source, done, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { _ = f.Close() }, nil // it was only read
}

// interruptible reads what open opens until ctx ends, even while that waits for
// a writer or for input, as a terminal or a pipe does. It may be read ahead.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) (source io.Reader, done func()) {
	const chunk = 256 << 10
	pr, pw := io.Pipe()
	go func() {
		r, err := open()
		if err == nil {
			// Without its WriteTo, which would choose a smaller buffer.
			_, err = io.CopyBuffer(pw, struct{ io.Reader }{r}, make([]byte, chunk))
			_ = r.Close() // it was only read
		}
		pw.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { pr.CloseWithError(context.Cause(ctx)) })
	return pr, func() {
		stop()
		pr.Close()
	}
}

// decompress returns the content of raw, which may be gzip or zstd, in any
// number of members one after another.
func decompress(raw *bufio.Reader) (content io.Reader, done func(), err error) {
	magic, err := raw.Peek(4)
	switch {
	case err != nil && err != io.EOF:
		return nil, nil, err
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952, 2.3.1
		z, err := gzip.NewReader(raw)
		return z, func() {}, err
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), // RFC 8878, 3.1.1
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}): // 3.1.2, a frame to skip
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), // no read-ahead, and so no more memory
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return raw, func() {}, nil
}
