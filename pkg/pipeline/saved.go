package pipeline

import (
	"context"
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/text"
)

const (
	// A batch is stored when it has this many items or bytes. They are the
	// limits of a commit, so that most batches need one commit.
	maxBatchItems = 2000
	maxBatchBytes = 1 << 20
	// maxKnown is the number of hashes of items kept in memory.
	maxKnown = 1 << 20
	// maxNamed is the number of damaged items that get a warning each.
	maxNamed = 100
)

// Progress says how far BackfillSaved has come.
type Progress struct {
	// Items and Bytes are the number and the size of the items read so far.
	Items int
	Bytes int64
	// New is the number of events stored so far.
	New int
}

// BackfillSaved stores saved responses. Items count as observed in their order:
// the first version of an event goes under events/, later ones under revisions/.
// onBatch, if not nil, is called after each batch. What was stored before an
// error or a cancellation stays. The errors are those of [Collect], and the
// report is returned with every error.
//
// A damaged item goes under rejected/, gets a warning and makes the result a
// [*PartialError]. So does input without items.
func BackfillSaved(ctx context.Context, o Options, items iter.Seq2[saved.Item, error], onBatch func(Progress)) (report.Report, error) {
	return backfill(ctx, o, func(ctx context.Context, r *run) error {
		b := &savedBackfill{
			run:     r,
			onBatch: onBatch,
			known:   make(map[itemHash]struct{}),
			seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		}
		return b.addAll(ctx, items)
	})
}

// itemHash is a hash of an item's bytes. A collision would lose an item, so it
// consists of two 64-bit hashes with different seeds. With SHA-256, a backfill
// of mostly repeated items took 30 % more CPU time.
type itemHash [2]uint64

// savedBackfill is the state of one BackfillSaved.
type savedBackfill struct {
	*run
	onBatch  func(Progress)
	progress Progress

	file string // of the last item
	kind fileKind

	parser polisen.Parser
	batch  archive.Batch // not yet stored
	size   int           // of its items, in bytes
	// known holds the hashes of items read before. Most items of saved
	// responses are repeated in the next response, and need no parsing.
	known map[itemHash]struct{}
	seeds [2]maphash.Seed

	problems     int
	firstProblem string
}

func (b *savedBackfill) addAll(ctx context.Context, items iter.Seq2[saved.Item, error]) error {
	for item, err := range items {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // a file cannot be read; the next one may be
			b.warn(err.Error())
			continue
		}
		if err := b.addItem(ctx, item); err != nil {
			return err
		}
	}
	if err := b.addBatch(ctx); err != nil {
		return err
	}
	if b.problems > 0 {
		return partial([]string{fmt.Sprintf("%s in the input (first: %s); damaged items go under rejected/ in the archive",
			text.Count(b.problems, "problem"), b.firstProblem)})
	}
	if b.progress.Items == 0 {
		return partial([]string{"the input holds no events: check the paths, or the command that feeds standard input"})
	}
	return nil
}

// addItem adds an item to the batch, and stores the batch when it is full.
func (b *savedBackfill) addItem(ctx context.Context, item saved.Item) error {
	if item.File != b.file {
		b.file, b.kind = item.File, kindOf(item.File)
	}
	if b.kind == metadataFile {
		return nil
	}
	b.progress.Items++
	b.progress.Bytes += int64(len(item.Raw))
	b.report.Counts.Fetched++
	if len(item.Raw) == 0 { // such as a missing bracket
		b.warn(item.Place() + ": " + item.Damage)
		return nil
	}
	hash := itemHash{maphash.Bytes(b.seeds[0], item.Raw), maphash.Bytes(b.seeds[1], item.Raw)}
	if _, repeated := b.known[hash]; repeated {
		b.report.Counts.Repeated++
		return nil
	}
	if len(b.known) >= maxKnown {
		clear(b.known) // the archive recognises the items too
	}
	b.known[hash] = struct{}{}
	b.parse(item)
	b.size += len(item.Raw)
	if len(b.batch.Events)+len(b.batch.Rejected) >= maxBatchItems || b.size >= maxBatchBytes {
		return b.addBatch(ctx)
	}
	return nil
}

// fileKind is the kind of a file of input.
type fileKind uint8

const (
	responseFile fileKind = iota // holds events
	metadataFile                 // from a copy of an archive; holds no items
	rejectedFile                 // from a copy of an archive; holds rejected items
)

// kindOf returns the kind of a file, which it derives from the path.
func kindOf(file string) fileKind {
	file = strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".zst")
	parts := strings.Split(filepath.ToSlash(file), "/")
	last := func(n int) string { return strings.Join(parts[max(len(parts)-n, 0):], "/") }
	if name, ok := archive.ParseName(last(5)); ok && name.Kind == archive.Rejected {
		return rejectedFile
	}
	if archive.IsMetadata(last(2)) {
		return metadataFile
	}
	return responseFile
}

// parse adds an item to the batch as an event or as a rejected item.
func (b *savedBackfill) parse(item saved.Item) {
	if item.Damage != "" {
		b.reject(item, polisen.Rejected{Reason: item.Damage, Raw: quote(item.Raw)})
		return
	}
	if b.kind == rejectedFile {
		// The archive it comes from has reported it already: no warning.
		inner, _, reason := archive.ParseRejected(item.Raw)
		if reason != "" {
			b.reject(item, polisen.Rejected{Reason: reason, Raw: quote(item.Raw)})
			return
		}
		b.batch.Rejected = append(b.batch.Rejected, inner)
		return
	}
	event, rejected := b.parser.Item(item.Raw)
	if rejected != nil {
		b.reject(item, *rejected)
		return
	}
	b.batch.Events = append(b.batch.Events, event)
}

func (b *savedBackfill) reject(item saved.Item, r polisen.Rejected) {
	b.batch.Rejected = append(b.batch.Rejected, r)
	b.warn(item.Place() + ": " + r.Reason)
}

// quote returns raw as a JSON string. Text that is not UTF-8 becomes an object
// that holds it in base64.
func quote(raw []byte) []byte {
	quoted, err := jsontext.AppendQuote(nil, raw)
	if err != nil {
		quoted = fmt.Appendf(nil, `{"base64":%q}`, base64.StdEncoding.EncodeToString(raw))
	}
	return quoted
}

// warn counts a problem, and records a warning for each of the first ones.
func (b *savedBackfill) warn(problem string) {
	b.problems++
	if b.problems == 1 {
		b.firstProblem = problem
	}
	if b.problems <= maxNamed {
		b.options.Recorder.Warn(slog.LevelWarn, "%s", problem)
	}
}

// addBatch stores the batch and empties it.
func (b *savedBackfill) addBatch(ctx context.Context) error {
	if len(b.batch.Events)+len(b.batch.Rejected) == 0 {
		return nil
	}
	b.batch.ObservedAt = b.options.Clock.Now()
	outcome, err := b.add(ctx, b.batch)
	b.batch = archive.Batch{Events: b.batch.Events[:0], Rejected: b.batch.Rejected[:0]}
	b.size = 0
	b.progress.New += outcome.New
	if b.onBatch != nil {
		b.onBatch(b.progress)
	}
	return err
}
