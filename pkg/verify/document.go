package verify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

const (
	// skew is how far the clocks of two hosts may be apart.
	skew = 2 * time.Minute
	// underWay is how long after its commit a run may take to put the objects:
	// until then it is no problem that they are missing.
	underWay = time.Minute
)

// parseDocument reads the document, and finds what is wrong with its text.
func (j *judgement) parseDocument() error {
	if j.document.ETag == "" {
		return nil
	}
	doc, err := archive.ParseDocument(j.document.Body)
	if errors.Is(err, archive.ErrNewerFormat) {
		return err
	}
	if err != nil {
		j.mendDocument = true
		j.findDocument(DocumentDamaged, 0, "a document that can be read", err.Error(), mendRepair)
		return nil
	}
	j.doc = doc
	j.counts.Listed = len(doc.SeenIDs)
	var raw struct { // as it stands: ParseDocument puts the list in order
		SeenIDs      []int64 `json:"seen_ids"`
		TotalTracked int     `json:"total_tracked"`
	}
	if err := json.Unmarshal(j.document.Body, &raw); err != nil {
		return fmt.Errorf("read %s again: %w", archive.DocumentName, err)
	}
	for i, id := range raw.SeenIDs {
		if i > 0 && id > raw.SeenIDs[i-1] {
			j.findDocument(SeenUnsorted, id, "seen_ids in descending order", fmt.Sprintf("%d after %d", id, raw.SeenIDs[i-1]), mendRepair)
		}
	}
	ids := slices.Sorted(slices.Values(raw.SeenIDs))
	for i, id := range ids {
		if i > 0 && id == ids[i-1] {
			j.findDocument(SeenRepeated, id, "each id once in seen_ids", fmt.Sprintf("%d again", id), mendRepair)
		}
	}
	if n := len(raw.SeenIDs); raw.TotalTracked != n {
		j.findDocument(SeenMiscounted, 0, fmt.Sprintf("total_tracked %d, the length of seen_ids", n), fmt.Sprint(raw.TotalTracked), mendRepair)
	}
	if n := len(doc.SeenIDs); n > archive.MaxSeen {
		j.findDocument(SeenOverCap, 0, fmt.Sprintf("at most %d ids in seen_ids", archive.MaxSeen), fmt.Sprint(n), mendRepair)
	}
	if doc.LastUpdated.Sub(j.now) > skew {
		j.findDocument(UpdatedInFuture, 0, "last_updated not after "+j.now.UTC().Format(time.RFC3339), doc.LastUpdated.Format(time.RFC3339),
			"check the clock of the host that wrote it, then: "+mendRepair)
	}
	j.mendDocument = len(j.findings) > 0
	return nil
}

// judgeDocument holds the document against the archive.
func (j *judgement) judgeDocument() {
	if j.doc == nil {
		switch {
		case j.document.ETag != "": // it is damaged, which has been found
		case len(j.objects)+len(j.outside) > 0:
			j.mendDocument = true
			j.findDocument(DocumentMissing, 0, "a document beside the objects", "none", mendRepair)
		default:
			j.findDocument(ArchiveMissing, 0, "an archive", "neither a document nor any data object",
				"check the store's name, and that its disk is there; if nothing was collected yet, do: "+program+" collect"+flagsPlace)
		}
		return
	}
	j.judgePending()
	j.judgeRejectedList()
	if j.doc.CompleteAbove == nil {
		j.mendDocument = true
		j.findDocument(NoCompleteAbove, 0, "complete_above, below which alone an unlisted id may be stored", "none, so each unlisted id costs a look into the archive", mendRepair)
		j.findings[len(j.findings)-1].Severity = Notice
	}
	for _, id := range j.doc.SeenIDs {
		v, stored := j.versionsOf(id)
		switch {
		case !stored && !j.partial():
			j.mendDocument = true
			j.forgotten = append(j.forgotten, id)
			j.findDocument(SeenNotStored, id, "each listed id in the archive", fmt.Sprintf("event %d nowhere", id), mendRepair)
		case stored && len(j.doc.Fingerprints[id]) > 0 && !j.agree(j.doc.Fingerprints[id], v.fingerprints()):
			j.mendDocument = true
			j.findDocument(FingerprintsDiffer, id, fmt.Sprintf("fingerprints %v, those of event %d as it was stored", j.doc.Fingerprints[id], id),
				fmt.Sprintf("%v in %s", v.fingerprints(), j.places(id)),
				"look whether somebody has changed the event there, and put that right; what is there then counts, after: "+mendRepair)
		}
	}
	for _, v := range j.stored {
		if above := j.doc.CompleteAbove; above == nil || v.id <= *above {
			continue
		}
		if _, listed := slices.BinarySearchFunc(j.doc.SeenIDs, v.id, func(a, b int64) int { return cmp.Compare(b, a) }); !listed {
			j.mendDocument = true
			j.findDocument(StoredNotListed, v.id, fmt.Sprintf("each stored id above complete_above %d in seen_ids", *j.doc.CompleteAbove),
				fmt.Sprintf("event %d unlisted, which the next run would store again", v.id), mendRepair)
		}
	}
}

