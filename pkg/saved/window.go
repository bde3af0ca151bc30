package saved

import (
	"context"
	"io"
)

// firstWindow is the initial size of a window in bytes.
const firstWindow = 256 << 10

// window is the part of a file's content that is in memory.
type window struct {
	ctx  context.Context
	src  io.Reader
	buf  []byte
	pos  int // buf[pos:end] is unread
	end  int
	base int64 // the offset of buf[0] in the content
	err  error // the error that ended the reading of src, such as io.EOF; nil before
}

func (w *window) reset(src io.Reader) {
	if w.buf == nil {
		w.buf = make([]byte, firstWindow)
	}
	*w = window{ctx: w.ctx, src: src, buf: w.buf}
}

func (w *window) unread() []byte { return w.buf[w.pos:w.end] }

// startsLine reports whether the next byte is the first of its line.
func (w *window) startsLine() bool { return w.pos == 0 || w.buf[w.pos-1] == '\n' }

// offset returns the offset of the next byte in the content.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// fill reads until there are n unread bytes, or to the end of the content. It reports
// whether there are more unread bytes than before. Earlier results of unread are no
// longer valid.
func (w *window) fill(n int) bool {
	before := w.end - w.pos
	if n > len(w.buf)-w.pos {
		buf := w.buf
		if n+1 > len(buf) {
			buf = make([]byte, 2*(n+1)) // twice as large, so that few fills have to copy
		}
		keep := max(w.pos-1, 0) // startsLine looks at the byte before
		w.base += int64(keep)
		w.pos, w.end = w.pos-keep, copy(buf, w.buf[keep:w.end])
		w.buf = buf
	}
	for w.end-w.pos < n && w.err == nil {
		if w.ctx.Err() != nil {
			w.err = context.Cause(w.ctx)
			break
		}
		var got int
		got, w.err = w.src.Read(w.buf[w.end:])
		w.end += got
	}
	return w.end-w.pos > before
}
