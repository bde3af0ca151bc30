package polisen

import (
	"context"
	"io"
)

// firstInput is the initial size of an input's buffer in bytes.
const firstInput = 256 << 10

// input is the part of a scanner's content that is in memory.
type input struct {
	ctx  context.Context
	src  io.Reader
	buf  []byte
	pos  int // buf[pos:end] is unread
	end  int
	base int64 // the offset of buf[0] in the content
	err  error // the error that ended the reading of src, such as io.EOF; nil before
}

// reset makes the input read src. It reuses the buffer.
func (in *input) reset(ctx context.Context, src io.Reader) {
	if in.buf == nil {
		in.buf = make([]byte, firstInput)
	}
	*in = input{ctx: ctx, src: src, buf: in.buf}
}

func (in *input) unread() []byte { return in.buf[in.pos:in.end] }

// startsLine reports whether the next byte is the first of its line.
func (in *input) startsLine() bool { return in.pos == 0 || in.buf[in.pos-1] == '\n' }

// offset returns the offset of the next byte in the content.
func (in *input) offset() int64 { return in.base + int64(in.pos) }

// fill reads until there are n unread bytes, or to the end of the content. It reports
// whether there are more unread bytes than before. Earlier results of unread are no
// longer valid.
func (in *input) fill(n int) bool {
	if in.err != nil {
		return false
	}
	before := in.end - in.pos
	if n > len(in.buf)-in.pos {
		buf := in.buf
		if n+1 > len(buf) {
			buf = make([]byte, 2*(n+1)) // twice as large, so that few fills have to copy
		}
		keep := max(in.pos-1, 0) // startsLine looks at the byte before
		in.base += int64(keep)
		in.pos, in.end = in.pos-keep, copy(buf, in.buf[keep:in.end])
		in.buf = buf
	}
	for in.end-in.pos < n && in.err == nil {
		if in.ctx.Err() != nil {
			in.err = context.Cause(in.ctx)
			break
		}
		var got int
		got, in.err = in.src.Read(in.buf[in.end:])
		in.end += got
	}
	return in.end-in.pos > before
}
