package verify

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"polisen-events-collector/pkg/archive"
)

// Check names a rule that an archive keeps. The names are stable.
type Check string

// The checks.
const (
	ForeignObject      Check = "foreign-object"
	BadName            Check = "bad-name"
	ContentDamaged     Check = "content-damaged"
	EmptyObject        Check = "empty-object"
	NoFinalNewline     Check = "no-final-newline"
	NotUTF8            Check = "not-utf8"
	NotJSON            Check = "not-json"
	NotEvent           Check = "not-event"
	NotRejected        Check = "not-rejected-item"
	WrongPartition     Check = "wrong-partition"
	DuplicateEvent     Check = "duplicate-event"
	UnmarkedRevision   Check = "unmarked-revision"
	UnchangedRevision  Check = "unchanged-revision"
	LoneRevision       Check = "revision-without-event"
	DuplicateRejected  Check = "duplicate-rejected"
	MissingDays        Check = "missing-days"
	ArchiveMissing     Check = "archive-missing"
	DocumentMissing    Check = "document-missing"
	DocumentDamaged    Check = "document-damaged"
	SeenUnsorted       Check = "seen-unsorted"
	SeenRepeated       Check = "seen-repeated"
	SeenMiscounted     Check = "seen-miscounted"
	SeenOverCap        Check = "seen-over-cap"
	SeenNotStored      Check = "seen-not-stored"
	StoredNotListed    Check = "stored-not-listed"
	RejectedNotStored  Check = "rejected-not-stored"
	RejectedNotListed  Check = "rejected-not-listed"
	FingerprintsDiffer Check = "fingerprints-differ"
	NoCompleteAbove    Check = "no-complete-above"
	PendingMissing     Check = "pending-missing"
	PendingDiffers     Check = "pending-differs"
	SupersededLeft     Check = "superseded-left"
	UpdatedInFuture    Check = "updated-in-future"
)

// Severity tells what makes an archive wrong from what is worth knowing.
type Severity string

// The severities.
const (
	Problem Severity = "problem" // a rule is broken
	Notice  Severity = "notice"  // nothing is wrong, though something could be better
)

// Finding is one breach of a rule.
type Finding struct {
	Check    Check    `json:"check"`
	Severity Severity `json:"severity"`
	// Object is the object's name, or the prefix of a day without any.
	Object string `json:"object"`
	// Line is counted from one; zero if the finding is about the whole object.
	Line int `json:"line,omitempty"`
	// ID is the event's, if the finding is about one.
	ID       int64  `json:"id,omitempty"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
	// Mend is the command that mends it, or what to do where none does.
	Mend string `json:"mend"`
}

// String returns the finding on one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(printable(f.Object))
	if f.Line > 0 {
		fmt.Fprintf(&b, " line %d", f.Line)
	}
	fmt.Fprintf(&b, ": %s", f.Check)
	if f.Severity == Notice {
		b.WriteString(" (notice)")
	}
	fmt.Fprintf(&b, ": expected %s; found %s; mend: %s", f.Expected, f.Actual, f.Mend)
	return b.String()
}

// What mends a finding. Commands have a place for Options.Flags, which complete
// fills.
const (
	flagsPlace       = "\x00"
	program          = "polisen-events-collector"
	mendRepair       = program + " verify" + flagsPlace + " --repair"
	mendDuplicates   = program + " verify" + flagsPlace + " --repair=duplicates"
	mendByHand       = "no command does; look at the object, correct it by hand, then run: " + mendRepair
	mendForeign      = "look at it, and take it out of the archive by the store's own tools"
	mendBackfillForm = program + " backfill" + flagsPlace + " --from %s --to %s (more than six months back: --input, from saved responses)"
)

func mendBackfill(from, to archive.Date) string { return fmt.Sprintf(mendBackfillForm, from, to) }

// complete puts the flags into a mend's commands.
func complete(mend, flags string) string {
	if flags != "" {
		flags = " " + flags
	}
	return strings.ReplaceAll(mend, flagsPlace, flags)
}

// printable returns a name that anybody may have made up as it can be shown.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}
