package pipeline

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/text"
)

const (
	// maxKnown is the largest number of hashes of items in memory.
	maxKnown = 1 << 20
	// maxEvents is the largest number of events of the input in memory. The API has
	// published some 25,000 a year.
	maxEvents = 1 << 18
	// maxWarnings is the largest number of problems that get a warning each.
	maxWarnings = 100
)

// Progress is the progress of [BackfillSaved].
type Progress struct {
	// Items is the number of items read so far.
	Items int
	// Bytes is the Read of the last of these items; see [saved.Item].
	Bytes int64
	// New is the number of events stored so far.
	New int
}

// BackfillSaved stores the items of saved responses, in their order: the first version
// of an event goes under events/, and later versions go under revisions/. It calls
// onBatch after each batch, unless onBatch is nil. Items that are stored before an
// error or a cancellation stay stored. The errors are those of [Collect]. BackfillSaved
// always returns a report.
//
// A damaged or rejected item goes under rejected/ and gets a warning. The error is then
// a [*PartialError], as it is if a file cannot be read or the input has no items.
func BackfillSaved(ctx context.Context, o Options, items iter.Seq2[saved.Item, error], onBatch func(Progress)) (report.Report, error) {
	return backfill(ctx, o, func(ctx context.Context, r *run) error {
		b := &savedBackfill{
			run:      r,
			onBatch:  onBatch,
			known:    hashes{limit: maxKnown},
			seeds:    [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
			events:   make(map[int64]inputEvent),
			versions: make(map[uint64]struct{}),
		}
		return b.addAll(ctx, items)
	})
}

// itemHash is a hash of an item's bytes. A collision would lose an item, so the hash
// consists of two 64-bit hashes with different seeds. With SHA-256 a backfill of mostly
// repeated items took 30 % more CPU time.
type itemHash [2]uint64

// hashes is a set of hashes of at most limit elements.
type hashes struct {
	set   map[itemHash]struct{}
	limit int
}

// add adds a hash, and reports whether it is new. A full set first forgets all hashes. The
// archive then recognises repeated items.
func (h *hashes) add(hash itemHash) bool {
	if _, known := h.set[hash]; known {
		return false
	}
	if h.set == nil || len(h.set) >= h.limit {
		h.set = make(map[itemHash]struct{})
	}
	h.set[hash] = struct{}{}
	return true
}

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
	// known has the hashes of earlier items. Most items of a saved response occur
	// again in the next response, and need no parsing there.
	known hashes
	seeds [2]maphash.Seed

	problems     int
	firstProblem string
	unreadFiles  int // the problems that are files which could not be read to their end

	// events are the first maxEvents events of the input, by their ids, and versions the
	// hashes of the fingerprints of their versions in the input that are stored. There may be
	// many, so both are small and have no pointers.
	events   map[int64]inputEvent
	versions map[uint64]struct{}
	// unordered is the number of revisions that the run stored although the archive had a
	// version of the event that is not in the input. Which of the two is older is unknown.
	unordered int
}

// inputEvent is an event of the input.
type inputEvent struct {
	firstDay int32 // the date of its first version in the input, such as 20260131
	versions int32 // the number of its versions in the input that are stored
}

