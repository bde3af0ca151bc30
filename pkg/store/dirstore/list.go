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

// List implements [store.Reader]. It reads only the folders that can hold names
// with the prefix, and no files, so ETag and MD5 are empty. For a symbolic link, a
// pipe, a device or a folder that cannot be read it yields an error with the name,
// since objects may be behind it, and goes on.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		if ctx.Err() != nil {
			yield(store.Attrs{}, fmt.Errorf("%s: %w", store.ListCall(prefix), context.Cause(ctx)))
			return
		}
		root, err := s.openRoot()
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(store.Attrs{}, s.callError("list", ".", err))
			return
		}
		w := walk{Store: s, ctx: ctx, root: root, yield: yield}
		w.prefix(prefix)
	}
}

// walk is one iteration of List.
type walk struct {
	*Store
	ctx   context.Context
	root  *os.Root
	yield func(store.Attrs, error) bool
}

// prefix yields the objects whose names begin with prefix. It finds their folder
// and leaves the rest to folder.
func (w *walk) prefix(prefix string) {
	folder, start := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder, start = prefix[:i], prefix[i+1:]
		if store.CheckName(folder) != nil {
			return // no object's name begins with it
		}
	}
	info, err := w.root.Lstat(path.Join(".", folder))
	switch {
	case errors.Is(asNotExist(err), store.ErrNotExist), err == nil && info.Mode().IsRegular():
		// no objects
	case err != nil:
		w.fail(folder, err)
	case !info.IsDir():
		w.fail(folder, errNotRegular)
	default:
		w.folder(folder, start)
	}
}

// folder yields the objects below the folder name ("" for the store's own),
// limited to entries of the folder that begin with start. It returns false if
// the iteration has ended.
func (w *walk) folder(name, start string) bool {
	entries, err := w.entries(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true // removed since its parent was read
	case err != nil:
		return w.fail(name, err)
	}
	for _, e := range entries {
		if w.ctx.Err() != nil {
			return w.fail(name, context.Cause(w.ctx))
		}
		full := path.Join(name, e.Name())
		switch {
		case e.Name()[0] == '.' || store.IsLitter(e.Name()) || !strings.HasPrefix(e.Name(), start):
		case e.IsDir():
			if !w.folder(full, "") {
				return false
			}
		case !e.Type().IsRegular():
			if !w.fail(full, errNotRegular) {
				return false
			}
		default:
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted since the folder was read
			}
			if err != nil {
				if !w.fail(full, err) {
					return false
				}
				continue
			}
			if !w.yield(store.Attrs{Name: full, Size: info.Size()}, nil) {
				return false
			}
		}
	}
	return true
}

// entries returns a folder's entries in the byte order of the objects' names. In
// these names a slash follows a folder, and some bytes sort before the slash:
// "a-b" comes before "a/b".
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
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	return entries, nil
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// fail yields an error that concerns only the file or folder name, unless name is
// empty, ctx is done or the machine is short of something. It returns false if the
// iteration has ended.
func (w *walk) fail(name string, err error) bool {
	attrs := store.Attrs{Name: name}
	if w.ctx.Err() != nil || shortage(err) != "" {
		attrs.Name = ""
	}
	return w.yield(attrs, w.callError("list", name, err)) && attrs.Name != ""
}
