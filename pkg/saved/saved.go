// Package saved reads saved responses of the API: [Source] reads one response in
// place of a call to the API, and [Read] reads any number of them as a stream of
// items.
//
// It does not decide which items are events. The caller parses them.
package saved

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// MaxItem is the size in bytes of the longest item; a longer one counts as damaged.
// The longest item in 29,357 recorded responses has 504 bytes.
const MaxItem = 1 << 20

// Stdin is the path of standard input.
const Stdin = "-"

// Item is one item of a saved response, or damaged text between items.
type Item struct {
	// File is the path of the file, as given or found in a folder; Stdin for
	// standard input.
	File string
	// Offset is the position of the first byte in the decompressed content.
	Offset int64
	// Raw is the text, verbatim. It is valid until the next item. Without
	// Damage it is one JSON value in UTF-8.
	Raw []byte
	// Damage is the reason why Raw is not an item; empty if it is one. Raw may
	// be empty if something is missing, such as a closing bracket. Damaged text
	// longer than MaxItem is split into several items.
	Damage string
}

// Read yields the items of the files, in the order of paths. A file may contain
// JSON arrays, indented or not, one after another, JSON values on lines of their
// own, and any mixture. It may be compressed with gzip or zstd. A folder stands
// for all files in it and in its subfolders, sorted by name, except those whose
// names begin with a dot.
//
// After damaged text Read goes on with the next item. If a file cannot be read to
// its end, Read yields an error that names the file, after the items before; the
// caller may go on to the next file. If ctx ends, its cause is the last error.
//
// The memory needed does not depend on the size of the files.
func Read(ctx context.Context, paths []string, stdin io.Reader) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := newReader(ctx, stdin, yield)
		for _, path := range paths {
			for file, err := range files(path) {
				if err == nil {
					err = r.read(file)
				}
				if r.stopped {
					return
				}
				ended := ctx.Err() != nil
				if ended {
					err = context.Cause(ctx)
				}
				if err != nil && !yield(Item{File: file}, fileError(file, err)) || ended {
					return
				}
			}
		}
	}
}

// files yields path, or the paths of the files in it if it is a folder.
func files(path string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if path == Stdin {
			yield(path, nil)
			return
		}
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			yield(path, err)
			return
		}
		// WalkDir returns no error, since the function returns only nil, SkipDir
		// and SkipAll.
		_ = fs.WalkDir(os.DirFS(path), ".", func(name string, entry fs.DirEntry, err error) error {
			full := filepath.Join(path, filepath.FromSlash(name))
			switch {
			case err != nil:
				if !yield(full, err) {
					return fs.SkipAll
				}
			case name != "." && strings.HasPrefix(entry.Name(), "."):
				if entry.IsDir() {
					return fs.SkipDir
				}
			case entry.Type().IsRegular(), entry.Type() == fs.ModeSymlink:
				if !yield(full, nil) {
					return fs.SkipAll
				}
			}
			return nil
		})
	}
}

// fileError returns an error that names the file once.
func fileError(file string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("read saved responses in %s: %w", file, err)
}
