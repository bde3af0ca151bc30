package main

import "slices"

// The folders of packages that several mutations name.
const (
	archivePkg  = "pkg/archive"
	clientPkg   = "pkg/ociclient"
	authPkg     = "pkg/ociauth"
	dirPkg      = "pkg/store/dirstore"
	bucketPkg   = "pkg/store/ocistore"
	limitPkg    = "pkg/ratelimit"
	lockPkg     = "pkg/filelock"
	pipelinePkg = "pkg/pipeline"
	polisenPkg  = "pkg/polisen"
	retryPkg    = "pkg/retry"
	savedPkg    = "pkg/saved"
	statusPkg   = "pkg/status"
	storePkg    = "pkg/store"
	textPkg     = "pkg/text"
	verifyPkg   = "pkg/verify"
	commandsPkg = "cmd"
)

// mutations returns all mutations. To add one, choose a guarantee and the smallest
// change that breaks it, in source that seldom changes, and a text that occurs once in
// its file. TestMutationsApply checks the table.
func mutations() []mutation {
	return slices.Concat(protocol(), decisions(), simulated(), properties(), repairs(), reports(), copies(), limits(), folders(), buckets(), responses(), secrets(), security(), texts(), alarms(), gapQueries(), health(), monitoring(), commands(), terminals(), installer(), releases())
}

// in returns a mutation of a file that all tests of the packages may notice. Where the
// mutations of a function have more in common, that function has its own in.
func in(file, guarantee, old, new string, packages ...string) mutation {
	return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: packages}
}

// protocol returns the mutations of the commit protocol (see PROTOCOL.md of package
// archive).
func protocol() []mutation {
	in := func(file, guarantee, old, new string, packages ...string) mutation {
		return mutation{guarantee: guarantee, file: archivePkg + "/" + file, old: old, new: new, packages: append([]string{archivePkg}, packages...)}
	}
	return []mutation{
		in("writer.go", "A commit replaces only the document that its run has read.",
			"cond = store.IfMatch(w.etag)", "cond = store.Always()"),
		in("writer.go", "The first commit of an archive does not replace a document.",
			"cond := store.IfAbsent()", "cond := store.Always()"),
		in("writer.go", "A run puts its objects only after the document contains them.",
			"etag, err := w.store.Put(ctx, DocumentName, body, cond)",
			"for _, p := range next.Pending {\n\t\t_, _ = p.ensure(ctx, w.store, true)\n\t}\n\tetag, err := w.store.Put(ctx, DocumentName, body, cond)"),
		in("writer.go", "A run puts the missing objects of the last commit before its own commit.",
			"err := w.putPending(ctx, false)", "err := error(nil)"),
		in("writer.go", "A run that leaves the heal until later heals before a lookup.",
			"w.unhealed = false\n\treturn w.heal(ctx)", "return nil"),
		in("plan.go", "A run that commits before it heals keeps the objects of the last commit in the document.",
			"next.Pending = w.unchecked()", "next.Pending = nil"),
		in("writer.go", "A lookup reads no partition before the objects of the last commit are stored.",
			"if w.canHealLater() {",
			"var early []Date\n\tfor _, p := range w.doc.Pending {\n\t\tn, _ := ParseName(p.Name)\n\t\tearly = append(early, n.Date)\n\t}\n\t_ = w.index.lookUp(ctx, early)\n\tif w.canHealLater() {"),
		in("writer.go", "A run reads the partitions again after another run has committed.",
			"if d.etag != w.etag {", "if false {"),
		in("writer.go", "A run that loses the answer to its commit recognises its own commit.",
			"unresolved[*next.Commit] = true", "unresolved[*next.Commit] = false"),
		in("writer.go", "A commit with an unknown outcome does not count as a success.",
			"a.unknownOutcomes++\n", "a.unknownOutcomes++\n\t\t\t\tif c.committed(w, *next.Commit) {\n\t\t\t\t\treturn a, nil\n\t\t\t\t}\n"),
		in("writer.go", "A commit that meets the commit of another run does not count as a success.",
			"refused, refusedETag = err, w.etag",
			"refused, refusedETag = err, w.etag\n\t\t\t\tif c.committed(w, *next.Commit) {\n\t\t\t\t\treturn a, nil\n\t\t\t\t}"),
		in("writer.go", "An accepted older document does not say how many items are stored.",
			"d.doc.Stored, d.doc.Forgotten = nil, nil", "d.doc.Forgotten = nil"),
		in("writer.go", "The objects of a run's own commit do not count as healed.",
			"w.doc.isOwn(p) && w.doc.Commit.ID == w.opts.RunID", "putFirst && w.doc.isOwn(p)"),
		in("writer.go", "A damaged document is copied before it is replaced.",
			`if w.damaged != nil && w.damagedCopy == "" {`, "if false {"),
		in("writer.go", "A run ends after four tries if the store refuses each commit.",
			"if refusals == maxRefusals {", "if refusals == 10*maxRefusals {"),
		in("writer.go", "A dry run commits nothing.",
			"if w.opts.DryRun {\n\t\theld := w.held", "if false {\n\t\theld := w.held"),
		in("writer.go", "A dry run does not put the missing objects of the last commit.",
			"if w.opts.DryRun {\n\t\t\t\tfound[i].state", "if false {\n\t\t\t\tfound[i].state"),
		in("writer.go", "A run that accepts an older document does not trust its lists.",
			"if accepted { // later", "if false { // later"),
		in("plan.go", "A run that accepts an older document commits even if nothing is new.",
			"!p.rebuild && !w.accepted &&", "!p.rebuild &&"),
		in("writer.go", "A run refuses an archive that lacks a commit which it is known to have had.",
			"if last >= known {", "if true {"),
		in("writer.go", "A long backfill forgets the events that it has read, so that its memory is bounded.",
			"if len(w.index.versions) > maxIndexed &&", "if false &&"),
		in("plan.go", "A commit has a higher timestamp than the commit before it, even if the clock goes back.",
			"timestamp := max(now.Unix(), w.doc.timestamp()+1, known+1, w.opts.KnownCommit+1)", "timestamp := max(now.Unix(), known+1, w.opts.KnownCommit+1)"),
		in("plan.go", "A rebuilt document, and an accepted archive, have a higher timestamp than the commit which is known to have been made.",
			"known+1, w.opts.KnownCommit+1)", "known+1)"),
		in("plan.go", "A document that is rebuilt or an older copy gets a higher timestamp than the commit that the last report names.",
			"w.doc.timestamp()+1, known+1,", "w.doc.timestamp()+1,"),
		in("backup.go", "A document without a commit takes over the gaps of the backup.",
			"cmp.Or(b.CoveredUntil, d.CoveredUntil), b.Gaps, b.AcceptedDays", "cmp.Or(b.CoveredUntil, d.CoveredUntil), d.Gaps, b.AcceptedDays"),
		in("backup.go", "A document without a commit takes over the time that the backup is covered until.",
			"cmp.Or(b.CoveredUntil, d.CoveredUntil)", "cmp.Or(d.CoveredUntil)"),
		in("backup.go", "A document without a commit takes over the accepted days of the backup.",
			"b.Gaps, b.AcceptedDays", "b.Gaps, d.AcceptedDays"),
		in("backup.go", "The last document takes over no backup.",
			"if d.timestamp() < b.Timestamp {", "if b.Timestamp > 0 {", statusPkg),
		in("backup.go", "A report without a backup takes no gaps from an older document.",
			"if d.timestamp() < b.Timestamp {", "if d.timestamp() < max(b.Timestamp, 1<<40) {"),
		in("writer.go", "A run does without the lists of a document that is older than the last report.",
			"accepted := isOlder() ||", "accepted :="),
		in("writer.go", "A commit between two reads does not make the document older.",
			"if isOlder() { // a run may", "if false { // a run may"),
		in("backup.go", "A run neither continues nor rebuilds the document if the store fails to give the last report.",
			"case err != nil:\n\t\treturn LastRun{}, err", "case err != nil:\n\t\treturn LastRun{}, nil"),
		in("backup.go", "A rebuilt document has a higher timestamp than the commit that the report of an older release names.",
			"known = max(known, min(l.Stored.Timestamp, maxTimestamp))", "known = max(known, 0)"),
		in("backup.go", "A run says that gaps may be lost if the last report is damaged.",
			"return LastRun{damage: LastRunName + \" is damaged\"}, nil", "return LastRun{}, nil"),
		in("backup.go", "A run does not say that gaps may be lost after a run that knew of no commit.",
			"(l.Known() > 0 || l.Backup != nil)", "true"),
		in("plan.go", "Only the first commit of a rebuilt document says that gaps may be lost.",
			"w.doc.Commit == nil && lost", "lost"),
		in("backup.go", "A run rebuilds the document if the store refuses access to the backup.",
			"case errors.Is(err, store.ErrAccess):", "case errors.Is(err, store.ErrInvalid):"),
		in("backup.go", "A backup with a timestamp after the year 9999 does not count.",
			"b.Timestamp > maxTimestamp", "false"),
		in("plan.go", "An object that a run cannot look at stays in the next document.",
			"next.Pending = append(next.Pending, o.Pending)", "_ = o"),
		in("plan.go", "A commit has at most 2,000 new items.",
			"p.items >= MaxCommitItems ||", "false ||"),
		in("plan.go", "A commit has at most 1 MiB of new items.",
			"p.size+len(line) >= MaxCommitBytes)", "false)"),
		in("plan.go", "A commit has at most 32 MiB of lines, those of earlier commits included.",
			"p.earlier+p.size+len(line) >= maxPendingBytes", "false"),
		in("pending.go", "A run never overwrites an object.",
			"s.Put(ctx, p.Name, p.Content, store.IfAbsent())", "s.Put(ctx, p.Name, p.Content, store.Always())"),
		in("pending.go", "A run ends if the store refuses an object and does not have it either.",
			"case puts == maxPuts:", "case puts == 100*maxPuts:"),
		in("pending.go", "A run compares the objects of the last commit with their content.",
			"return md5 == store.MD5(p.Content)", "return true"),
		in("pending.go", "The document never holds an object whose content is not UTF-8.",
			"if !utf8.Valid(t) {", "if !utf8.Valid(nil) {"),
		in("document.go", "The document lists at most 1000 ids.",
			"kept := min(len(ids), MaxSeen)", "kept := len(ids)"),
		in("document.go", "The document lists at most 1000 rejected items.",
			"kept := min(len(hashes), maxRejected)", "kept := len(hashes)"),
		in("document.go", "The limit complete_above rises to the highest id that leaves the list.",
			"above := max(*d.CompleteAbove, slices.Max(dropped))", "above := *d.CompleteAbove"),
		in("document.go", "The limit complete_above never falls.",
			"above := max(*d.CompleteAbove, slices.Max(dropped))", "above := slices.Max(dropped)"),
		in("document.go", "The ids of a document that another program wrote are sorted.",
			"slices.SortFunc(d.SeenIDs, descending)\n", ""),
		in("document.go", "A repeated id in a document counts once.",
			"d.SeenIDs = slices.Compact(d.SeenIDs)", ""),
		in("document.go", "A run refuses the document of a later release.",
			"if d.Version > formatVersion {", "if false {"),
		in("document.go", "A document whose pending objects have other names than data objects is damaged.",
			"if _, ok := ParseName(p.Name); !ok {", "if _, ok := ParseName(p.Name); !ok && false {"),
		in("name.go", "Only the exact form of a name is the name of a data object.",
			"err == nil && n.String() == text", "err == nil"),
	}
}

