package dirstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"polisen-events-collector/pkg/store"
)

// List implements store.Reader. It reads the folders that the prefix leads to
// and no file, so the attributes lack ETag and MD5. A link or device among the
// files ends it with an error rather than being passed over.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		if ctx.Err() != nil {
			yield(store.Attrs{}, fmt.Errorf("list %s: %w", prefix, context.Cause(ctx)))
			return
		}
		root, err := s.opened()
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(store.Attrs{}, s.fault("list", ".", err))
			return
		}
		w := walk{Store: s, ctx: ctx, root: root, yield: yield}
		w.prefix(prefix)
	}
}

type walk struct {
	*Store
	ctx   context.Context
	root  *os.Root
	yield func(store.Attrs, error) bool
}

// prefix yields the objects whose names begin with prefix.
func (w *walk) prefix(prefix string) {
	folder, start := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder, start = prefix[:i], prefix[i+1:]
		if store.CheckName(folder) != nil {
			return // no name begins like that
		}
	}
	info, err := w.root.Lstat(path.Join(".", folder))
	switch {
	case errors.Is(missing(err), store.ErrNotExist), err == nil && info.Mode().IsRegular():
		// nothing is below it
	case err != nil:
		w.fail(folder, err)
	case !info.IsDir():
		w.fail(folder, errNotAFile)
	default:
		w.folder(folder, start)
	}
}

// folder yields the objects in a folder ("" for the root) and below it, of the
// entries that begin with start. It reports whether to go on.
func (w *walk) folder(name, start string) bool {
	entries, err := w.entries(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true // removed meanwhile
	case err != nil:
		return w.fail(name, err)
	}
	for _, e := range entries {
		if w.ctx.Err() != nil {
			return w.fail(name, context.Cause(w.ctx))
		}
		full := path.Join(name, e.Name())
		switch {
		case e.Name()[0] == '.' || !strings.HasPrefix(e.Name(), start):
		case e.IsDir():
			if !w.folder(full, "") {
				return false
			}
		case !e.Type().IsRegular():
			return w.fail(full, errNotAFile)
		default:
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile
			}
			if err != nil {
				return w.fail(full, err)
			}
			if !w.yield(store.Attrs{Name: full, Size: info.Size()}, nil) {
				return false
			}
		}
	}
	return true
}

// entries returns what is in a folder in the order of the full names' bytes.
// There a folder counts with its slash, which other bytes may precede: "a-b"
// comes before "a/b".
func (w *walk) entries(name string) ([]fs.DirEntry, error) {
	f, err := w.root.Open(path.Join(".", name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(key(a), key(b)) })
	return entries, nil
}

func key(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

func (w *walk) fail(name string, err error) bool {
	w.yield(store.Attrs{}, w.fault("list", name, err))
	return false
}