// judgeRejectedList holds the document's list of rejected items against them.
func (j *judgement) judgeRejectedList() {
	list := j.doc.Rejected
	if list == nil {
		return
	}
	stored := make(map[string]entry)
	for _, e := range slices.Backward(j.rejected) {
		stored[hashText(e.fingerprint)] = e
	}
	if !j.partial() {
		for _, hash := range list.Hashes {
			if _, ok := stored[hash]; !ok {
				j.findDocument(RejectedNotStored, 0, "each listed rejected item in the archive", "item "+hash+" nowhere", mendRepair)
				j.rejectsWrong = true
			}
		}
	}
	if list.Complete {
		for hash, e := range stored {
			if !slices.Contains(list.Hashes, hash) {
				j.find(RejectedNotListed, e.text, e.line, 0, "each item in the document's complete list of rejected ones",
					"item "+hash+" unlisted, which a run would store again", mendRepair)
				j.rejectsWrong = true
			}
		}
	}
	j.mendDocument = j.mendDocument || j.rejectsWrong
}

// judgePending looks for the objects of the last commit.
func (j *judgement) judgePending() {
	for _, p := range j.doc.Pending {
		want, have, there := store.MD5(p.Content), "", false
		if o := j.objects[p.Name]; o != nil {
			have, there = o.md5, true // unknown if it cannot be read
		} else {
			have, there = j.outside[p.Name]
		}
		switch {
		case !there:
			f := Finding{Check: PendingMissing, Severity: Problem, Object: p.Name,
				Expected: "the object that the last commit holds", Actual: "none; its lines are safe in " + archive.DocumentName, Mend: mendRepair}
			if j.now.Sub(j.doc.LastUpdated) < underWay {
				f.Severity = Notice
			}
			j.findings = append(j.findings, f)
		case have != "" && have != want:
			j.find(PendingDiffers, p.Name, 0, 0, "the content that the last commit holds, with the MD5 "+want, "the MD5 "+have, mendRepair)
		}
	}
}

func (j *judgement) findDocument(c Check, id int64, expected, actual, mend string) {
	j.find(c, archive.DocumentName, 0, id, expected, actual, mend)
}

// versionsOf returns the stored versions of an id.
func (j *judgement) versionsOf(id int64) (versions, bool) {
	i, ok := slices.BinarySearchFunc(j.stored, id, func(v versions, id int64) int { return cmp.Compare(v.id, id) })
	if !ok {
		return versions{}, false
	}
	return j.stored[i], true
}

// fingerprints returns the versions in the document's form.
func (v versions) fingerprints() archive.Versions {
	out := make(archive.Versions, len(v.hashes))
	for i, h := range v.hashes {
		out[i] = hashText(h)
	}
	return out
}

// hashText returns a fingerprint in the document's form.
func hashText(hash uint64) string { return fmt.Sprintf("%016x", hash) }

// agree reports whether the versions that were found are those listed, or, of
// an archive that was read in part, among them.
func (j *judgement) agree(listed, found archive.Versions) bool {
	unlisted := slices.ContainsFunc(found, func(v string) bool { return !slices.Contains(listed, v) })
	return !unlisted && (j.partial() || len(found) == len(listed))
}

// partial reports whether lines may exist that were not read.
func (j *judgement) partial() bool { return j.o.bounded() || j.unreadable != nil }

// rightDocument returns the document that says what the archive holds: the ids
// that are listed and stored, then the highest others, and complete_above just
// where the list ends to be complete.
func (j *judgement) rightDocument() archive.Document {
	var d archive.Document
	listed := make(map[int64]bool)
	if j.doc != nil {
		d.Superseded = j.doc.Superseded
		if !j.rejectsWrong { // without the list, runs look into the archive
			d.Rejected = j.doc.Rejected
		}
		for _, id := range j.doc.SeenIDs { // descending
			if _, stored := j.versionsOf(id); stored && len(listed) < archive.MaxSeen {
				listed[id] = true
			}
		}
	}
	d.CompleteAbove = new(int64)
	d.Fingerprints = make(map[int64]archive.Versions)
	for _, v := range slices.Backward(j.stored) { // descending, too
		switch {
		case listed[v.id] || len(listed) < archive.MaxSeen:
			listed[v.id] = true
			d.SeenIDs = append(d.SeenIDs, v.id)
			d.Fingerprints[v.id] = v.fingerprints()
		default:
			*d.CompleteAbove = max(*d.CompleteAbove, v.id)
		}
	}
	return d
}