// decisions returns the mutations of step 3 of the protocol: what is new.
func decisions() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: archivePkg + "/" + file, old: old, new: new, packages: []string{archivePkg}}
	}
	return []mutation{
		in("plan.go", "An event that the document does not decide on is looked up.",
			"statuses[i] = idUncertain", "statuses[i] = idNew"),
		in("plan.go", "An id that another program has listed is looked up.",
			"case len(versions) > 0:\n\t\t\tstatuses", "case ok && len(versions) >= 0:\n\t\t\tstatuses"),
		in("plan.go", "An archive with events but without a document does not count as empty.",
			"hasData = true\n\t\t\tbreak", "_ = hasData\n\t\t\tbreak"),
		in("plan.go", "The current response stays in the list of ids.",
			"w.doc.listIDs(p.next, stored, b.Current)", "w.doc.listIDs(p.next, stored, false)"),
		in("plan.go", "An event that occurs twice in a response is stored once.",
			"versions, stored = p.stored[e.ID]; stored {", "versions, stored = p.stored[e.ID]; false {"),
		in("plan.go", "An event waits if an object that may hold it cannot be read.",
			"case unreadable != nil && !isStored:", "case false:"),
		in("plan.go", "An incomplete list of rejected items does not decide that an item is new.",
			"p.allRejected = w.listsAllRejected()", "p.allRejected = true"),
		in("gaps.go", "A window that begins after covered_until makes the days between gaps.",
			"beginsLater := window.From.After(*covered)", "beginsLater := false"),
		in("gaps.go", "A response of which no event is stored makes the days since covered_until gaps.",
			"!c.sharesEvent && window.To.After(*covered)", "false"),
		in("gaps.go", "A response that ends before covered_until makes no gaps.",
			"!c.sharesEvent && window.To.After(*covered)", "!c.sharesEvent"),
		in("plan.go", "A second version of a new event does not show that a response reaches back.",
			"if stored && !c.repeated[i] {", "if stored {"),
		in("gaps.go", "Only the last of several commits of a response raises covered_until.",
			"if p.incomplete {\n\t\treturn\n\t}\n\tuntil", "until"),
		in("gaps.go", "Only the last of several commits of a whole answer closes a gap.",
			"answer != nil && !p.incomplete {", "answer != nil {"),
		in("gaps.go", "The gap of a day stays if its events still wait.",
			"g.Reason == Unreadable && w.stillWaits(p, g, answer.Day)", "false"),
		in("gaps.go", "A gap that names no items stays if items of its day wait.",
			"if named || reason.day == day {", "if named || reason.day != day {"),
		in("gaps.go", "A version of an event still waits if the run decides on another version of it.",
			"version: e.Fingerprint}", "version: \"\"}"),
		in("gaps.go", "A run without revisions decides on an event with any version of it.",
			"if !w.opts.Revisions {", "if false {"),
		in("gaps.go", "A gap that names an event stays as long as a version of it waits in the run.",
			"return waiting[name] || !decided[name] && !isListed", "return false && waiting[name] || !decided[name] && !isListed"),
		in("gaps.go", "Attempts within an hour count once.",
			"!g.AttemptCounts(now) && kind != AnswerNotFound", "false"),
		in("plan.go", "A rebuilt document does not count the stored items.",
			"if last.Stored == nil && !p.newArchive {", "if false {"),
		in("plan.go", "An event that a repair has forgotten is not counted a second time.",
			"at >= 0 {", "at < -1 {"),
		in("index.go", "A lookup reads the days beside that of the event.",
			"return [3]Date{date.Previous(), date, date.Next()}", "return [3]Date{date, date, date}"),
		in("index.go", "A lookup goes on if an object has gone since the listing.",
			"case errors.Is(err, store.ErrNotExist):\n\t\t\tcase err", "case errors.Is(err, store.ErrNotExist) && false:\n\t\t\tcase err"),
		in("index.go", "A lookup compares the length of an object with the listing.",
			"if size == attrs.Size && (", "if ("),
		in("index.go", "A lookup compares the MD5 of an object with the listing.",
			`(attrs.MD5 == "" || attrs.MD5 == object.MD5)`, "true"),
		in("index.go", "An object of which only a part was read is unreadable for a repair.",
			"if size != attrs.Size || size != object.Size {", "if false {"),
		in("index.go", "A lookup reads an object again if it does not match the listing.",
			"if again {", "if again || true {"),
		in("changed.go", "A line that another program has removed from an object of the last commit is stored again.",
			"nowhere = append(nowhere, l)", "_ = l"),
		in("changed.go", "A line that another program has moved to another object is not stored again.",
			"case w.index.has(l):", "case false:"),
		in("changed.go", "An object stays in the next document if a line of it cannot be looked up.",
			"w.held = append(w.held, heldObject{o.Pending, unreadable})", "_ = unreadable"),
	}
}

// simulated returns mutations that the random histories of several hosts have to notice.
// TestBrokenProtocol of package simtest breaks more of the protocol, from outside.
func simulated() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: archivePkg + "/" + file, old: old, new: new, packages: []string{"pkg/simtest"}, tests: "^TestHistories$"}
	}
	return []mutation{
		in("index.go", "In a history, a lookup reads the days beside that of the event.",
			"return [3]Date{date.Previous(), date, date.Next()}", "return [3]Date{date, date, date}"),
		in("writer.go", "In a history, a run puts the missing objects of the last commit before its own commit.",
			"err := w.putPending(ctx, false)", "err := error(nil)"),
		in("gaps.go", "In a history, a response that does not reach back to the one before makes gaps.",
			"if beginsLater || sharesNone {", "if (beginsLater || sharesNone) && false {"),
	}
}

// properties returns mutations that the properties of package archive have to notice, with
// random inputs.
func properties() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{
			guarantee: guarantee, file: archivePkg + "/" + file, old: old, new: new,
			packages: []string{archivePkg}, tests: "^Test(AnyCommits|AnyLookup|AnyGaps|DroppedIDsAreLookedUp)$",
		}
	}
	return []mutation{
		in("writer.go", "Whatever runs commit, each one replaces only the document that it has read.",
			"cond = store.IfMatch(w.etag)", "cond = store.Always()"),
		in("plan.go", "Whatever runs commit, the counts go on from those of the last document.",
			"maps.Copy(after, last.Stored)", ""),
		in("document.go", "Whatever ids are listed, complete_above rises to the highest that was dropped.",
			"above := max(*d.CompleteAbove, slices.Max(dropped))", "above := max(*d.CompleteAbove, slices.Min(dropped))"),
		in("document.go", "Whatever ids are listed, they keep their versions.",
			"versions = d.Fingerprints[id]", "versions = nil"),
		in("index.go", "Whatever an archive holds, a lookup reads revisions too.",
			"range []Kind{Events, Revisions} {", "range []Kind{Events} {"),
		in("plan.go", "An archive with revisions but without events and a document does not count as empty.",
			"if k == Revisions {", "if k == Events {"),
		in("gaps.go", "Whatever responses come, one of which no event is stored makes gaps.",
			"!c.sharesEvent && window.To.After(*covered)", "false"),
		in("gaps.go", "Whatever responses come, covered_until never falls.",
			"p.coveredUntil == nil || until.After(*p.coveredUntil) {", "true {"),
		in("gaps.go", "Whatever responses come, the days after a window that ended long before its response are no gaps.",
			"last := Today(until)", "last := Today(w.now())"),
		in("gaps.go", "Whatever responses come, another pause opens an unserved day again.",
			"p.gaps[i] = gap", "p.gaps[i].Since = gap.Since"),
		in("gaps.go", "Whatever answers come, lack of time does not count as an attempt.",
			"if kind == AnswerPart ||", "if false ||"),
		in("gaps.go", "Whatever responses come, the gaps of a pause begin on the day before that of covered_until.",
			"first := Today(covered).Previous()", "first := Today(covered)"),
		in("gaps.go", "Whatever responses come, the gaps of a pause end on the day of the response.",
			"last := Today(until)", "last := Today(until).Previous()"),
	}
}

