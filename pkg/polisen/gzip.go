package polisen

import (
	"bufio"
	"io"
	"strings"
)

// gzipMagic is how a member of gzip data begins (RFC 1952, section 2.3.1).
const gzipMagic = "\x1f\x8b"

// TrailingBytes is the warning about bytes that a [GzipReader] ignores.
const TrailingBytes = "bytes after the end of the gzip data were ignored"

// maxPadding is the largest number of bytes that a [GzipReader] skips before a member.
const maxPadding = 1 << 20

// GzipMember is a reader of single members of gzip data, such as the Reader of package
// compress/gzip.
type GzipMember interface {
	io.Reader
	Multistream(ok bool)
	Reset(r io.Reader) error
}

// GzipReader reads all members of gzip data. It skips zeros and white space between members,
// as files have them that were put together by hand or read from a tape. Like gzip(1) it
// ends at other bytes that do not begin a member.
type GzipReader struct {
	from     *bufio.Reader
	member   GzipMember
	ended    bool // there is no further member
	trailing bool
	unread   bool
}

// NewGzipReader returns a reader of the gzip data from. The header of the first member has
// been read by member.
func NewGzipReader(from *bufio.Reader, member GzipMember) *GzipReader {
	member.Multistream(false)
	return &GzipReader{from: from, member: member}
}

// Trailing reports whether there are bytes after the last member. It is known at the end
// of the data.
func (z *GzipReader) Trailing() bool { return z.trailing }

// Unread reports whether these bytes are more than zeros and white space, so that they may
// hold something.
func (z *GzipReader) Unread() bool { return z.unread }

// Read reads the decompressed data.
func (z *GzipReader) Read(p []byte) (int, error) {
	for !z.ended {
		n, err := z.member.Read(p)
		if n > 0 && err == io.EOF {
			return n, nil // the next Read returns io.EOF again
		}
		if err != io.EOF {
			return n, err
		}
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// next begins the next member, or notes that there is none.
func (z *GzipReader) next() error {
	for skipped := 0; ; skipped++ {
		head, err := z.from.Peek(len(gzipMagic))
		switch {
		case err != nil && err != io.EOF:
			return err
		case string(head) == gzipMagic:
			err := z.member.Reset(z.from)
			z.member.Multistream(false)
			return HeaderError(err)
		case len(head) == 0:
			z.ended, z.trailing = true, skipped > 0
			return nil
		case !strings.ContainsRune("\x00\t\n\r ", rune(head[0])) || skipped == maxPadding:
			z.ended, z.trailing, z.unread = true, true, true
			return nil
		}
		_, _ = z.from.Discard(1)
	}
}

// HeaderError returns the error of reading the header of a member. A header that is cut has
// io.EOF in some libraries, which would look like the end of the data.
func HeaderError(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
