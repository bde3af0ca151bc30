package polisen

import (
	"bufio"
	"io"
)

// gzipMagic is how a member of gzip data begins (RFC 1952, section 2.3.1).
const gzipMagic = "\x1f\x8b"

// TrailingBytes is the warning about bytes that a [GzipReader] ignores.
const TrailingBytes = "bytes after the end of the gzip data were ignored"

// GzipMember is a reader of single members of gzip data, such as the Reader of package
// compress/gzip.
type GzipMember interface {
	io.Reader
	Multistream(ok bool)
	Reset(r io.Reader) error
}

// GzipReader reads all members of gzip data. Like gzip(1) it ignores bytes after the last
// member if they do not begin another one.
type GzipReader struct {
	from     *bufio.Reader
	member   GzipMember
	trailing bool
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

// Read reads the decompressed data.
func (z *GzipReader) Read(p []byte) (int, error) {
	for !z.trailing {
		n, err := z.member.Read(p)
		if n > 0 && err == io.EOF {
			return n, nil // the next Read returns io.EOF again
		}
		if err != io.EOF {
			return n, err
		}
		next, err := z.from.Peek(len(gzipMagic))
		switch {
		case len(next) == 0 || err != nil && err != io.EOF:
			return 0, err
		case string(next) != gzipMagic:
			z.trailing = true
			return 0, io.EOF
		}
		if err := z.member.Reset(z.from); err != nil {
			return 0, err
		}
		z.member.Multistream(false)
	}
	return 0, io.EOF
}
