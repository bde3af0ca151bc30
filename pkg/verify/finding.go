package verify

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/text"
)

// Check is the name of a rule that an archive keeps. The names are stable.
type Check string

// The checks.
const (
	ForeignObject      Check = "foreign-object"
	BadName            Check = "bad-name"
	Unreadable         Check = "unreadable"
	ContentDamaged     Check = "content-damaged"
	NoFinalNewline     Check = "no-final-newline"
	NotUTF8            Check = "not-utf8"
	NotJSON            Check = "not-json"
	NotEvent           Check = "not-event"
	NotRejected        Check = "not-rejected-item"
	WrongPartition     Check = "wrong-partition"
	DuplicateEvent     Check = "duplicate-event"
	RevisionInEvents   Check = "revision-in-events"
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
	PendingDifferent   Check = "pending-different"
	UpdatedInFuture    Check = "updated-in-future"
	StoredMissing      Check = "stored-missing"
	StoredUncounted    Check = "stored-uncounted"
	OpenGap            Check = "open-gap"
	UnservedGap        Check = "unserved-gap"
	RejectedReadable   Check = "rejected-readable"
	HalfPair           Check = "half-surrogate-pair"
)

// Severity says whether a finding makes the archive wrong.
type Severity string

// The severities.
const (
	Problem Severity = "problem" // a rule is broken
	Notice  Severity = "notice"  // no rule is broken, but something can be better
)

// Finding is one broken rule.
type Finding struct {
	Check    Check    `json:"check"`
	Severity Severity `json:"severity"`
	// Object is the name of the object, or the common prefix of the objects of a day
	// or a month.
	Object string `json:"object"`
	// Line counts from one; it is zero if the finding is about the whole object.
	Line int `json:"line,omitempty"`
	// ID is the id of the event, if the finding is about one.
	ID       int64  `json:"id,omitempty"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
	Fix      Fix    `json:"fix"`
}

// Fix says how to fix a finding. At least one of its fields is set.
type Fix struct {
	// Command is the shell command that fixes the finding; empty if none does.
	Command string `json:"command,omitempty"`
	// Advice says what to do without a command, or when to run the command.
	Advice string `json:"advice,omitempty"`
}

// maxFindings is the maximum number of findings of each check that a [Result] holds.
// All are counted.
const maxFindings = 1000

// findings counts findings, and keeps the first of each check.
type findings struct {
	kept              []Finding
	byCheck           map[Check]int
	problems, notices int
}

func (f *findings) add(g Finding) {
	if g.Severity == Problem {
		f.problems++
	} else {
		f.notices++
	}
	if f.byCheck == nil {
		f.byCheck = make(map[Check]int)
	}
	if f.byCheck[g.Check]++; f.byCheck[g.Check] <= maxFindings {
		f.kept = append(f.kept, g)
	}
}

// addAll adds all findings of an object.
func (f *findings) addAll(g findings) {
	for _, finding := range g.kept {
		f.add(finding)
	}
	for check, n := range g.byCheck {
		if more := n - maxFindings; more > 0 { // problems that g has counted only
			f.byCheck[check] += more
			f.problems += more
		}
	}
}

// String returns the fix as "COMMAND (ADVICE)".
func (f Fix) String() string {
	switch {
	case f.Command == "":
		return f.Advice
	case f.Advice == "":
		return f.Command
	}
	return f.Command + " (" + f.Advice + ")"
}

// place returns the name of the object and the line, if there is one.
func (f Finding) place() string {
	if f.Line == 0 {
		return quoteName(f.Object)
	}
	return fmt.Sprintf("%s line %d", quoteName(f.Object), f.Line)
}

// String returns the finding on one line.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.place(), f.Check)
	if f.Severity == Notice {
		b.WriteString(" (notice)")
	}
	fmt.Fprintf(&b, ": expected %s; found %s; fix: %s", f.Expected, f.Actual, f.Fix)
	return text.Clean(b.String())
}

// command returns the shell command with these arguments for this archive.
func (o Options) command(args string) string {
	if o.Command == nil {
		return args
	}
	return o.Command(args)
}

func (o Options) repair() Fix { return Fix{Command: o.command("verify --repair")} }

// keepHalfPair is the fix of half a surrogate pair, which the API has sent.
var keepHalfPair = Fix{Advice: "leave the line as the API sent it; if your reader stops there, replace the escape in a copy"}

func (o Options) repairCounts() Fix { return Fix{Command: o.command("verify --repair=counts")} }

// replaceLost is the fix of stored items that are gone.
func (o Options) replaceLost() Fix {
	fix := o.repairCounts()
	fix.Advice = "first restore the objects from a copy if there is one; the command accepts the loss, and only after it backfill may fetch the days again"
	return fix
}

func (o Options) repairDuplicates() Fix { return Fix{Command: o.command("verify --repair=duplicates")} }

// correctByHand is the fix of an object that no command corrects.
func (o Options) correctByHand() Fix {
	return Fix{Command: o.command("verify --repair"), Advice: "first correct the object by hand"}
}

// backfill is the fix of days whose events are missing. Its command names no days that
// the API does not serve: none that are too old, and none in the future.
func (o Options) backfill(from, to archive.Date) Fix {
	served, today := archive.ServedFrom(o.Now()), archive.Today(o.Now())
	if from.Compare(today) > 0 {
		return Fix{Advice: "the API serves no days in the future; if you have saved responses with these events, use backfill --input"}
	}
	if to.Compare(today) > 0 {
		to = today
	}
	if from.Compare(served) >= 0 {
		return Fix{Command: o.command(fmt.Sprintf("backfill --from %s --to %s", from, to))}
	}
	fix := Fix{Advice: fmt.Sprintf("the API serves about %d months; for older days, use backfill --input with saved responses", archive.ServedMonths)}
	if to.Compare(served) >= 0 {
		fix.Command = o.command(fmt.Sprintf("backfill --from %s --to %s", served, to))
	}
	return fix
}

// moveLine is the fix of a line in the wrong object: it belongs under prefix.
func moveLine(prefix string) Fix {
	return Fix{Advice: "move the line by hand to an object under " + prefix}
}

// moveObject is the fix of an object that does not belong in the archive.
var moveObject = Fix{Advice: "inspect the object and move it out of the archive with the store's own tools"}

// leaveObject is the fix of an object beside the archive's folders.
var leaveObject = Fix{Advice: "leave it there, or move it out of the archive with the store's own tools"}

// replaceEntry is the fix of a name that cannot be listed.
func (o Options) replaceEntry() Fix {
	return Fix{Command: o.command("verify"), Advice: "first remove the entry, replace it or make it readable"}
}

// quoteName quotes the name of an object if it has characters that this program's
// names do not have, so that no name reads like the text around it. Any program may
// have chosen the name.
func quoteName(name string) string {
	plain := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-", r) }
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	return strconv.Quote(name)
}
