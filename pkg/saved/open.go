package saved

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/polisen"
)

// maxZstdWindow is the largest window of a zstd stream, in bytes. It bounds the
// memory for decompression. Only the options --long and --ultra of the zstd tool
// make a larger window.
const maxZstdWindow = 32 << 20

// reader reads files one after another, with the same buffers.
type reader struct {
	ctx     context.Context
	stdin   io.Reader
	yield   func(Item, error) bool
	stopped bool // yield returned false
	scanner polisen.Scanner
	raw     *bufio.Reader
	bytes   int64 // read so far from all files
}

func newReader(ctx context.Context, stdin io.Reader, yield func(Item, error) bool) *reader {
	const rawSize = 64 << 10
	return &reader{ctx: ctx, stdin: stdin, yield: yield, raw: bufio.NewReaderSize(nil, rawSize)}
}

// read yields the items of a file. It fails if it cannot read the file to its end.
func (r *reader) read(file string) error {
	source, closeSource, err := r.open(file)
	if err != nil {
		return err
	}
	defer closeSource()
	r.raw.Reset(&counter{source, &r.bytes})
	content, closeContent, err := decompress(r.raw)
	if err != nil {
		return err
	}
	defer closeContent()
	err = r.scanner.Scan(r.ctx, &supportedReader{Reader: content}, func(p polisen.Piece) bool {
		r.stopped = !r.yield(Item{File: file, Piece: p, Read: r.bytes}, nil)
		return !r.stopped
	})
	if err != nil || r.stopped {
		return err
	}
	warning, err := checkEnd(content)
	if warning != "" {
		r.stopped = !r.yield(Item{File: file, Read: r.bytes, Warning: warning}, nil)
	}
	return err
}

// checkEnd returns a warning or an error if the content, which was read to its end, is gzip
// data that other bytes follow in the file.
func checkEnd(content io.Reader) (warning string, err error) {
	z, ok := content.(*polisen.GzipReader)
	switch {
	case !ok || !z.Trailing():
		return "", nil
	case z.Unread():
		return "", errors.New("the gzip data ends before the file, and the rest was not read: put the rest into a file of its own")
	}
	return polisen.TrailingBytes, nil
}

// counter counts the bytes that it reads.
type counter struct {
	io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// open opens a file or standard input. If reading from it may block, it fails when
// r.ctx ends.
func (r *reader) open(file string) (source io.Reader, closeSource func(), err error) {
	if file == Stdin {
		source, closeSource = interruptible(r.ctx, func() (io.ReadCloser, error) { return io.NopCloser(r.stdin), nil })
		return source, closeSource, nil
	}
	return openFile(r.ctx, file)
}

// openFile opens a file by its path. If it is a pipe or a terminal, which may block,
// reading from it fails when ctx ends.
func openFile(ctx context.Context, file string) (source io.Reader, closeSource func(), err error) {
	what := "read " + file
	end := blocking.Call(ctx, what)
	defer end()
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		source, closeSource = interruptible(ctx, func() (io.ReadCloser, error) { return os.Open(file) })
		return source, closeSource, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	// Closing a file that was only read loses nothing.
	return &blockingReader{f, ctx, what}, func() { _ = f.Close() }, nil
}

// blockingReader notes that its reads may block.
type blockingReader struct {
	io.Reader
	ctx  context.Context
	what string // for package blocking
}

func (r *blockingReader) Read(p []byte) (int, error) {
	defer blocking.Call(r.ctx, r.what)()
	return r.Reader.Read(p)
}

// interruptible returns a reader that reads from the result of open, and that fails
// with ctx's cause when ctx ends, even while open or a read blocks, as on a terminal
// or a pipe. It may read ahead.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) (source io.Reader, closeSource func()) {
	const chunk = 256 << 10
	pr, pw := io.Pipe()
	go func() {
		r, err := open()
		if err == nil {
			// The struct hides r's WriteTo, which would use a smaller buffer.
			_, err = io.CopyBuffer(pw, struct{ io.Reader }{r}, make([]byte, chunk))
			_ = r.Close() // closing a file that was only read loses nothing
		}
		pw.CloseWithError(err)
	}()
	// An error that the writer's side sets is the one that a read returns.
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(context.Cause(ctx)) })
	return pr, func() {
		stop()
		pr.Close()
	}
}

// supportedReader reads content. If its first bytes are those of a format that Read does not
// read, each call fails.
type supportedReader struct {
	io.Reader
	begun bool
	err   error // of the first bytes
}

func (r *supportedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 && !r.begun {
		r.begun = true
		r.err = unsupported(p[:n])
	}
	if r.err != nil {
		return 0, r.err
	}
	return n, err
}

// unsupported returns an error that says what a file is if its first bytes are those of a format
// that Read does not read.
func unsupported(start []byte) error {
	has := func(at int, magic string) bool { return len(start) > at && bytes.HasPrefix(start[at:], []byte(magic)) }
	// Without a byte order mark, every second byte of Latin letters in UTF-16 is zero.
	isZero := func(at int) bool { return start[at] == 0 }
	utf16 := len(start) >= 4 && isZero(0) != isZero(1) && isZero(0) == isZero(2) && isZero(1) == isZero(3)
	switch {
	case has(0, "BZh"):
		return errors.New("a bzip2 file: decompress it first")
	case has(0, "\xfd7zXZ\x00"):
		return errors.New("an xz file: decompress it first")
	case has(0, "PK\x03\x04"), has(0, "PK\x05\x06"):
		return errors.New("a zip archive: unpack it first")
	case has(257, "ustar") && bytes.IndexByte(start, 0) >= 0: // JSON may have this text here, but no zero byte
		return errors.New("a tar archive: unpack it first")
	case utf16, has(0, "\xff\xfe"), has(0, "\xfe\xff"):
		return errors.New("text in UTF-16: save it as UTF-8 first")
	}
	return nil
}

// decompress returns the content of raw, decompressed if raw is gzip or zstd with
// any number of members or frames.
func decompress(raw *bufio.Reader) (content io.Reader, closeContent func(), err error) {
	magic, err := raw.Peek(4)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952, section 2.3.1
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, nil, polisen.HeaderError(err)
		}
		return polisen.NewGzipReader(raw, z), func() {}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), // RFC 8878, section 3.1.1
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}): // a skippable frame, section 3.1.2
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), // without read-ahead, to save memory
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return raw, func() {}, nil
}
