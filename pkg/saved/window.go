package saved

import (
	"context"
	"io"
)

// firstWindow is the size of the window while all items are small.
const firstWindow = 256 << 10

// window is the part of the content at which the scanner looks.
type window struct {
	ctx  context.Context
	src  io.Reader
	buf  []byte
	pos  int // buf[pos:end] is unread
	end  int
	base int64 // offset of buf[0] in the content
	err  error // why nothing comes after buf[:end]; nil if something may
}

func (w *window) reset(src io.Reader) {
	if w.buf == nil {
		w.buf = make([]byte, firstWindow)
	}
	*w = window{ctx: w.ctx, src: src, buf: w.buf}
}

func (w *window) unread() []byte { return w.buf[w.pos:w.end] }

func (w *window) startsLine() bool { return w.pos == 0 || w.buf[w.pos-1] == '\n' }

func (w *window) offset() int64 { return w.base + int64(w.pos) }

// fill reads until n bytes are unread, if the content has as many, and reports
// whether there are more of them than before. What unread returned before is
// not valid any more.
func (w *window) fill(n int) bool {
	had := w.end - w.pos
	if n > len(w.buf)-w.pos {
		buf := w.buf
		if n+1 > len(buf) {
			buf = make([]byte, 2*(n+1)) // room to move on in without moving the text each time
		}
		keep := max(w.pos-1, 0) // the byte before tells whether a line starts here
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
	return w.end-w.pos > had
}
