package verify

import (
	"fmt"
	"maps"
	"slices"

	"polisen-events-collector/pkg/archive"
)

// checkGaps reports the gaps of the document, consecutive days as one finding.
func (a *audit) checkGaps() {
	if a.doc == nil {
		return
	}
	var missed, unreadable, unserved []archive.Date
	for _, g := range a.doc.Gaps {
		day, err := archive.ParseDate(g.Day)
		switch {
		case err != nil || !a.options.includes(day):
		case g.Unserved:
			unserved = append(unserved, day)
		case g.Reason == archive.Unreadable:
			if !a.isUnreadableBeside(day) { // otherwise the object is a finding
				unreadable = append(unreadable, day)
			}
		default:
			missed = append(missed, day)
		}
	}
	for _, r := range ranges(missed) {
		f := r.finding(OpenGap, "no response reached back to the one before, because the runs paused or very many events came at once", a.options.backfill(r.From, r.To))
		if f.Fix.Advice == "" {
			f.Fix.Advice = "or wait: runs of collect fetch these days by themselves"
		}
		a.add(f)
	}
	for _, r := range ranges(unreadable) {
		a.add(r.finding(OpenGap, "an object that may hold them cannot be read", Fix{
			Command: a.options.command("verify"), Advice: "first restore, replace or move the object; runs of collect then fetch these days",
		}))
	}
	for _, r := range ranges(unserved) {
		f := r.finding(UnservedGap, "the API does not serve these days", Fix{
			Command: a.options.command("verify --repair=gaps"),
			Advice:  "the command accepts the days as they are; if you have saved responses, first store them with backfill --input",
		})
		f.Severity = Notice
		a.add(f)
	}
}

// isUnreadableBeside reports whether the audit could not read or list an object of the
// day or of the days beside it.
func (a *audit) isUnreadableBeside(day archive.Date) bool {
	for _, d := range []archive.Date{day.Previous(), day, day.Next()} {
		if slices.ContainsFunc(a.unreadable, func(o *object) bool { return o.name.Date == d }) {
			return true
		}
		for _, k := range []archive.Kind{archive.Events, archive.Revisions, archive.Rejected} {
			if a.mayBeUnlisted(k, d, d) {
				return true
			}
		}
	}
	return false
}

// DayRange is a range of consecutive days, from From to To.
type DayRange struct{ From, To archive.Date }

// inWords returns the days as "on 2026-01-02" or "from 2026-01-02 to 2026-01-05".
func (r DayRange) inWords() string {
	if r.From == r.To {
		return "on " + r.From.String()
	}
	return fmt.Sprintf("from %s to %s", r.From, r.To)
}

// ranges returns the ranges that consist of these days, which are in ascending order
// and may repeat.
func ranges(days []archive.Date) (all []DayRange) {
	for _, d := range days {
		if n := len(all); n > 0 && d.Compare(all[n-1].To.Next()) <= 0 {
			all[n-1].To = d
		} else {
			all = append(all, DayRange{d, d})
		}
	}
	return all
}

// finding returns a problem with days whose events may be missing.
func (r DayRange) finding(c Check, why string, fix Fix) Finding {
	days := "of " + r.From.String()
	if r.From != r.To {
		days = r.inWords()
	}
	return Finding{
		Check: c, Severity: Problem, Object: archive.Partition{Kind: archive.Events, Date: r.From}.Prefix(),
		Expected: "all events " + days, Actual: "events may be missing: " + why, Fix: fix,
	}
}

// knownGaps returns the days of which the document says that events may be missing,
// and those that a repair has accepted as they are.
func (a *audit) knownGaps() map[archive.Date]bool {
	if a.doc == nil {
		return nil
	}
	days := slices.Clone(a.doc.AcceptedDays)
	for _, g := range a.doc.Gaps {
		days = append(days, g.Day)
	}
	known := make(map[archive.Date]bool, len(days))
	for _, text := range days {
		if day, err := archive.ParseDate(text); err == nil {
			known[day] = true
		}
	}
	return known
}

// without returns the parts of a range that have none of these days.
func (r DayRange) without(days map[archive.Date]bool) []DayRange {
	if len(days) == 0 {
		return []DayRange{r}
	}
	var rest []DayRange
	from := r.From
	for _, d := range slices.SortedFunc(maps.Keys(days), archive.Date.Compare) {
		if d.Compare(r.From) < 0 || d.Compare(r.To) > 0 {
			continue
		}
		if from.Compare(d) < 0 {
			rest = append(rest, DayRange{from, d.Previous()})
		}
		from = d.Next()
	}
	if from.Compare(r.To) <= 0 {
		rest = append(rest, DayRange{from, r.To})
	}
	return rest
}
