// Package saved reads saved responses of the API as a stream of items: JSON
// arrays, indented or not, one after another, lines of JSON, and mixtures of
// them, plain or compressed. Memory is the same whatever the size.
//
// Damage costs the damaged text alone: reading goes on at the next item. What
// an item means, and whether it is an event, is the caller's business.
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

// MaxItem is the size, in bytes, of the longest item. Longer ones count as
// damage. The API's are 504 bytes at most.
const MaxItem = 1 << 20

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Item is one item of a saved response.
type Item struct {
	// File is the path as it was given or found, Stdin for standard input.
	File string
	// Offset is that of the item's first byte in the decompressed content.
	Offset int64
	// Raw is the item verbatim, with the white space inside it. It is valid
	// until the next item. If Damage is empty it is a JSON value in UTF-8.
	Raw []byte
	// Damage, if not empty, says why Raw cannot be an item. Raw is empty if
	// something is missing, such as a closing bracket; damaged text longer
	// than MaxItem comes in pieces.
	Damage string
}

// Read yields the items of the files in the order of paths. A folder stands
// for all files in it and in the folders in it, by name; those whose names
// begin with a dot are left out. Content that is gzip or zstd is decompressed.
// Empty files hold no items.
//
// A file that cannot be read to its end is an error that names it, after what
// could be read of it; the consumer may go on to the next file. ctx's end is
// the last error.
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

// files yields the paths of the files that path stands for.
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
		// The function returns nothing but nil and orders to skip, and so
		// does WalkDir.
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

// fileError names the file, once.
func fileError(file string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("read saved responses in %s: %w", file, err)
}