// repairs returns the mutations of verify --repair.
func repairs() []mutation {
	in := func(file, guarantee, old, new string, packages ...string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: append(packages, verifyPkg)}
	}
	return []mutation{
		in("pkg/archive/writer.go", "A repair takes over the backup.",
			"d.doc.Take(ParseBackup(w.lastRun.Backup))", "_ = d"),
		in("pkg/verify/repair.go", "A repair accepts no day of a backup before it has said so.",
			"r.options.Gaps && a.doc != nil}", "r.options.Gaps}"),
		in("pkg/verify/snapshot.go", "An audit of another program's document takes over the backup.",
			"parsed.Take(backup)", "_ = backup"),
		in("pkg/archive/repair.go", "A repair overwrites an object only in the state in which it has read the lines.",
			"s.Put(ctx, read.Name, stay, store.IfMatch(read.ETag))", "s.Put(ctx, read.Name, stay, store.Always())", archivePkg),
		in("pkg/archive/repair.go", "A repair commits only if no other run has committed since it has read the archive.",
			"if w.etag != c.repair.BasedOn ||", "if false ||", archivePkg),
		in("pkg/verify/line.go", "A line under events/ comes before its copies under revisions/.",
			"strings.Compare(string(p.name.Kind), string(q.name.Kind)), misplaced", "misplaced"),
		in("pkg/verify/line.go", "A line in an object of its own day comes before its misplaced copies.",
			"string(q.name.Kind)), misplaced,", "string(q.name.Kind)), 0*misplaced,"),
		in("pkg/verify/line.go", "Of two copies the one with the earlier timestamp stays.",
			"cmp.Compare(p.name.Timestamp, q.name.Timestamp),", "cmp.Compare(q.name.Timestamp, p.name.Timestamp),"),
		in("pkg/verify/line.go", "A document with wrong counts does not take all memory of an audit.",
			"min(n, maxReserved)", "n"),
		in("pkg/verify/audit.go", "An archive that lacks stored items has a problem.",
			"	a.checkCounts()\n", ""),
		in("pkg/verify/events.go", "A later version leaves events/ only if lookups find its copy under revisions/.",
			"len(events) > 1 && !a.lines.misplaced(r) {", "len(events) > 1 {"),
		in("pkg/verify/events.go", "A version under revisions/ stays while its only other copy is misplaced.",
			"case a.lines.misplaced(&events[0]):", "case false:"),
		in("pkg/verify/repair.go", "A repair commits a copy of a later version before it removes the version from events/.",
			"duplicates && (a.copyFirst || a.removesPending())", "duplicates && a.removesPending()"),
		in("pkg/verify/repair.go", "A repair makes another commit before it removes lines of the last one.",
			"duplicates && (a.copyFirst || a.removesPending())", "duplicates && a.copyFirst"),
		in("pkg/verify/repair.go", "A repair removes no line while objects of the last commit are missing.",
			"case duplicates && slices.Contains(r.snapshot.pending, archive.Missing):", "case false:"),
		in("pkg/verify/repair.go", "A repair changes nothing if an object is damaged.",
			"if a.unreadable != nil {", "if false {"),
		in("pkg/verify/repair.go", "A dry run of a repair writes nothing.",
			"if r.options.Writer.DryRun {\n\t\t\tr.predict(a)", "if false {\n\t\t\tr.predict(a)"),
		in("pkg/verify/snapshot.go", "An audit reads the archive again if a run has committed meanwhile.",
			"if attrs.ETag == s.document.etag {", "if attrs.ETag == s.document.etag || true {"),
	}
}

// reports returns the mutations of the report of a run and of the history.
func reports() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: []string{pipelinePkg, "pkg/report"}}
	}
	return []mutation{
		in(pipelinePkg+"/lastrun.go", "A run does not replace the history of a run at the same time.",
			"body, last.cond)", "body, store.Always())"),
		in(pipelinePkg+"/collect.go", "A run that cannot find out where its store is stores a report if it can.",
			"c.lastRunErr = err // nothing was read\n", ""),
		in(pipelinePkg+"/collect.go", "A run that fails to fetch heals the archive first.",
			"<-opened\n", ""),
		in("pkg/report/metrics.go", "The headroom falls while runs fail.",
			"if r.Succeeded() { // otherwise", "if true { // otherwise"),
		in(pipelinePkg+"/lastrun.go", "A run whose report was overtaken tries once more.",
			"case try == 2:", "case try == 1:"),
		in(pipelinePkg+"/lastrun.go", "A run that loses the response to its report finds it in the store.",
			"case err == nil && last.content.Has(r.RunID):", "case false:"),
		in(pipelinePkg+"/lastrun.go", "The report names a commit only if its objects are stored.",
			"stored = (*report.StoredCommit)(c.writer.StoredCommit())", "stored = (*report.StoredCommit)(c.writer.Document().Commit)"),
		in("pkg/report/history.go", "A run that cannot read the document keeps its backup.",
			"DocumentBackup: l.DocumentBackup, ", ""),
		in(pipelinePkg+"/lastrun.go", "The report has a backup of the document.",
			"if backup != nil && backup", "if false && backup"),
		in(pipelinePkg+"/lastrun.go", "A report does not replace the backup of a later commit.",
			"backup.Timestamp >= archive.ParseBackup(next.DocumentBackup).Timestamp", "true"),
		in(pipelinePkg+"/lastrun.go", "A failed run stores its report.",
			"case c.options.DryRun, c.store == nil,", "case c.options.DryRun, c.store == nil, err != nil,"),
		in(pipelinePkg+"/lastrun.go", "A damaged history begins again.",
			"content = nil // the history begins again", "return lastRun{}, err"),
		in("pkg/report/history.go", "A saved response says nothing about a host.",
			"if !r.Saved {", "if true {"),
		in("pkg/report/history.go", "An alarm is raised if half of the known events are revised at once.",
			"known >= 20 && 2*revised >= known", "known >= 20 && revised > known"),
		in("pkg/report/history.go", "A few revised events are no alarm.",
			"known >= 20 && 2*revised >= known", "known > 0 && 2*revised >= known"),
	}
}

// copies returns the mutations of a backfill from a copy of an archive.
func copies() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: []string{pipelinePkg}, tests: "^TestBackfillCompact$"}
	}
	return []mutation{
		in(savedPkg+"/saved.go", "A copy of an archive is read in the order of its commits.",
			"\tsortObjects(all)\n", ""),
		in(archivePkg+"/plan.go", "A later version with an earlier date goes into a later commit.",
			"ok && date.Compare(last) < 0 {", "ok && false && last.Day > 0 {"),
		in(pipelinePkg+"/saved.go", "A version is looked up at the date of the event's first version in the input, too.",
			"b.batch.EarlierDates[e.ID] = archive.Date{", "_ = archive.Date{"),
		in(pipelinePkg+"/saved.go", "A backfill that knows the order of versions does not warn about it.",
			"outcome.Before[i] > int(event.versions) {", "outcome.Before[i] > 0 {"),
	}
}

// limits returns the mutations of the API's call limits.
func limits() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: limitPkg + "/" + file, old: old, new: new, packages: []string{limitPkg}}
	}
	return []mutation{
		in("ratelimit.go", "There are at least 10 seconds between two calls.",
			"MinInterval  = 10 * time.Second", "MinInterval  = 9 * time.Second"),
		in("ratelimit.go", "There are at most 60 calls an hour.",
			"CallsPerHour = 60", "CallsPerHour = 61"),
		in("ratelimit.go", "There are at most 1440 calls a day.",
			"CallsPerDay  = 1440", "CallsPerDay  = 1441"),
		in("ratelimit.go", "A backfill leaves ten calls an hour to other runs.",
			"lowerCallsPerHour = 50", "lowerCallsPerHour = 60"),
		in("limiter.go", "A 404 is remembered.",
			"to.addNotFound(c.url, now.wall)", ""),
		in("limiter.go", "The limiter keeps the pause that the API asks for.",
			"if answer.RetryAfter > 0 && answer.Status != http.StatusOK {", "if false {"),
		in("limiter.go", "A pause ends after a day at the latest.",
			"min(answer.RetryAfter, maxPause)", "answer.RetryAfter"),
		in("limiter.go", "The interval to the next call begins when the answer has come.",
			"to.remove(c.at)\n\t\tto.addNow()\n", ""),
		in("limiter.go", "A call is in the file before it is made.",
			"if s.save() || wasUnshared {", "if true || wasUnshared {"),
		in("file.go", "An unreadable file counts as the calls of an hour.",
			"l.memory.assume(CallsPerHour)", ""),
		in("file.go", "A run without a usable state folder waits before its first call.",
			"l.memory.assume(1)", ""),
		in("file.go", "The call of a process that died counts as made just now.",
			"s.remove(s.UnderWay)\n\t\ts.addNow()\n", "s.remove(s.UnderWay)\n"),
		in("file.go", "Calls of several processes do not overlap.",
			`".lock")`, `fmt.Sprintf(".lock-%d", os.Getpid()))`),
		in("state.go", "Without a boot time each call has its time by the wall clock.",
			`if s.Clock.Boot == "" {`, "if false {"),
		in("clock.go", "The clock of the limits does not go back.",
			"default:\n\t\tc.Now = c.Now.Add(s.sinceByWall(r.wall))", "default:\n\t\tc.Now = r.wall"),
		in("clock.go", "The clock of the limits follows the time since the machine started, not the time of day.",
			"c.Now = c.Now.Add(max(r.up-c.Up, 0))", "c.Now = c.Now.Add(s.sinceByWall(r.wall))"),
		in("clock.go", "A restart counts as no longer than the time since the machine started.",
			"min(s.sinceByWall(r.wall), r.up)", "s.sinceByWall(r.wall)"),
		in("clock.go", "The time that the machine was off counts after the next answer of the API.",
			"s.moveBack(restart, min(missed, day))", "_ = restart"),
	}
}

