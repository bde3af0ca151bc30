package cmd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
)

// inJournal reports whether stderr is connected to the journal of systemd: the variable
// JOURNAL_STREAM then has the device and the inode of stderr. A process whose stderr was
// redirected has the variable too, with other numbers
// (https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html).
func (p Process) inJournal() bool {
	stream, ok := p.Env("JOURNAL_STREAM")
	f, isFile := p.Stderr.(*os.File)
	if !ok || !isFile {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// diagnostics returns a writer to stderr for lines of this level. In the journal each
// line begins with its priority in the form of
// https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html, which the
// journal removes.
func (p Process) diagnostics(level slog.Level) io.Writer {
	if !p.inJournal() {
		return p.Stderr
	}
	return prefixWriter{p.Stderr, priority(level)}
}

// priority returns the prefix for lines of this level.
func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// prefixWriter writes a prefix before each line. The text of each Write must end with a
// line end.
type prefixWriter struct {
	w      io.Writer
	prefix string
}

func (p prefixWriter) Write(b []byte) (int, error) {
	var lines strings.Builder
	for line := range strings.Lines(string(b)) {
		lines.WriteString(p.prefix + line)
	}
	if _, err := io.WriteString(p.w, lines.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// journalHandler passes each log record to the handler of its level.
type journalHandler struct {
	handlers map[slog.Level]slog.Handler // of the levels that slog names
}

// newJournalHandler returns a handler that calls forLevel for the handler of each level.
func newJournalHandler(forLevel func(slog.Level) slog.Handler) journalHandler {
	h := journalHandler{map[slog.Level]slog.Handler{}}
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		h.handlers[level] = forLevel(level)
	}
	return h
}

// at returns the handler for records of this level.
func (h journalHandler) at(level slog.Level) slog.Handler {
	for _, l := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo} {
		if level >= l {
			return h.handlers[l]
		}
	}
	return h.handlers[slog.LevelDebug]
}

func (h journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.at(level).Enabled(ctx, level)
}

func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.at(r.Level).Handle(ctx, r)
}

func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return newJournalHandler(func(l slog.Level) slog.Handler { return h.at(l).WithAttrs(attrs) })
}

func (h journalHandler) WithGroup(name string) slog.Handler {
	return newJournalHandler(func(l slog.Level) slog.Handler { return h.at(l).WithGroup(name) })
}

// withoutTime is the ReplaceAttr of a handler that leaves out the time of a record.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
