package pipeline

import (
	"context"
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"iter"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/saved"
)

const (
	// Bounds of a batch of saved items: those of a commit, so that most
	// batches make one.
	batchItems = 2000
	batchBytes = 1 << 20
	// maxKnown bounds the memory for items that need no second look.
	maxKnown = 1 << 20
	// maxNamed bounds the damaged items that the report names one by one.
	maxNamed = 100
)

// Saved returns a feed of saved responses: each item is an observation, in
// order. A damaged item is named in the report, stored under rejected/, and
// makes the run partial. progress, if not nil, is told of each batch stored.
func Saved(items iter.Seq2[saved.Item, error], progress func(Progress)) Feed {
	return func(ctx context.Context, run *Options, sink Sink) error {
		f := &savedFeed{run: run, sink: sink, progress: progress, known: make(map[[2]uint64]struct{})}
		f.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
		for item, err := range items {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				f.problem(err.Error())
				continue
			}
			if err := f.add(ctx, item); err != nil {
				return err
			}
		}
		if err := f.flush(ctx); err != nil {
			return err
		}
		if f.problems > 0 {
			return &PartialError{Reasons: []string{fmt.Sprintf("%d of the input's items could not be taken as events (first: %s); what was read of them is %s",
				f.problems, f.first, run.kept())}}
		}
		if f.done.Items == 0 {
			return &PartialError{Reasons: []string{"the input holds no events: look at the path, or at what was piped in"}}
		}
		return nil
	}
}

// Progress is how far a backfill is.
type Progress struct {
	Items int // read so far, repeats included
	Bytes int64
	New   int
}

type savedFeed struct {
	run      *Options
	sink     Sink
	progress func(Progress)
	done     Progress

	parser polisen.Parser
	batch  archive.Batch
	size   int
	// known holds hashes of items that were read before, verbatim: most of
	// what saved responses hold. Two hashes, as a collision would lose an item.
	known map[[2]uint64]struct{}
	seeds [2]maphash.Seed

	problems int
	first    string

	file string // of the last item
	kind fileKind
}

// fileKind tells the files of a copy of an archive from all others.
type fileKind uint8

const (
	responses fileKind = iota // events, whatever form they have
	metadata                  // no items at all
	rejected                  // items that were rejected, wrapped
)

// kindOf goes by the names that an archive gives its objects.
func kindOf(file string) fileKind {
	file = strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".zst")
	parts := strings.Split(filepath.ToSlash(file), "/")
	if name, ok := archive.ParseName(strings.Join(parts[max(len(parts)-5, 0):], "/")); ok && name.Kind == archive.Rejected {
		return rejected
	}
	if archive.IsMetadata(strings.Join(parts[max(len(parts)-2, 0):], "/")) {
		return metadata
	}
	return responses
}

func (f *savedFeed) add(ctx context.Context, item saved.Item) error {
	if item.File != f.file {
		f.file, f.kind = item.File, kindOf(item.File)
	}
	if f.kind == metadata {
		return nil
	}
	f.done.Items++
	f.done.Bytes += int64(len(item.Raw))
	f.run.Report.Counts.Fetched++
	if len(item.Raw) == 0 { // a bracket or comma is missing: there is nothing to keep
		f.problem(fmt.Sprintf("%s at byte %d: %s", item.File, item.Offset, item.Damage))
		return nil
	}
	key := [2]uint64{maphash.Bytes(f.seeds[0], item.Raw), maphash.Bytes(f.seeds[1], item.Raw)}
	if _, repeat := f.known[key]; repeat {
		f.run.Report.Counts.Repeated++
		return nil
	}
	if len(f.known) >= maxKnown {
		clear(f.known) // the archive still knows
	}
	f.known[key] = struct{}{}
	if item.Damage != "" {
		f.reject(item, polisen.Rejected{Reason: item.Damage, Raw: quote(item.Raw)})
	} else if f.kind == rejected {
		f.unwrap(item)
	} else if event, r := f.parser.Item(item.Raw); r != nil {
		f.reject(item, *r)
	} else {
		f.batch.Events = append(f.batch.Events, event)
	}
	f.size += len(item.Raw)
	if len(f.batch.Events)+len(f.batch.Rejected) >= batchItems || f.size >= batchBytes {
		return f.flush(ctx)
	}
	return nil
}

func (f *savedFeed) reject(item saved.Item, r polisen.Rejected) {
	f.batch.Rejected = append(f.batch.Rejected, r)
	f.problem(fmt.Sprintf("%s at byte %d: %s", item.File, item.Offset, r.Reason))
}

// unwrap takes an item of another archive's rejected objects: it is one here
// too, and no news.
func (f *savedFeed) unwrap(item saved.Item) {
	inner, _, reason := archive.ParseRejected(item.Raw)
	if reason != "" {
		f.reject(item, polisen.Rejected{Reason: reason, Raw: quote(item.Raw)})
		return
	}
	f.batch.Rejected = append(f.batch.Rejected, inner)
}

func (f *savedFeed) problem(text string) {
	f.problems++
	if f.problems == 1 {
		f.first = text
	}
	if f.problems <= maxNamed {
		f.run.Recorder.Warn("%s", text)
	}
}

func (f *savedFeed) flush(ctx context.Context) error {
	if len(f.batch.Events)+len(f.batch.Rejected) == 0 {
		return nil
	}
	f.batch.ObservedAt = f.run.Clock.Now()
	outcome, err := f.sink(ctx, f.batch)
	f.batch = archive.Batch{Events: f.batch.Events[:0], Rejected: f.batch.Rejected[:0]}
	f.size = 0
	f.done.New += outcome.New
	if f.progress != nil {
		f.progress(f.done)
	}
	return err
}

// quote returns text that is no JSON as a JSON string, or, since a string
// cannot hold bytes that are no UTF-8, within an object as base64.
func quote(text []byte) []byte {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		quoted = fmt.Appendf(nil, `{"base64":%q}`, base64.StdEncoding.EncodeToString(text))
	}
	return quoted
}