// folders returns the mutations of an archive in a folder, and of the files of state.
func folders() []mutation {
	return []mutation{
		in("pkg/store/dirstore/write.go", "The content of a file is durable before the file gets its name.",
			"err = s.syncFile(f)", "_ = s.sync", dirPkg),
		in("pkg/store/dirstore/write.go", "The name of a new object is durable when Put returns.",
			"return w.existsError(w.folder)\n\t}\n\treturn w.syncFolder(w.folder)", "return w.existsError(w.folder)\n\t}\n\treturn nil", dirPkg),
		in("pkg/store/dirstore/write.go", "A replaced object is durable when Put returns.",
			"return asInvalid(err)\n\t}\n\treturn w.syncFolder(w.folder)", "return asInvalid(err)\n\t}\n\treturn nil", dirPkg),
		in("pkg/store/dirstore/write.go", "An object that a Put finds is durable before Put says so.",
			"if err := s.syncFolder(folder); err != nil {", "if err := error(nil); err != nil {", dirPkg),
		in("pkg/store/dirstore/write.go", "A Put makes the objects that were read durable before it writes.",
			"if err := s.syncRead(root); err != nil {", "if err := error(nil); err != nil {", dirPkg),
		in("pkg/store/dirstore/write.go", "A temporary file is in the folder of its object.",
			"temp := path.Join(path.Dir(name), tempPrefix+rand.Text())", "temp := tempPrefix + rand.Text()", dirPkg),
		in("pkg/store/dirstore/write.go", "A Put with IfMatch fails if the object has another ETag.",
			"if !cond.Allows(current) {", "if false {", dirPkg),
		in("pkg/store/dirstore/write.go", "Two processes do not replace an object at the same time.",
			"if match || info.Mode().IsRegular() {", "if false && info.Mode().IsRegular() {", dirPkg),
		in("pkg/store/dirstore/write.go", "A Put with IfAbsent does not replace a file.",
			"case err == nil:\n\t\treturn false, nil", "case err == nil:", dirPkg),
		in("pkg/store/dirstore/write.go", "Two processes do not create an object at the same time.",
			"release, err := filelock.Folder(ctx, w.folder, w.file(path.Dir(w.name)))", "release, err := func() {}, error(nil)", dirPkg),
		in("pkg/store/dirstore/list.go", "An unreadable lost+found hides no events.",
			" || store.IsLitter(e.Name())", "", verifyPkg),
		in("pkg/verify/snapshot.go", "A folder that is not the archive's is no problem, even if it cannot be listed.",
			"case err != nil && ours:", "case err != nil && first != \"\":", verifyPkg),
		in("pkg/store/ocistore/ops.go", "A store with a prefix lists no objects beside it.",
			"Prefix: t.object,", "Prefix: &prefix,", bucketPkg),
		in("pkg/store/dirstore/folder.go", "A file system that cannot sync folders can hold an archive.",
			"case statefile.CannotSync(err), errors.Is(err, syscall.EBADF), errors.Is(err, syscall.ENOENT):", "case errors.Is(err, syscall.EINVAL):", dirPkg),
		in("pkg/filelock/filelock.go", "An error says that a file system does not support locks.",
			"err = fmt.Errorf(\"%w (%w)\", ErrNoLocks, err)", "_ = ErrNoLocks", dirPkg),
		in("pkg/store/dirstore/dirstore.go", "An object is durable before Stat reports it.",
			"err = s.openAndSync(root, path.Dir(name))", "_ = root", dirPkg),
		in("pkg/store/dirstore/dirstore.go", "A folder's file of more than 96 MiB is refused before it is read.",
			"if err == nil && info.Size() > store.MaxObject {", "if false {", dirPkg),
		in("pkg/store/dirstore/dirstore.go", "A read of a named pipe does not block.",
			"!info.Mode().IsRegular() {\n\t\treturn nil, 0, errNotRegular", "false {\n\t\treturn nil, 0, errNotRegular", dirPkg),
		in("pkg/store/dirstore/folder.go", "A new folder is durable before a file is written to it.",
			"if err := s.syncFolder(entries); err != nil {", "if err := error(nil); err != nil {", dirPkg),
		in("pkg/store/dirstore/folder.go", "A command of root does not lock the user of an archive out.",
			"hasOwner && owner.Uid != 0", "hasOwner && owner.Uid == 0", dirPkg),
		in("pkg/store/dirstore/folder.go", "The temporary file of a live process stays.",
			"if lock, ok := filelock.Try(s.file(name)); ok {", "if lock, ok := filelock.Try(s.file(name)); !ok {\n\t\t\t_ = root.Remove(name)\n\t\t} else {", dirPkg),
		in("pkg/store/dirstore/write.go", "A Put with IfMatch compares the content of the file.",
			"if !cond.Allows(current) {", "if false {", dirPkg),
		in("pkg/store/dirstore/errors.go", "A full disk is no lack of access.",
			`if shortage(err) != "" || errors.Is(err, syscall.EIO) || errors.Is(err, errSyncFolder) {`, "if errors.Is(err, syscall.EIO) {", dirPkg),
		in("pkg/store/dirstore/errors.go", "A failed sync of the store's new folder is no lack of access.",
			" || errors.Is(err, errSyncFolder) {", " {", dirPkg),
		in("pkg/filelock/filelock.go", "A lock is on the file that its path names.",
			"\t\tif locked && err == nil && l.inPlace() {", "\t\tif locked && err == nil {", lockPkg, dirPkg),
		in("pkg/filelock/filelock.go", "A lock follows no symbolic link.",
			"syscall.O_NOFOLLOW | ", "", lockPkg),
		in("pkg/filelock/filelock.go", "A lock on a named pipe does not block.",
			"syscall.O_NONBLOCK | ", "", lockPkg),
		in("pkg/statefile/statefile.go", "A killed run leaves no temporary file for ever.",
			"defer removeAbandoned(path)\n", "\n", "pkg/statefile"),
		in("pkg/statefile/statefile.go", "A write of a small file does not remove the temporary file of a run under way.",
			"info.ModTime()) >= abandoned", "info.ModTime()) >= 0", "pkg/statefile"),
		in("pkg/statefile/statefile.go", "A small file has at most 1 MiB.",
			"case len(body) > MaxSize:", "case false:", "pkg/statefile"),
		in("pkg/statefile/statefile.go", "A small file that is a named pipe does not block.",
			"syscall.O_NONBLOCK|", "", "pkg/statefile"),
		in("pkg/store/limited.go", "A call to a store that does not respond ends.",
			"case <-ctx.Done():\n\t}", "}", storePkg),
		in("pkg/store/limited.go", "A Put that goes on in the background keeps its content.",
			"body = bytes.Clone(body)", "_ = bytes.Clone(body)", storePkg),
	}
}

