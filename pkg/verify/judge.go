package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
)

// judgement is what an archive as it was scanned is found to be.
type judgement struct {
	*scan
	now      time.Time
	doc      *archive.Document // nil if there is none that can be read
	findings []Finding
	counts   Counts

	// lines are those of events and revisions, sorted by id and then in the
	// order in which they were stored, events before revisions.
	lines    []entry
	rejected []entry // by content
	// stored are the versions of each id, first version first.
	stored []versions

	mendDocument bool                 // a commit is needed for the document's own sake
	unreadable   []*object            // whose lines cannot be known
	forgotten    []int64              // listed, but stored nowhere
	rejectsWrong bool                 // the document's list of rejected items is
	doubles      map[*object][]double // lines to be taken out
	left         map[*object]int      // lines to be taken out of objects that must stay as they are
}

// entry is a line with its place.
type entry struct {
	*object
	record
}

func (e entry) same(f entry) bool { return e.fingerprint == f.fingerprint }

func (e entry) place() string { return fmt.Sprintf("%s line %d", e.text, e.line) }

// double is a line that should not be where it is.
type double struct {
	line     int32
	revision bool // to be put among the revisions
}

// versions are the stored versions of one id.
type versions struct {
	id     int64
	hashes []uint64
}

// judge holds what was scanned against the rules.
func (s *scan) judge() (*judgement, error) {
	j := &judgement{scan: s, now: s.o.Now(), doubles: make(map[*object][]double), left: make(map[*object]int)}
	if err := j.parseDocument(); err != nil {
		return nil, err
	}
	j.collect()
	j.judgeEvents()
	j.judgeRejected()
	j.judgeDays()
	j.judgeNames()
	j.judgeDocument()
	slices.SortStableFunc(j.findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), cmp.Compare(a.Line, b.Line), strings.Compare(string(a.Check), string(b.Check)), cmp.Compare(a.ID, b.ID))
	})
	return j, nil
}

// collect brings all lines together. Pending objects that do not exist yet
// count: their lines are safe in the document.
func (j *judgement) collect() {
	objects := make([]*object, 0, len(j.objects))
	for _, o := range j.objects {
		if j.isSuperseded(o) {
			j.find(SupersededLeft, o.text, 0, 0, "no object that a repair has replaced", "one whose lines stand elsewhere, since the repair did not end", mendDuplicates)
			continue
		}
		if o.unreadable {
			j.unreadable = append(j.unreadable, o)
		}
		objects = append(objects, o)
		j.counts.Objects++
		j.counts.Bytes += o.size
		j.findings = append(j.findings, o.findings...)
	}
	if j.doc != nil {
		for _, p := range j.doc.Pending {
			n, _ := archive.ParseName(p.Name) // checked when the document was read
			if _, there := j.outside[p.Name]; !there && j.objects[p.Name] == nil && j.o.includes(n.Date) {
				o := &object{Name: n, text: p.Name}
				o.parse(p.Content)
				objects = append(objects, o)
			}
		}
	}
	for _, o := range objects {
		for _, r := range o.records {
			if o.Kind == archive.Rejected {
				j.rejected = append(j.rejected, entry{o, r})
			} else {
				j.lines = append(j.lines, entry{o, r})
			}
		}
	}
	slices.SortFunc(j.lines, func(a, b entry) int { return cmp.Or(cmp.Compare(a.id, b.id), a.inOrder(b)) })
	slices.SortFunc(j.rejected, func(a, b entry) int { return cmp.Or(cmp.Compare(a.fingerprint, b.fingerprint), a.inOrder(b)) })
}

// places names the lines that hold versions of an id.
func (j *judgement) places(id int64) string {
	i, _ := slices.BinarySearchFunc(j.lines, id, func(e entry, id int64) int { return cmp.Compare(e.id, id) })
	var all []string
	for ; i < len(j.lines) && j.lines[i].id == id; i++ {
		all = append(all, j.lines[i].place())
	}
	return strings.Join(all, ", ")
}

// inOrder compares two lines by when they were stored; kinds in their order.
func (e entry) inOrder(f entry) int {
	return cmp.Or(strings.Compare(string(e.Kind), string(f.Kind)), cmp.Compare(e.Timestamp, f.Timestamp),
		strings.Compare(e.text, f.text), cmp.Compare(e.line, f.line))
}