// addAll reads and stores the items.
func (b *savedBackfill) addAll(ctx context.Context, items iter.Seq2[saved.Item, error]) error {
	defer b.warnOfUnordered()
	for item, err := range items {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // a file cannot be read; the next file may be readable
			b.addProblem(err.Error())
			b.unreadFiles++
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
		reason := fmt.Sprintf("%s in the input (first: %s)", text.Count(b.problems, "problem"), b.firstProblem)
		if b.problems > b.unreadFiles {
			reason += "; damaged items go under rejected/ in the archive"
		}
		return partial([]string{reason})
	}
	if b.progress.Items == 0 {
		return partial([]string{"the input has no events: check the paths, or the command that writes to standard input"})
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
	if item.Warning != "" {
		b.options.Recorder.Warn(slog.LevelWarn, "%s: %s", item.File, item.Warning)
		return nil
	}
	b.progress.Items++
	b.progress.Bytes = item.Read
	b.report.Counts.Fetched++
	if item.Long != nil { // its beginning stands for it
		item.Raw = item.Long.JSON()
	}
	if len(item.Raw) == 0 { // something is missing, such as a bracket
		b.addProblem(item.Place() + ": " + item.Damage)
		return nil
	}
	hash := itemHash{maphash.Bytes(b.seeds[0], item.Raw), maphash.Bytes(b.seeds[1], item.Raw)}
	if !b.known.add(hash) {
		b.report.Counts.Repeated++
		return nil
	}
	b.parse(item)
	b.size += len(item.Raw)
	if len(b.batch.Events)+len(b.batch.Rejected) >= archive.MaxCommitItems || b.size >= archive.MaxCommitBytes { // so that most batches need one commit
		return b.addBatch(ctx)
	}
	return nil
}

// fileKind is the kind of an input file.
type fileKind uint8

const (
	responseFile fileKind = iota // has items of responses
	metadataFile                 // from a copy of an archive; has no items
	rejectedFile                 // from a copy of an archive; has rejected items
)

// kindOf returns the kind of a file by its path.
func kindOf(file string) fileKind {
	if name, ok := saved.ObjectName(file); ok && name.Kind == archive.Rejected {
		return rejectedFile
	}
	if saved.IsMetadata(file) {
		return metadataFile
	}
	return responseFile
}

// parse adds an item to the batch as an event or as a rejected item.
func (b *savedBackfill) parse(item saved.Item) {
	if item.Long != nil {
		b.reject(item, polisen.Rejected{Reason: item.Damage, Raw: item.Raw})
		return
	}
	if item.Damage != "" {
		b.reject(item, polisen.Reject(item.Damage, item.Raw))
		return
	}
	if b.kind == rejectedFile {
		// There was a warning when the other archive stored the item.
		inner, reason := archive.ParseRejected(item.Raw)
		if reason != "" {
			b.reject(item, polisen.Reject(reason, item.Raw))
			return
		}
		if event, rejected := b.parser.Item(inner.Raw); rejected == nil {
			b.addEvent(event)
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
	b.addEvent(event)
}

// addEvent adds an event to the batch.
func (b *savedBackfill) addEvent(e polisen.Event) {
	b.batch.Events = append(b.batch.Events, e)
	date := archive.DateOf(e.Time)
	day := int32(date.Year*10000 + int(date.Month)*100 + date.Day)
	first, known := b.events[e.ID]
	switch {
	case known && first.firstDay != day:
		// The archive may have the first version on a date that is not beside this one.
		if b.batch.EarlierDates == nil {
			b.batch.EarlierDates = make(map[int64]archive.Date)
		}
		d := int(first.firstDay)
		b.batch.EarlierDates[e.ID] = archive.Date{Year: d / 10000, Month: time.Month(d / 100 % 100), Day: d % 100}
	case !known && len(b.events) < maxEvents:
		b.events[e.ID] = inputEvent{firstDay: day}
	}
}

// reject adds a rejected item to the batch, with a warning.
func (b *savedBackfill) reject(item saved.Item, r polisen.Rejected) {
	b.batch.Rejected = append(b.batch.Rejected, r)
	b.addProblem(item.Place() + ": " + r.Reason)
}

// addProblem counts a problem, and records a warning for each of the first maxWarnings
// problems.
func (b *savedBackfill) addProblem(problem string) {
	b.problems++
	if b.problems == 1 {
		b.firstProblem = problem
	}
	if b.problems <= maxWarnings {
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
	b.countUnordered(outcome)
	b.batch = archive.Batch{Events: b.batch.Events[:0], Rejected: b.batch.Rejected[:0]}
	b.size = 0
	b.progress.New += outcome.New
	if b.onBatch != nil {
		b.onBatch(b.progress)
	}
	return err
}

// countUnordered counts the revisions of the batch whose order is unknown. The archive had
// more versions of such an event than the input has before the revision.
func (b *savedBackfill) countUnordered(outcome archive.Outcome) {
	for i, class := range outcome.Classes {
		e := b.batch.Events[i]
		event, known := b.events[e.ID]
		if class == archive.Revised && outcome.Before[i] > int(event.versions) {
			b.unordered++
		}
		version := maphash.String(b.seeds[0], e.Fingerprint) // the fingerprint covers the id, too
		_, counted := b.versions[version]
		isStored := class == archive.New || class == archive.Revised || class == archive.Seen || class == archive.Repeated
		if known && isStored && !counted {
			b.versions[version] = struct{}{}
			event.versions++
			b.events[e.ID] = event
		}
	}
}

// warnOfUnordered warns if versions were stored whose order is unknown. A saved response
// does not say when it was fetched, so these versions may be older than the stored ones.
func (b *savedBackfill) warnOfUnordered() {
	if b.unordered == 0 {
		return
	}
	b.options.Recorder.Warn(slog.LevelWarn, "%s of events that the archive already had: stored as later versions, under revisions/; if the input is older than the archive, this order is wrong: import older copies into an empty archive first, and then collect into it",
		text.Count(b.unordered, "other version"))
}