// buckets returns the mutations of an archive in a bucket.
func buckets() []mutation {
	return []mutation{
		in("pkg/store/ocistore/ops.go", "A Put with IfAbsent sends the header If-None-Match.",
			`ifNoneMatch = common.String("*")`, `_ = common.String("*")`, bucketPkg),
		in("pkg/store/ocistore/ops.go", "A Put with IfMatch sends the header If-Match.",
			"ifMatch = common.String(string(etag))", "_ = etag", bucketPkg),
		in("pkg/store/ocistore/ops.go", "A Put sends the MD5 of its content.",
			"ContentMD5: &sum,", "ContentMD5: map[bool]*string{true: &sum}[false],", bucketPkg),
		in("pkg/store/ocistore/ops.go", "The content of an object is compared with its MD5.",
			"case resp.ContentMd5 != nil && *resp.ContentMd5 != o.MD5:", "case false:", bucketPkg),
		in("pkg/store/ocistore/ops.go", "An object of more than 96 MiB is refused by its Content-Length, before it is read.",
			"if size > store.MaxObject {", "if false {", bucketPkg),
		in("pkg/store/ocistore/ops.go", "An object of more than 96 MiB is refused even if the response does not give its length.",
			"case o.Size > store.MaxObject:", "case false:", bucketPkg),
		in("pkg/store/ocistore/ops.go", "A list whose pages do not move on ends.",
			"if *next <= deref(start) {", "if *next < deref(start) {", bucketPkg),
		in("pkg/store/ocistore/error.go", "A call with an unknown outcome is repeated.",
			"return isTransient(err)\n", "return false\n", bucketPkg),
		in("pkg/store/ocistore/error.go", "A 409 of a Put means that another write was in progress.",
			`if operation == "put" && response.Code != notRestored {`, "if false {", bucketPkg),
		in("pkg/store/ocistore/error.go", "A 409 of a read is no failed condition.",
			`if operation == "put" && response.Code != notRestored {`, "if response.Code != notRestored {", bucketPkg),
		in("pkg/store/ocistore/error.go", "A missing bucket is not a missing object.",
			`case response.Code != "ObjectNotFound":`, "case false:", bucketPkg),
		in("pkg/ociclient/client.go", "A redirect of a service is an error.",
			"if resp.StatusCode >= http.StatusMultipleChoices {", "if resp.StatusCode >= http.StatusBadRequest {", clientPkg, bucketPkg),
		in("pkg/ociclient/client.go", "The SDK repeats no call by itself.",
			"client.Configuration.RetryPolicy = &noRetry", "_ = noRetry", clientPkg, bucketPkg),
		in("pkg/ociclient/sign.go", "A request is signed with the key that its key ID names.",
			"err == nil && p.id == id {", "err == nil && id != \"\" {", clientPkg),
		in("pkg/retry/retry.go", "No try begins after the deadline.",
			"ok && d.clock.Now().Add(delay).After(deadline)", "false && ok && deadline.IsZero()", retryPkg),
		in("pkg/retry/retry.go", "A server that asks for a delay of more than an hour ends the tries.",
			"if d.requested > MaxAskedWait || ok", "if ok", retryPkg),
		in("pkg/retry/retry.go", "A try comes no earlier than the server asks.",
			"max(min(d.computed.NextBackOff(), d.max), d.requested)", "min(d.computed.NextBackOff(), d.max)", retryPkg),
	}
}

// responses returns the mutations of calls to the events API and of the reading of
// responses, fetched or saved.
func responses() []mutation {
	return []mutation{
		{
			guarantee: "A response that is too large takes less than 100 MiB.", file: "pkg/polisen/response.go",
			old: "const usualBody = 260 << 10", new: "const usualBody = 256 << 10", packages: []string{"cmd"}, tests: "^TestTooLargeResponseMemory$",
		},
		in("pkg/polisen/call.go", "A redirect from https to http is not followed.",
			`case to.Scheme != from.Scheme && to.Scheme != "https":`, "case false:", polisenPkg),
		in("pkg/polisen/call.go", "A redirect to another host is not followed.",
			"case canonicalHost(to) != canonicalHost(from):", "case false:", polisenPkg),
		in("pkg/polisen/call.go", "Each call has the User-Agent with the contact.",
			`req.Header.Set("User-Agent", f.options.UserAgent)`, "", polisenPkg),
		in("pkg/polisen/client.go", "A redirect that is not followed is not tried again.",
			" || errors.Is(err, errRedirect)", "", polisenPkg),
		in("pkg/polisen/client.go", "An interval of less than 10 seconds works for loopback hosts only.",
			"o.MinInterval < ratelimit.MinInterval && !loopback:", "false:", polisenPkg),
		in("pkg/polisen/client.go", "The transport repeats no request by itself.",
			"t.DisableKeepAlives = true", "", polisenPkg),
		in("pkg/polisen/client.go", "The API is called with TLS 1.2 or later.",
			"MinVersion: tls.VersionTLS12", "MinVersion: tls.VersionTLS10", polisenPkg),
		in("pkg/polisen/response.go", "An empty response to the query for the newest events counts as damaged.",
			"return &BodyError{Kind: BodyNoEvents}", "return nil", polisenPkg),
		in("pkg/polisen/response.go", "A response has at most 32 MiB.",
			"case len(body) > maxBody:", "case false:", polisenPkg),
		in("pkg/polisen/response.go", "No more than 32 MiB of a compressed response is decompressed.",
			"buffer.ReadFrom(io.LimitReader(r, maxBody+1))", "buffer.ReadFrom(r)", polisenPkg),
		in("pkg/polisen/parse.go", "A response has at most 100,000 items.",
			"if len(p.events)+len(p.rejected) == maxItems {", "if false {", polisenPkg),
		in("pkg/polisen/parse.go", "The memory for damaged text in a response is bounded.",
			"if p.quoted > maxDamage {", "if false {", polisenPkg),
		in("pkg/polisen/parse.go", "A response that is cut is not taken as a whole one.",
			"case cut && !p.scanner.closed:", "case cut && false:", polisenPkg),
		in("pkg/polisen/client.go", "Events of a response that stays cut are stored.",
			"if err != nil && len(f.kept.Events) > 0 && ctx.Err() == nil {", "if false {", polisenPkg),
		in("pkg/polisen/fingerprint.go", "An event has at most 1 MiB.",
			"if len(e.compact)+len(scalar) > MaxItem {", "if false {", polisenPkg),
		in("pkg/polisen/fingerprint.go", "An event has at most 64 levels of arrays and objects.",
			`if nested && e.depth == maxDepth && e.excess == "" {`, "if false {", polisenPkg),
		in("pkg/polisen/rejected.go", "Of a rejected item of more than 1 MiB only the beginning is kept.",
			"if len(raw) <= MaxItem {", "if true {", polisenPkg),
		in("pkg/polisen/scan.go", "Only the whole text of an earlier item counts as an item without parsing.",
			" && maphash.Bytes(s.seed, text[:k.size]) == k.hash", "", polisenPkg),
		in("pkg/polisen/scan.go", "The memory for the items that a scanner recognises is bounded.",
			"if len(s.known) == maxKnown {", "if false {", polisenPkg),
		in("pkg/polisen/scan.go", "The time for damaged text grows with its length.",
			"return s.wasted > maxWaste*(s.in.offset()+int64(s.limit))", "return false", polisenPkg),
		in("pkg/saved/open.go", "The memory for compressed saved responses is bounded.",
			"zstd.WithDecoderMaxWindow(maxZstdWindow)", "zstd.WithDecoderMaxWindow(64*maxZstdWindow)", savedPkg),
		in("pkg/polisen/long.go", "The memory for brackets in a long item is bounded.",
			"if len(n.brackets) == maxBrackets {", "if false {", polisenPkg),
	}
}

// secrets returns the mutations of the protection of keys, tokens and passwords.
func secrets() []mutation {
	return []mutation{
		in("pkg/polisen/call.go", "An error shows no password of a redirect's target.",
			"shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}", "shown := *u", polisenPkg),
		in("pkg/polisen/call.go", "An error of the transport shows no text of the response or the proxy's address.",
			`return nil, text.HideQuoted(transport.Explain(err))`, "_, _ = text.HideQuoted, transport.Explain\n\t\treturn nil, err", polisenPkg),
		in("pkg/ociclient/client.go", "An error of the transport does not show the token or the signature.",
			"return nil, text.HideQuoted(transport.Explain(err), secrets(r)...)", "_ = text.HideQuoted\n\t\treturn nil, err", clientPkg),
		in("pkg/ociclient/error.go", "An error of a service does not repeat the token or the signature.",
			"text.Redact(content.Message, secrets...)", "content.Message", clientPkg),
		in("pkg/ociclient/error.go", "A request id does not repeat the token or the signature.",
			"e.RequestID = text.Redact(e.RequestID, secrets...)", "", clientPkg),
		in("pkg/ociclient/error.go", "No more than 64 KiB of an error response is read.",
			"io.LimitReader(resp.Body, maxErrorBody)", "resp.Body", clientPkg),
		in("pkg/ociclient/error.go", "The text of a service in an error has at most 300 bytes.",
			"text.Short(strings.TrimSpace(s), maxText)", "text.Clean(strings.TrimSpace(s))", clientPkg),
		in("pkg/ociauth/profile.go", "An error does not show a key that stands in place of the key's path.",
			"ok && !isPath", "ok && !isPath && false", authPkg),
		in("pkg/ociauth/profile.go", "An error does not show a secret that stands in place of a profile's name.",
			"if address.MayShow(name) {", "if true {", authPkg),
		in("pkg/ociauth/session.go", "A session that has expired is not used.",
			"if !expires.After(clock.Now()) {", "if false {", authPkg),
		in("pkg/ociauth/ociauth.go", "GODEBUG=http2debug is refused, because it would print tokens.",
			`strings.Contains(debug, "http2debug=1")`, "false", authPkg),
		in("pkg/address/address.go", "Plain http works for loopback hosts only.",
			`case u.Scheme == "http" && !IsLoopback(u.Hostname()):`, "case false:", "pkg/address"),
		in("pkg/address/address.go", "A web address has no user and no password.",
			`case u.User != nil || u.Fragment != "":`, "case false:", "pkg/address"),
		in("pkg/address/address.go", "An error does not repeat an invalid web address, which may hold a password.",
			`errors.New("not a URL with a host")`, `fmt.Errorf("%q is not a URL with a host", s)`, "pkg/address"),
		in("pkg/address/path.go", "An error shows a value only if it is too short for a secret or begins like a path.",
			"const maxShown = 7", "const maxShown = 8", "pkg/address"),
		in("pkg/text/clean.go", "Eight bytes of a secret in a row are removed.",
			"const maxRepeated = 8", "const maxRepeated = 9", textPkg),
		in("pkg/text/clean.go", "The quoted parts of an error of net/http are hidden.",
			"quoted.ReplaceAllString(err.Error(), `\"...\"`)", "err.Error()", textPkg),
	}
}