// isSuperseded reports whether the object is to be deleted.
func (j *judgement) isSuperseded(o *object) bool {
	return j.doc != nil && slices.Contains(j.doc.Superseded, archive.Superseded{Name: o.text, ETag: o.etag})
}

func (j *judgement) judgeRejected() {
	j.counts.Rejected = len(j.rejected)
	for rest := j.rejected; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].fingerprint == rest[0].fingerprint {
			n++
		}
		for _, r := range j.repeats(rest[:n]) {
			j.find(DuplicateRejected, r.text, r.line, 0, "each rejected item once", "the same as "+r.of.place(), mendDuplicates)
		}
		rest = rest[n:]
	}
}

// judgeDays looks for days without events between days with. While the archive
// was being written to, that hardly ever happens in truth; before, it says no
// more than that nobody has fetched those days yet.
func (j *judgement) judgeDays() {
	days := make(map[archive.Date]bool)
	var begun int64 // the oldest commit's timestamp
	for _, e := range j.lines {
		if e.Kind == archive.Events {
			days[e.Date] = true
		}
		if begun == 0 || e.Timestamp < begun {
			begun = e.Timestamp
		}
	}
	for _, o := range j.unreadable {
		days[o.Date] = true
	}
	sorted := make([]archive.Date, 0, len(days))
	for d := range days {
		sorted = append(sorted, d)
	}
	if len(sorted) == 0 {
		return
	}
	slices.SortFunc(sorted, archive.Date.Compare)
	j.counts.Days, j.counts.First, j.counts.Last = len(sorted), sorted[0].String(), sorted[len(sorted)-1].String()
	start := archive.DateOf(time.Unix(begun, 0).UTC())
	today := addDays(archive.DateOf(j.now.UTC()), 1) // in Sweden, at the latest
	for i, last := range sorted[1:] {
		from, to := addDays(sorted[i], 1), addDays(last, -1)
		if last.Compare(today) > 0 {
			break // an event dated ahead does not make the days until then missing
		}
		if from.Compare(to) > 0 {
			continue
		}
		f := Finding{
			Check: MissingDays, Severity: Problem, Object: archive.Partition{Kind: archive.Events, Date: from}.Prefix(),
			Expected: "events of each day", Actual: "none from " + from.String() + " to " + to.String(), Mend: mendBackfill(from, to),
		}
		if to.Compare(start) < 0 {
			f.Severity = Notice
		}
		j.findings = append(j.findings, f)
	}
}

func addDays(d archive.Date, n int) archive.Date {
	return archive.DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC))
}

func (j *judgement) judgeNames() {
	for _, name := range j.others {
		switch kind, _, _ := strings.Cut(name, "/"); {
		case archive.IsMetadata(name):
		case kind == string(archive.Events) || kind == string(archive.Revisions) || kind == string(archive.Rejected):
			j.find(BadName, name, 0, 0, "names like "+kind+"/2026/01/31/"+kind+"-1769860800.jsonl", "a name that no run gives, so that its content is not read", mendForeign)
		default:
			j.find(ForeignObject, name, 0, 0, "objects of the archive alone", "an object that does not belong", mendForeign)
		}
	}
}

func (j *judgement) find(c Check, object string, line int32, id int64, expected, actual, mend string) {
	j.findings = append(j.findings, Finding{
		Check: c, Severity: Problem, Object: object, Line: int(line), ID: id, Expected: expected, Actual: actual, Mend: mend,
	})
}

// result returns what was found as a value for people and programs.
func (j *judgement) result(name string) *Result {
	r := &Result{Store: name, Checked: j.counts, ByCheck: make(map[Check]int), Findings: j.findings}
	if r.Findings == nil {
		r.Findings = []Finding{} // an empty list, not null, for readers of the JSON
	}
	if (j.o.From != archive.Date{}) {
		r.From = j.o.From.String()
	}
	if (j.o.To != archive.Date{}) {
		r.To = j.o.To.String()
	}
	for i, f := range j.findings {
		r.Findings[i].Mend = complete(f.Mend, j.o.Flags)
		r.ByCheck[f.Check]++
		if f.Severity == Problem {
			r.Problems++
		} else {
			r.Notices++
		}
	}
	r.OK = r.Problems == 0
	return r
}