// texts returns the mutations of the cleaning of text that others wrote.
func texts() []mutation {
	const isUnsafe = "return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)"
	return []mutation{
		in("pkg/text/clean.go", "The escape character does not reach a terminal.",
			isUnsafe, isUnsafe+" && r != 0x1b", textPkg),
		in("pkg/text/clean.go", "The control characters from U+0080 to U+009F do not reach a terminal.",
			isUnsafe, isUnsafe+" && (r < 0x80 || r > 0x9f)", textPkg),
		in("pkg/text/clean.go", "Marks that change the direction of text do not reach a terminal.",
			isUnsafe, isUnsafe+" && !unicode.Is(unicode.Cf, r)", textPkg),
		in("pkg/text/clean.go", "A newline in the text of others does not begin a line.",
			isUnsafe, isUnsafe+" && r != '\\n'", textPkg),
		in("pkg/text/clean.go", "Bytes that are not UTF-8 do not reach a terminal.",
			"!strings.ContainsFunc(s, unsafe) && utf8.ValidString(s)", "!strings.ContainsFunc(s, unsafe)", textPkg),
		in("pkg/text/clean.go", "JSON shows unsafe characters as escapes.",
			"if bytes.ContainsFunc(p, escaped) {", "if false {", textPkg),
		in("pkg/polisen/parse.go", "An excerpt of a response is cleaned.",
			"return text.Clean(fmt.Sprintf(\"%#q\", raw)) + ellipsis", "_ = text.Clean\n\treturn fmt.Sprintf(\"%#q\", raw) + ellipsis", polisenPkg),
		in("pkg/config/load.go", "A command that the program suggests is quoted for the shell.",
			"return \"'\" + strings.ReplaceAll(", "return strings.ReplaceAll(", "pkg/config"),
		in("pkg/config/load.go", "No path has text that a shell would have replaced.",
			"if err := address.CheckLiteral(text); err != nil {", "if err := address.CheckLiteral(text); false {", "pkg/config"),
		in("pkg/config/load.go", "The variables of the environment count, not those of the same names in the env-file.",
			`if outside, _ := l.env(name); outside == "" && l.file[name] != "" {`, `if l.file[name] != "" {`, "pkg/config"),
		in("pkg/config/envfile.go", "A comment after a value in an env-file is no part of the value.",
			`strings.Contains(value, " #"), `, "", "pkg/config"),
	}
}

// alarms returns the mutations of the alarms of collect, and of the state in which a host
// remembers its archives.
func alarms() []mutation {
	in := func(file, guarantee, old, new string) mutation {
		return mutation{
			guarantee: guarantee, file: pipelinePkg + "/" + file, old: old, new: new, packages: []string{pipelinePkg},
			tests: "Alarm|KnownCommit|NoContact|SetCommit|UpdateIsAtomic|RebuildBeginsNoArchive|HasNoDoneDays",
		}
	}
	return []mutation{
		in("warnings.go", "A stale API is an alarm.",
			"c.response.FetchedAt.Sub(*newest) > c.options.MaxLag", "false"),
		in("warnings.go", "An open gap is an alarm.",
			"GapDays(); len(days) > 0", "GapDays(); false && len(days) > 0"),
		in("warnings.go", "A day that the API does not serve is no alarm.",
			"if days, _ := c.writer.Document().GapDays()", "if open, unserved := c.writer.Document().GapDays(); len(unserved) > 0 {\n\t\tadd(alarmGap, \"\", \"%d\", len(open))\n\t}\n\tif days, _ := c.writer.Document().GapDays()"),
		in("warnings.go", "A response of which half is rejected is an alarm, also if the items were rejected before.",
			"full && 2*n >= all", "full && 2*outcome.Rejected >= all"),
		in("warnings.go", "A response of which less than half is rejected does not count as a new format.",
			"full && 2*n >= all", "full && 3*n >= all"),
		in("hoststate.go", "A host does not remember the commit of a run with a saved response.",
			"h == nil || h.readOnly && r.known == nil ||", "h == nil ||"),
		in("hoststate.go", "A host remembers the commit of a run with a saved response in an archive that it knows.",
			"h.readOnly && r.known == nil", "h.readOnly"),
		in("warnings.go", "A saved response raises no alarm.",
			"ok && !c.options.Saved &&", "ok &&"),
		in("warnings.go", "New rejected items are reported once only while half of the items are rejected.",
			"n > 0 && !raised(alarmRejected)", "n > 0 && (true || !raised(alarmRejected))"),
		in("warnings.go", "A response that is cut is printed once a day.",
			"!raised(alarmCut) {", "(true || !raised(alarmCut)) {"),
		in("hoststate.go", "An alarm is printed when it begins and then once a day.",
			"0 <= age && age < printEvery", "false && age < printEvery"),
		in("hoststate.go", "An alarm that lasts is printed again after a day.",
			"age < printEvery:", "true:"),
		in("hoststate.go", "An alarm that has changed is printed.",
			"if former[i].Key == current.Key {", "if true {"),
		in("hoststate.go", "An alarm that was printed on a terminal only is printed by the next run of cron.",
			"		case printAll:\n", "		case printAll:\n\t\t\tnext.Printed = now\n"),
		in("hoststate.go", "Each archive has its own state on a host.",
			"sha256.Sum256([]byte(location))", "sha256.Sum256(nil)"),
		in("hoststate.go", "Runs at the same time lose no update of the state of a host.",
			"filelock.Create(ctx, strings.TrimSuffix(path, \".json\")+\".lock\")", "filelock.Create(ctx, fmt.Sprint(strings.TrimSuffix(path, \".json\"), time.Now().UnixNano()))"),
		in("hoststate.go", "A host remembers the last commit that it has seen.",
			"changed := a.setCommit(", "changed := false && a.setCommit("),
		in("hoststate.go", "A host keeps the newest commit that it has seen.",
			"a.Commit.Timestamp > timestamp && !accept", "false"),
		in("run.go", "A run that accepts an archive is not refused.",
			"AcceptArchive: r.options.AcceptArchive,", "AcceptArchive: false,"),
		in("run.go", "A run refuses an archive without the commit that this host knows.",
			"KnownCommit:   r.knownTimestamp(),", "KnownCommit:   0,"),
		in("hoststate.go", "A run that begins an archive says so.",
			"commit.Sequence == 1 && !r.outcome.Rebuilt", "false"),
		in("hoststate.go", "A run that rebuilds a document does not say that it begins an archive.",
			"commit.Sequence == 1 && !r.outcome.Rebuilt", "commit.Sequence == 1"),
		in("run.go", "No later batch of a run that rebuilds a document says that the run begins an archive.",
			"r.outcome = r.outcome.Plus(outcome)", "r.outcome = outcome"),
		in("donedays.go", "A run that accepts another archive deletes only its own lists of finished days.",
			"doneNames.MatchString(e.Name())", "true"),
		in("hoststate.go", "A missing contact is a warning when an archive begins.",
			"r.options.Recorder.Warn(slog.LevelWarn, noContact)", "_ = noContact"),
	}
}

// gapQueries returns the mutations of the queries for the days of gaps.
func gapQueries() []mutation {
	in := func(file, guarantee, old, new, tests string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: []string{pipelinePkg}, tests: tests}
	}
	const gaps, days = pipelinePkg + "/gaps.go", pipelinePkg + "/days.go"
	return []mutation{
		in(days, "A gap becomes unserved if the API answers 404 to the first hour that is asked for.",
			"hour == first && (notFound || isFull)", "hour == first && isFull", "^TestGapBlockedDay$"),
		in(days, "A gap becomes unserved if the first hour that is asked for is full.",
			"hour == first && (notFound || isFull)", "hour == first && notFound", "^TestGapBlockedDay$"),
		in(gaps, "A full day is not given up for lack of time.",
			"case noCall && !day.Mismatched && !day.blocked:", "case false:", "^TestGapFullDay$"),
		in(gaps, "A run goes on with the hour at which the last one ended.",
			"nextHour: c.nextHour(dates[0])", "nextHour: 0", "^TestGapFullDay$"),
		in(days, "An hour without the events that the response for the day has is mismatched.",
			"!notFound && 2*part.Fetched < hours[hour]", "false", "^TestGapFullDay$"),
		in(days, "A run asks for no hour that is still to come.",
			"if date == archive.Today(now) {", "if false {", "^TestGapToday$"),
		in(days, "An old response does not close the gap of a day.",
			"!latest.Time.IsZero() && !isOver(date, now)", "false", "^TestGapOldAnswer$"),
		in(gaps, "A backfill does not close the gap of a day that is not over.",
			"d.newest == nil && !isOver(day.Date, now)", "false", "^TestGapBackfill$"),
		in("pkg/polisen/response.go", "The text of an item that was cut is no rejected item.",
			"r.Rejected = r.Rejected[:n-1]", "_ = n", "^TestCutAlarm$"),
	}
}

// health returns the mutations of the health check.
func health() []mutation {
	in := func(guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: statusPkg + "/health.go", old: old, new: new, packages: []string{statusPkg}, tests: "Health|ChangedPending"}
	}
	return []mutation{
		in("The health check is critical if the last success is older than --max-age.",
			"case c.age(success) > c.o.MaxAge:", "case c.age(success) > 2*c.o.MaxAge:"),
		in("The health check is critical if no collect has ever succeeded.",
			"case !ok:\n\t\tc.problem(", "case !ok:\n\t\tc.warn("),
		in("A success in the future does not hide that runs have stopped.",
			"c.age(success) < -MaxSkew: // it", "false: // it"),
		in("A success in the future does not hide an older one.",
			"!ok || lastIsFuture && !isFuture || isFuture == lastIsFuture && t.After(last)", "!ok || isFuture && !lastIsFuture || t.After(last)"),
		in("The health check is critical if the document is older than the last run.",
			"if later := c.doc.laterCommit(c.last); later > 0 {", "if later := c.doc.laterCommit(c.last); false {"),
		in("A commit between two reads of the health check does not make the document older.",
			"!newer && !again && doc.laterCommit", "!newer && false && doc.laterCommit"),
		in("A failed run after a success is a warning of the health check.",
			"default:\n\t\tc.warnAboutHost(latest)", "default:"),
		in("A failed collect of a saved response is no problem of an archive of the API.",
			"if !r.Saved && matches(r)", "if matches(r)"),
		in("The health check warns for a day that the API's format may have changed.",
			"if r := c.newestRun(isRevised); r != nil", "if r := c.newestRun(isRevised); r != nil && r == &c.last.Runs[0]"),
		in("The health check warns about a host that has stopped.",
			"case h.Failures == 0 && len(h.Successes) == 3", "case false && len(h.Successes) == 3"),
		in("The health check does not warn about a host that succeeded less than three times.",
			"len(h.Successes) == 3 && c.age(h.Successes[2])", "len(h.Successes) > 0 && c.age(h.Successes[len(h.Successes)-1])"),
		in("The health check warns about a host that only fails.",
			"case h.Failures > 0 && c.age(h.LastRun) <= recent:", "case false:"),
		in("After 7 days the health check is silent about a host that has failed.",
			"case h.Failures > 0 && c.age(h.LastRun) <= recent:", "case h.Failures > 0:"),
		in("Fewer healthy hosts than --hosts are critical.",
			"if c.HealthyHosts < c.o.Hosts {", "if c.Hosts < c.o.Hosts {"),
		in("The health check is critical if the API is stale.",
			"case since > c.o.MaxLag:", "case false:"),
		in("The health check is critical if the headroom is no more than --max-age.",
			"headroom <= c.o.MaxAge {", "headroom < c.o.MaxAge {"),
		in("The health check takes the headroom from the last full response, also after failures.",
			"return r.Window != nil && *r.Window > 0 }", "return true }"),
		in("The health check is critical if half of the last response was rejected.",
			"2*r.Invalid >= r.Fetched", "2*r.Invalid > r.Fetched"),
		in("The health check warns about a missing contact.",
			"if c.last.NoContact {", "if false {"),
		in("Missing objects of the last commit are critical.",
			"case c.Missing > 0:", "case false:"),
		in("The health check does not say that the next run stores objects that runs do not look for again.",
			"case c.Missing > 0 && wereStored:", "case false:"),
		in("Objects may be missing for a minute after the commit.",
			"c.age(d.LastUpdated).Abs() >= PutGrace", "true"),
		in("A wrong clock does not hide missing objects.",
			"c.age(d.LastUpdated).Abs() >= PutGrace", "c.age(d.LastUpdated) >= PutGrace"),
		in("An open gap is critical.",
			"c.problem(\"events of %s may be missing, ", "c.warn(\"events of %s may be missing, "),
		in("An unserved gap is a warning of the health check.",
			"if n := len(unserved); n > 0 {", "if n := len(unserved); n > len(open) + 9 {"),
		in("An archive of saved responses has no limits of age.",
			"return c.last != nil && c.last.Saved &&", "return false && c.last.Saved &&"),
		in("A saved response does not make an archive of the API healthy.",
			"&& c.doc.parsed.CoveredUntil == nil", "&& len(c.doc.parsed.SeenIDs) >= 0"),
		in("A failed collect into an archive of saved responses is critical.",
			"if !r.Succeeded() {", "if false {"),
		in("A partial success is a success.",
			"if !r.Succeeded() {", "if !r.OK {"),
	}
}

// security returns the mutations of the modes of files, and of names that others choose.
func security() []mutation {
	return []mutation{
		{
			guarantee: "Other users cannot read the archive and the locks.", file: "pkg/filelock/filelock.go",
			old: "flock.SetPermissions(0o640)", new: "flock.SetPermissions(0o644)",
			packages: []string{commandsPkg}, tests: "^TestFileModes$",
		},
		{
			guarantee: "A document makes the program write data objects only.", file: "pkg/archive/document.go",
			old: "if _, ok := ParseName(p.Name); !ok {", new: "if p.Name == \"-\" {",
			packages: []string{archivePkg}, tests: "^TestPendingNames$",
		},
	}
}

// monitoring returns the mutations of pings, of metrics and of the lines for the journal.
func monitoring() []mutation {
	in := func(file, guarantee, old, new, tests string, packages ...string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: packages, tests: tests}
	}
	const pingFile, metricsFile, stateFile, monitorFile, journalFile = "pkg/ping/ping.go", "pkg/report/metrics.go", "pkg/statefile/statefile.go", "cmd/monitor.go", "cmd/journal.go"
	return []mutation{
		in(pingFile, "The ping of a failed run has its exit code.",
			"if exitCode != 0 {", "if exitCode > 3 {", "", "pkg/ping"),
		in(pingFile, "A ping that fails for a while has a second try.",
			"Attempts: 2", "Attempts: 1", "", "pkg/ping"),
		in(pingFile, "A wrong ping URL has no second try.",
			"status == http.StatusTooManyRequests || status >= 500", "status >= 400", "", "pkg/ping"),
		in(pingFile, "A ping follows no redirect to another host.",
			"next.URL.Host != last.Host:", "false:", "", "pkg/ping"),
		in(pingFile, "The error of a ping does not show the URL.",
			"text.HideQuoted(transport.Explain(err), target.Path, target.RequestURI())", "fmt.Errorf(\"%w%s\", err, text.Clean(\"\"))", "", "pkg/ping"),
		in(pingFile, "A ping service that does not answer delays a run by 5 seconds at most.",
			"ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errSlow)", "ctx, cancel := context.WithTimeoutCause(ctx, 2*maxTime, errSlow)", "", "pkg/ping"),
		in(pingFile, "The ping of the start does not arrive after that of the end.",
			"p.awaitStart(ctx)", "_ = p.awaitStart", "", "pkg/ping"),
		in(pingFile, "A check that the service does not know is an error.",
			"return errUnknown", "return nil", "", "pkg/ping"),
		in("pkg/address/secret.go", "No way of printing shows a secret URL.",
			"return s.host + \"/...\"", "return s.Reveal().String()", "", "pkg/address"),
		in(metricsFile, "The counters of the metrics continue those of the file.",
			"m.value(metricRuns, outcome)+1", "1", "", "pkg/report"),
		in(metricsFile, "The lag grows in the metrics of failed runs.",
			"metricLag: passed", "metricLag: 0", "", "pkg/report"),
		in(metricsFile, "The time of the last success stays in the metrics of a failed run.",
			"set(metricLastSuccess, \"\", m.value(metricLastSuccess, \"\"))", "set(metricLastSuccess, \"\", end)", "", "pkg/report"),
		in(metricsFile, "Items that were rejected before count as rejected.",
			"set(metricEvents, \"rejected\", float64(n.Invalid))", "set(metricEvents, \"rejected\", float64(n.Rejected))", "", "pkg/report"),
		in(metricsFile, "A file of another program is not continued.",
			"if _, ok := m.values[sample{metric: name}]; !ok {", "if false {", "", "pkg/report"),
		in(stateFile, "Everybody may read the metrics file.",
			"renameio.WithStaticPermissions(0o644)", "renameio.WithPermissions(0o644)", "", "pkg/statefile"),
		in(stateFile, "The metrics replace no device and no pipe.",
			"if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {", "if info, err := os.Stat(path); err == nil && info == nil {", "", "pkg/statefile"),
		in("pkg/ratelimit/state.go", "The calls that are left are those of the span.",
			"if at.After(from) {", "if at.After(from.Add(-day)) {", "^TestCallsLeft$", limitPkg),
		in(monitorFile, "A run that a signal ends pings its exit code.",
			"ctx = context.WithoutCancel(ctx)", "_ = ctx", "^TestPingOfStoppedRun$", commandsPkg),
		in(monitorFile, "A dry run is not monitored.",
			"if dryRun || s.API.URL.Path != \"\" {", "if s.API.URL.Path != \"\" {", "^TestUnmonitoredRuns$", commandsPkg),
		in(monitorFile, "A ping that fails causes a warning.",
			"if err := <-pinged; err != nil {", "if err := <-pinged; false {", "^TestPingFails$", commandsPkg),
		in("cmd/collect.go", "A run with a wrong setting is monitored.",
			"monitorOf(cmd.Context()).start(", "if err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t\tmonitorOf(cmd.Context()).start(", "^TestMonitoredRuns$", commandsPkg),
		in(journalFile, "Lines that do not go to the journal have no priority.",
			"return ok && stream == fmt.Sprintf(", "return ok || stream == fmt.Sprintf(", "^TestJournal", commandsPkg),
		in(journalFile, "Each line of a message has its priority.",
			"for line := range strings.Lines(string(b)) {", "for _, line := range []string{string(b)} {", "^TestJournal", commandsPkg),
		in("cmd/diagnostics.go", "A partial success is a warning in the journal.",
			"if exit == exitPartial {", "if false {", "^TestJournal$", commandsPkg),
		in("cmd/run.go", "A successful run logs its summary.",
			"log.Info(r.Summary())", "log.Debug(r.Summary())", "^TestJournal$", commandsPkg),
	}
}

// commands returns the mutations of exit codes and of the program's output.
func commands() []mutation {
	in := func(file, guarantee, old, new, tests string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: []string{commandsPkg}, tests: tests}
	}
	return []mutation{
		in("cmd/exit.go", "A partial run ends with 3.",
			"case partial:\n\t\treturn exitPartial", "case partial:\n\t\treturn exitOK", "^TestExit"),
		in("cmd/outside.go", "The state folder may not be in the folder of the archive.",
			"return checkOutside(\"--state-dir (POLISEN_STATE_DIR)\", s.API.StateDir, s.Archive.Store)", "return nil", "^TestScript/collect_monitoring"),
		in("pkg/config/load.go", "A path in the settings file may not be relative.",
			"case isPath && inFile && !filepath", "case false && inFile && !filepath", "^TestScript/settings"),
		in("cmd/exit.go", "The exit codes keep their numbers.",
			"exitStorage     code = 5", "exitStorage     code = 9", "^TestExit"),
		in("cmd/exit.go", "Missing access is reported even if the store has failed for it.",
			"case errors.Is(err, store.ErrAccess), errors", "case errors.Is(err, store.ErrAccess) && false, errors", "^TestExit"),
		in("cmd/exit.go", "An outage of the vault does not count as wrong credentials.",
			"&& !mayPass(err):", "&& true:", "^TestExit"),
		in("cmd/diagnostics.go", "An error is one line, whatever text it holds.",
			"line := text.OneLine(err.Error())", "line := err.Error()", "^TestError"),
		in("cmd/print.go", "A result that cannot be printed is an error.",
			"o.err = err", "_ = o.err", "^TestFullStdout$"),
		in("cmd/watchdog.go", "A timer of the watchdog that has fired late does not end the process after it was stopped.",
			"if late && !stopped {", "if late {\n\t\t\tstopped = false", "^TestStopBeforeLateTimer$"),
		{
			guarantee: "A run that was stopped until after its time limit ends by itself.", file: "cmd/watchdog.go",
			old: "late := time.Since(due) > grace", new: "late := false", packages: []string{"scripts/faults"}, tests: "^TestFaults$",
		},
		in("cmd/verify.go", "The concurrency of verify is 1 to 256.",
			"o.concurrency < 1 || o.concurrency > maxConcurrency", "o.concurrency < 1", "^TestScript$"),
		in("cmd/verify.go", "A health check ends in time if the store does not respond.",
			"limit = cmp.Or(limit, quickTimeout)", "limit = cmp.Or(limit, 10*quickTimeout)", "^TestQuickEnds$"),
		in("cmd/verify.go", "A health check that fails prints its line.",
			"err == nil || isPrinted || isUsage {", "err == nil || isPrinted || isUsage || true {", "^TestScript$"),
		in("cmd/verify.go", "A health check does not show settings that may be secrets.",
			"store = \"\" // it", "_ = \"\" // it", "^TestMisplacedSecrets$"),
		in("cmd/diagnostics.go", "The result of a health check is not repeated on stderr.",
			"AsType[printedError](err); ok {", "AsType[printedError](err); false && ok {", "^TestScript$"),
		in("pkg/pipeline/gaps.go", "Answers of an API URL with filters close no gaps.",
			"return d.Filtered || len(", "return len(", "^TestFillGaps$"),
		in("pkg/statefile/statefile.go", "A run that has no file descriptors left ends with 5.",
			"return errors.Is(err, syscall.EMFILE) ||", "return", "^(TestOpenWithoutDescriptors|TestExitCode)$"),
	}
}

// terminals returns the mutations of the texts for people at a terminal.
func terminals() []mutation {
	in := func(file, guarantee, old, new, tests, pkg string) mutation {
		return mutation{guarantee: guarantee, file: file, old: old, new: new, packages: []string{pkg}, tests: tests}
	}
	return []mutation{
		in("cmd/verify.go", "The progress of verify is gone when it is done.",
			"bar.close()", "_ = bar", "^TestVerifyOnTerminal$", commandsPkg),
		in("cmd/terminal.go", "NO_COLOR turns colours off.",
			`noColour == ""`, `noColour != "x"`, "OnTerminal$", commandsPkg),
		in("cmd/verify.go", "Off a terminal verify prints all findings.",
			"!isTerminal(p.Stdout)", "false", "^TestVerifyOnTerminal$", commandsPkg),
		in("cmd/diagnostics.go", "A command that lacks something shows how to use it.",
			"usage.missing {", "usage.missing && false {", "^TestScript$", commandsPkg),
		in("pkg/verify/grouped.go", "Problems are shown before notices.",
			"[]Severity{Problem, Notice}", "[]Severity{Notice, Problem}", "^TestGrouped$", verifyPkg),
		in("pkg/verify/audit.go", "A store without an archive is one finding.",
			"if !a.snapshot.isArchive() {", "if false {", "^TestNoArchive$", verifyPkg),
		in("pkg/status/summary.go", "An object of the last commit that is not stored is named.",
			"if p.State != archive.Stored {", "if false {", "^TestSummary$", statusPkg),
	}
}

// releases returns the mutations of the files of a release.
func releases() []mutation {
	const pkg = "scripts/release"
	return []mutation{
		in("scripts/release.sh", "A release has only what is committed.",
			"[[ -z $(git status --porcelain) ]]", "true", pkg),
		in("scripts/release.sh", "A release is built from the commit of its tag.",
			"[[ $tagged == \"$commit\" ]]", "true", pkg),
		in("scripts/release.sh", "The version of a release is a tag that the go command accepts.",
			"(0|[1-9][0-9]*)", "[0-9]+", pkg),
		in(pkg+"/licenses.go", "A module without a licence is not part of a release.",
			"slices.ContainsFunc(p.files,", "slices.ContainsFunc([]licenseFile{{name: \"LICENSE\"}},", pkg),
		in(pkg+"/licenses.go", "A module with an unknown licence is not part of a release.",
			"len(p.licenses()) == 0", "false", pkg),
		in(pkg+"/build.go", "A released program is built without local paths.",
			`"-trimpath": "true", `, "", pkg),
		in(pkg+"/archive.go", "The archive of a release does not depend on the time of its files.",
			"ModTime: modified,", "ModTime: info.ModTime(),", pkg),
		in("scripts/manpages/main.go", "A man page lists the exit codes of its command.",
			"page = append(page, exitStatus(", "page = append(page[:len(page):len(page)], exitStatus(nil, exitCodes)...)\n\t_ = append(page, exitStatus(", "scripts/manpages"),
	}
}

// installer returns the mutations of the installer.
func installer() []mutation {
	in := func(guarantee, old, new string) mutation {
		return mutation{guarantee: guarantee, file: "scripts/install.sh", old: old, new: new, packages: []string{commandsPkg}, tests: "^TestScript$/^install"}
	}
	return []mutation{
		in("A program that this host cannot run is not installed.",
			`reason=$(runs "$binary") || fail 1`, `reason=$(runs "$binary") || true fail 1`),
		in("The settings file of an earlier installation stays as it is.",
			`if [[ ! -e $settings_file ]] || {`, `if true || {`),
		in("Settings that an existing file does not have are refused.",
			`[[ $(setting "${line%%=*}") == "$value" ]] ||`, `true ||`),
		in("The minutes of the crontab line depend on the host's name.",
			`sum=$(uname -n | cksum)`, `sum=$(echo | cksum)`),
		in("The other lines of the crontab stay.",
			`new=${others:+$others$'\n'}$(cron_block)`, `new=$(cron_block)`),
		in("A crontab that cannot be read is not replaced.",
			`if ! grep -q 'no crontab for' "$err"; then`, `if false; then`),
		in("An archive that the service cannot see is refused.",
			`/home/* | /root/* |`, `/root/* |`),
		in("The service gets only the profile that it uses.",
			`section == "DEFAULT" || section == want {`, `1 {`),
		in("Only the service can read the key.",
			`'umask 077 && mkdir`, `'mkdir`),
		in("A folder has its owner from the beginning.",
			"[[ -z ${2-} ]] || chown \"$2\" \"$1.new\" || return 1\n\tmv \"$1.new\" \"$1\"", "mv \"$1.new\" \"$1\"\n\t[[ -z ${2-} ]] || chown \"$2\" \"$1\""),
		in("An installation that changes nothing does not run the service.",
			`if ! $changed && [[ -n $(systemd_value`, `if false && [[ -n $(systemd_value`),
		in("The units and the program of a package stay where they are.",
			`if [[ -n $(package_program) ]]; then`, `if false; then`),
		in("A bucket without credentials starts no timer.",
			`if needs_oci_config && ! $dry_run; then`, `if false; then`),
	}
}
