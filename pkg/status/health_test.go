package status_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/storetest"
)

// healthNow is the time of the check in these tests, and healthObject the object of the
// last commit.
var healthNow = time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC)

const healthObject = "events/2026/06/20/events-1781953200.jsonl"

// healthWorld is an archive whose last run has ended 30 minutes before healthNow. A test
// changes a field or two.
type healthWorld struct {
	last    report.LastRun
	doc     archive.Document
	lastRun string // content of last_run.json in place of last; "-" for none
	docText string // content of the document in place of doc; "-" for none
	object  string // content of healthObject; "-" for none
	options status.HealthOptions
}

// ago returns the time that is this long before healthNow.
func ago(d time.Duration) time.Time { return healthNow.Add(-d) }

// host returns the row of a host that succeeded three times, the last time age ago.
func host(name string, age time.Duration) report.Host {
	return report.Host{Name: name, LastRun: ago(age), Successes: []time.Time{ago(age), ago(age + 30*time.Minute), ago(age + time.Hour)}}
}

// failing returns the row of a host that has failed n times, the last time age ago.
func failing(h report.Host, age time.Duration, n int) report.Host {
	since := ago(age + time.Hour)
	h.LastRun, h.FailingSince, h.Failures, h.ExitCode, h.Error = ago(age), &since, n, 4, "the API failed"
	return h
}

// healthyWorld returns an archive that is healthy.
func healthyWorld() *healthWorld {
	covered, window := ago(time.Hour), report.Seconds(7*24*time.Hour)
	w := &healthWorld{
		doc: archive.Document{
			SeenIDs: []int64{2, 1}, LastUpdated: ago(30 * time.Minute), TotalTracked: 2, Version: 2, CoveredUntil: &covered,
			Commit:  &archive.Commit{ID: "x", Sequence: 1, Timestamp: 1781953200},
			Pending: []archive.Pending{{Name: healthObject, Content: archive.Text("{}\n")}},
		},
		object: "{}\n",
		options: status.HealthOptions{
			MaxAge: 45 * time.Minute, MaxLag: 24 * time.Hour, Now: healthNow,
			Command: func(args string) string { return "program " + args },
		},
	}
	w.last.Finished, w.last.OK, w.last.Host = ago(30*time.Minute), true, "a"
	w.last.Hosts = []report.Host{host("a", 30*time.Minute)}
	w.last.Runs = []report.Run{{Host: "a", Fetched: 500, New: 3, Window: &window}}
	return w
}

// fail makes the last run of the host a fail.
func (w *healthWorld) fail() {
	w.last.Hosts[0] = failing(host("a", 40*time.Minute), 10*time.Minute, 1)
	w.last.Runs = append([]report.Run{{Host: "a", ExitCode: 4}}, w.last.Runs...)
}

// saved makes the archive one that only saved responses have filled, years ago.
func (w *healthWorld) saved() {
	w.last.Finished, w.last.Saved, w.last.Hosts = ago(20000*time.Hour), true, nil
	w.last.Runs = []report.Run{{Saved: true, Fetched: 2, Invalid: 2}}
	w.doc.CoveredUntil, w.doc.LastUpdated = nil, ago(20000*time.Hour)
}

// check returns the result of the check, and compares its forms.
func (w *healthWorld) check(t *testing.T) *status.Health {
	t.Helper()
	world := newWorld(t)
	put := func(name, text string, content any) {
		if text == "" {
			body, err := json.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			text = string(body)
		}
		if text != "-" {
			world.put(name, text)
		}
	}
	put(archive.LastRunName, w.lastRun, w.last)
	put(archive.DocumentName, w.docText, w.doc)
	put(healthObject, w.object, nil)
	world.allowReadsOnly()
	before := len(world.Calls())
	h, err := status.CheckHealth(t.Context(), world, w.options)
	if err != nil {
		t.Fatal(err)
	}
	most := 3
	if older(w) { // it has read all of them again
		most += 3
	}
	if h.Different > 0 { // it has read the object and listed its partitions
		most += 4
	}
	if n := len(world.Calls()) - before; n > most {
		t.Errorf("the check made %d store calls, want at most %d", n, most)
	}
	checkForms(t, h)
	return h
}

// older reports whether the last run knew a later commit than the document's.
func older(w *healthWorld) bool {
	known := archive.ParseBackup(w.last.DocumentBackup).Timestamp
	if w.last.StoredCommit != nil {
		known = max(known, w.last.StoredCommit.Timestamp)
	}
	return known > w.doc.Commit.Timestamp
}

// checkForms checks that the line, the error and the JSON form agree.
func checkForms(t *testing.T, h *status.Health) {
	t.Helper()
	line := h.String()
	if strings.Contains(line, "\n") || strings.Count(line, "|") > 1 || !strings.HasPrefix(line, string(h.Status)+" - ") {
		t.Errorf("want one line with at most one |: %s", line)
	}
	ok := h.Status == status.HealthOK || h.Status == status.HealthWarning
	if h.OK != ok || ok != (h.Err() == nil) || !ok && !errors.Is(h.Err(), status.ErrUnhealthy) {
		t.Errorf("%s: OK is %v, and the error is %v", h.Status, h.OK, h.Err())
	}
	if ok == (len(h.Problems) > 0) || (h.Status == status.HealthOK) != (len(h.Problems)+len(h.Warnings) == 0) {
		t.Errorf("%s: problems %q, warnings %q", h.Status, h.Problems, h.Warnings)
	}
	if body, err := json.Marshal(h); err != nil || !strings.Contains(string(body), fmt.Sprintf(`"status":"%s","ok":%v,`, h.Status, h.OK)) || strings.Contains(string(body), "null") {
		t.Errorf("as JSON: %s, %v", body, err)
	}
}

// TestHealth checks each state, and each limit at its edge. want is the beginning of the
// line.
func TestHealth(t *testing.T) {
	const (
		minute = time.Minute
		hour   = time.Hour
		day    = 24 * time.Hour
		// The end of the text of a healthy archive.
		facts = "archive mem:, last run 30 minutes ago on a with 3 new and exit code 0, last success 30 minutes ago, lag 1h0m, headroom 7.0 days, 0 open gaps, 0 of 1 pending object missing | "
	)
	success := func(age time.Duration) func(*healthWorld) {
		return func(w *healthWorld) { w.last.Hosts[0] = host("a", age) }
	}
	covered := func(age time.Duration) func(*healthWorld) {
		return func(w *healthWorld) { at := ago(age); w.doc.CoveredUntil = &at }
	}
	window := func(length, covered time.Duration) func(*healthWorld) {
		return func(w *healthWorld) {
			seconds, at := report.Seconds(length), ago(covered)
			w.last.Runs[0].Window, w.doc.CoveredUntil = &seconds, &at
		}
	}
	other := func(h report.Host) func(*healthWorld) {
		return func(w *healthWorld) { w.last.Hosts = append(w.last.Hosts, h) }
	}
	// since returns the row of a host that has stopped: the third of its last successes
	// was age ago.
	since := func(age time.Duration) report.Host { return host("b", age-hour) }
	rejected := func(invalid, fetched int) func(*healthWorld) {
		return func(w *healthWorld) { w.last.Runs[0].Invalid, w.last.Runs[0].Fetched = invalid, fetched }
	}
	revised := func(revised, fetched int, age time.Duration) func(*healthWorld) {
		return func(w *healthWorld) {
			r := &w.last.Runs[0]
			r.Revised, r.Fetched, r.New, r.Started = revised, fetched, 0, ago(age)
		}
	}
	gap := func(days ...string) func(*healthWorld) {
		return func(w *healthWorld) {
			for _, d := range days {
				day, unserved := strings.CutSuffix(d, "!")
				w.doc.Gaps = append(w.doc.Gaps, archive.Gap{Day: day, Reason: archive.Missed, Unserved: unserved})
			}
		}
	}
	committed := func(age time.Duration, object string) func(*healthWorld) {
		return func(w *healthWorld) { w.doc.LastUpdated, w.object = ago(age), object }
	}
	stored := func(w *healthWorld) {
		commit := report.StoredCommit(*w.doc.Commit)
		w.last.StoredCommit = &commit
	}
	tests := []struct {
		name   string
		change func(*healthWorld)
		want   string
	}{
		{"healthy", func(*healthWorld) {}, "OK - " + facts +
			"age=1800s;;2700;0 lag=3600s;;86400;0 headroom=601200s;;2700: gaps=0;;0;0 unserved=0;0;;0 missing=0;;0;0 different=0;;0;0 hosts=1;;0:;0 listed=2;;;0;1000"},

		{"a success of the maximum age", success(45 * minute), "OK - "},
		{"an older success", success(45*minute + time.Second), "CRITICAL - the last successful collect ended 45 minutes ago, more than 45m0s (--max-age); check the scheduler and the messages of the runs; a run that cannot write to the archive leaves no report in it; archive mem:"},
		{"no run for days", success(100 * hour), "CRITICAL - the last successful collect ended 4.2 days ago, more than 45m0s (--max-age); check the scheduler and the messages of the runs; a run that cannot write to the archive leaves no report in it; archive mem:"},
		{"failures since a success of the maximum age", func(w *healthWorld) { w.last.Hosts[0] = failing(host("a", 45*minute), 15*minute, 1) },
			"WARNING - the last run on a failed 15 minutes ago with exit code 4 (the API failed); archive mem:"},
		{"failures since an older success", func(w *healthWorld) { w.last.Hosts[0] = failing(host("a", 46*minute), 15*minute, 2) },
			"CRITICAL - the last successful collect ended 46 minutes ago, more than 45m0s (--max-age); the last 2 runs on a failed, the last of them 15 minutes ago with exit code 4 (the API failed); archive mem:"},
		{"never a success", func(w *healthWorld) { w.last.Hosts[0] = failing(report.Host{Name: "a"}, 15*minute, 3) },
			"CRITICAL - no collect has ever succeeded; the last 3 runs on a failed, the last of them 15 minutes ago with exit code 4 (the API failed); archive mem:"},
		{"a partial success", func(w *healthWorld) { w.last.OK, w.last.ExitCode, w.last.Runs[0].ExitCode = false, 3, 3 },
			"OK - archive mem:, last run 30 minutes ago on a with 3 new and exit code 3, last success 30 minutes ago, "},
		{"a hostile error", func(w *healthWorld) {
			w.last.Hosts[0] = failing(host("a", 40*minute), 15*minute, 1)
			w.last.Hosts[0].Error = "no\n | \x1b[2Janswer"
		}, "WARNING - the last run on a failed 15 minutes ago with exit code 4 (no\\n   \\x1b[2Janswer); archive mem:"},
		{"a success in the future", success(-3 * hour), "CRITICAL - the last successful collect ended 3 hours in the future: check the clocks; "},
		{"a success slightly in the future", success(-2 * minute), "OK - "},
		{"a success in the future on another host", func(w *healthWorld) { w.last.Hosts = append([]report.Host{host("b", -30*minute)}, w.last.Hosts...) },
			"WARNING - the last run on b ended 30 minutes in the future: check the clocks; archive mem:"},
		{"a success in the future hides an old one", func(w *healthWorld) { w.last.Hosts = []report.Host{host("b", -3*hour), host("a", 46*minute)} },
			"CRITICAL - the last successful collect ended 46 minutes ago, more than 45m0s (--max-age); check the scheduler and the messages of the runs; a run that cannot write to the archive leaves no report in it; the last run on a ended 46 minutes ago; "},

		{"another host", other(host("b", 45*minute)), "OK - "},
		{"another host has stopped", other(host("b", 46*minute)), "WARNING - the last run on b ended 46 minutes ago; check its scheduler and the messages of its runs; archive mem:"},
		{"another host stopped almost 7 days ago", other(since(7 * day)), "WARNING - the last run on b ended 7.0 days ago; "},
		{"another host stopped more than 7 days ago", other(since(7*day + time.Second)), "OK - "},
		{"another host ran twice", other(report.Host{Name: "b", LastRun: ago(hour), Successes: []time.Time{ago(hour), ago(hour)}}), "OK - "},
		{"another host only fails", other(failing(report.Host{Name: "b"}, hour, 9)),
			"WARNING - the last 9 runs on b failed, the last of them 1 hour ago with exit code 4 (the API failed); archive mem:"},
		{"another host fails after old successes", other(failing(host("b", 30*day), hour, 9)), "WARNING - the last 9 runs on b failed, "},
		{"another host failed last 7 days ago", other(failing(host("b", 30*day), 7*day, 1)), "WARNING - the last run on b failed 7.0 days ago "},
		{"another host failed last more than 7 days ago", other(failing(host("b", 30*day), 7*day+time.Second, 1)), "OK - "},
		{"all hosts have stopped", func(w *healthWorld) { w.last.Hosts = []report.Host{host("a", hour), host("b", 2*hour)} },
			"CRITICAL - the last successful collect ended 1 hour ago, more than 45m0s (--max-age); check the scheduler and the messages of the runs; a run that cannot write to the archive leaves no report in it; the last run on b ended 2 hours ago; check its scheduler and the messages of its runs; archive mem:"},
		{"as many hosts as --hosts", func(w *healthWorld) { other(host("b", 45*minute))(w); w.options.Hosts = 2 }, "OK - "},
		{"fewer hosts than --hosts", func(w *healthWorld) { other(host("b", 46*minute))(w); w.options.Hosts = 2 },
			"CRITICAL - 1 host succeeded within 45m0s (--max-age), fewer than 2 (--hosts); the last run on b ended 46 minutes ago; "},
		{"a host in the future does not count for --hosts", func(w *healthWorld) { w.last.Hosts[0].Successes = []time.Time{ago(-3 * minute)}; w.options.Hosts = 1 },
			"CRITICAL - the last successful collect ended 3 minutes in the future: check the clocks; 0 hosts succeeded within "},

		{"the maximum lag", covered(24 * hour), "OK - "},
		{"more than the maximum lag", covered(24*hour + time.Second),
			"CRITICAL - the archive is stale: the newest event in full responses of the API is from 24 hours ago, more than 24h0m0s (--max-lag); see whether the API's website shows newer events, and whether each collect has a filter (--location, --type); archive mem:"},
		{"more than the maximum lag, since no run succeeded", func(w *healthWorld) { success(25 * hour)(w); covered(26 * hour)(w) },
			"CRITICAL - the last successful collect ended 25 hours ago, more than 45m0s (--max-age); check the scheduler and the messages of the runs; a run that cannot write to the archive leaves no report in it; " +
				"the archive is stale: the newest event in full responses of the API is from 26 hours ago, more than 24h0m0s (--max-lag); archive mem:"},
		{"covered until a time in the future", covered(-3 * minute),
			"WARNING - covered_until of the document is 2026-06-20T12:03:00Z, in the future, and until then runs do not notice a gap: check the clocks; archive mem:"},
		{"no full response yet", func(w *healthWorld) { w.doc.CoveredUntil, w.last.Runs[0].Window = nil, nil },
			"OK - archive mem:, last run 30 minutes ago on a with 3 new and exit code 0, last success 30 minutes ago, lag and gaps unknown without a full response, 0 open gaps, 0 of 1 pending object missing | age=1800s;;2700;0 gaps=0;;0;0 unserved"},
		{"a document of the published format", func(w *healthWorld) { w.doc.Version, w.doc.CoveredUntil, w.doc.LastUpdated = 0, nil, ago(25*hour) },
			"CRITICAL - the archive is stale: the newest event in full responses of the API is from 25 hours ago, "},

		{"headroom above the maximum age", window(5*hour, 5*hour-45*minute-time.Second), "OK - "},
		{"headroom of the maximum age", window(5*hour, 5*hour-45*minute),
			"CRITICAL - the next run must start within 45m to miss no events: the last full response covers 5h0m, and the archive has all events up to 4 hours 15 minutes ago; archive mem:"},
		{"no headroom", window(5*hour, 5*hour), "CRITICAL - the next run may miss events: the last full response covers 5h0m, and the archive has all events up to 5 hours ago; archive mem:"},
		{"headroom of the last full response", func(w *healthWorld) { window(5*hour, 5*hour)(w); w.fail() }, "CRITICAL - the next run may miss events: "},

		{"an open gap", gap("2026-06-18"), "CRITICAL - events of 1 day may be missing, 2026-06-18 to 2026-06-18; later collects fetch them, and so does: program backfill --from 2026-06-18 --to 2026-06-18; archive mem:"},
		{"gaps that wait for an object", func(w *healthWorld) { w.doc.Gaps = []archive.Gap{{Day: "2026-06-18", Reason: archive.Unreadable}} }, "CRITICAL - events of 1 day may be missing, "},
		{"a gap of days that are partly no longer served", gap("2025-12-01", "2026-06-18"), "CRITICAL - events of 2 days may be missing, 2025-12-01 to 2026-06-18; later collects fetch them, and so does: program backfill --from 2026-06-18 --to 2026-06-18; archive mem:"},
		{"a gap of days that are no longer served", gap("2025-12-01"), "CRITICAL - events of 1 day may be missing, 2025-12-01 to 2025-12-01; later collects ask the API for them; archive mem:"},
		{"a gap that is no day", gap("2026-06-18; x"), "CRITICAL - events of 1 day may be missing, 2026-06-18; x to 2026-06-18; x; later collects ask the API for them; archive mem:"},
		{"an unserved gap", gap("2026-06-17!", "2026-06-18!"),
			"WARNING - events of 2 days may be missing that the API does not serve, 2026-06-17 to 2026-06-18; accept this with: program verify --repair=gaps; archive mem:"},
		{"open and unserved gaps", gap("2026-06-16!", "2026-06-17", "2026-06-18"), "CRITICAL - events of 2 days may be missing, 2026-06-17 to 2026-06-18; "},

		{"less than half rejected", rejected(249, 500), "OK - "},
		{"half rejected", rejected(250, 500), "CRITICAL - 250 of 500 items in the last responses are no valid events: the API's format may have changed; look for a newer version of this program; archive mem:"},
		{"half rejected before a failure", func(w *healthWorld) { rejected(500, 500)(w); w.fail() }, "CRITICAL - 500 of 500 items "},
		{"half of the known events revised at once", revised(250, 500, time.Hour),
			"WARNING - 250 of 500 known events were revised at once 1 hour ago: the API's format may have changed; compare the new versions, which are under revisions/ in the archive, with the former ones; archive mem:"},
		{"half of the known events revised before a run without revisions", func(w *healthWorld) {
			revised(250, 500, time.Hour)(w)
			w.last.Runs = append([]report.Run{{Host: "a", Fetched: 500, Started: ago(minute)}}, w.last.Runs...)
		}, "WARNING - 250 of 500 known events were revised at once 1 hour ago: "},
		{"half of the known events revised a day ago", revised(250, 500, day), "WARNING - 250 of 500 known events were revised at once 24 hours ago: "},
		{"half of the known events revised more than a day ago", revised(250, 500, day+time.Second), "OK - "},
		{"less than half of the known events revised", revised(249, 500, time.Hour), "OK - "},
		{"half of the known events of a response revised that is not full", revised(250, 499, time.Hour), "OK - "},
		{"few events known", func(w *healthWorld) { revised(19, 500, time.Hour)(w); w.last.Runs[0].New = 481 }, "OK - "},
		{"half of a saved response revised", func(w *healthWorld) { revised(250, 500, time.Hour)(w); w.last.Runs[0].Saved = true }, "OK - "},
		{"half of a saved response rejected", func(w *healthWorld) {
			w.last.Runs = append([]report.Run{{Saved: true, Fetched: 2, Invalid: 2}}, w.last.Runs...)
		}, "OK - "},
		{"a saved response failed", func(w *healthWorld) {
			w.last.Saved, w.last.OK, w.last.ExitCode = true, false, 4
			w.last.Runs = append([]report.Run{{Saved: true, ExitCode: 4}}, w.last.Runs...)
		}, "OK - "},
		{"no contact", func(w *healthWorld) { w.last.NoContact = true },
			"WARNING - the calls to the API have no contact, which its rules ask for, and it may block them: set --contact (API_CONTACT_EMAIL) for collect; archive mem:"},

		{"object missing", committed(time.Minute, "-"), "CRITICAL - objects of the last commit are missing: 1 of 1; the next run stores them; archive mem:"},
		{"object gone that was stored", func(w *healthWorld) { stored(w); committed(time.Minute, "-")(w) },
			"CRITICAL - objects of the last commit are gone, although all were stored: 1 of 1; the next run may not look for them and then drops their lines, so store them now with: program verify --repair; archive mem:"},
		{"lines gone that were stored", func(w *healthWorld) { stored(w); committed(time.Minute, "x")(w) },
			"CRITICAL - objects of the last commit have lost lines that are nowhere in the archive: 1 of 1; the next run may not look at them and then drops these lines, so store them now with: program verify --repair; archive mem:"},
		{"object missing of a commit after the one that was stored", func(w *healthWorld) {
			stored(w)
			w.last.StoredCommit.Sequence--
			committed(time.Minute, "-")(w)
		}, "CRITICAL - objects of the last commit are missing: 1 of 1; the next run stores them; archive mem:"},
		{"an older document", func(w *healthWorld) { stored(w); w.last.StoredCommit.Timestamp++ },
			"CRITICAL - the metadata document is older than the last run, which knew a commit of 2026-06-20T11:00:01Z: it may be an older copy; restore the newest one, or leave it to the next collect, which looks up each event in the archive; archive mem:"},
		{"a document older than the backup", func(w *healthWorld) {
			stored(w)
			w.last.DocumentBackup = fmt.Appendf(nil, `{"timestamp":%d}`, w.doc.Commit.Timestamp+1)
		}, "CRITICAL - the metadata document is older than the last run, which knew a commit of 2026-06-20T11:00:01Z: "},
		{"a document of the last run", stored, "OK - "},
		{"a later document", func(w *healthWorld) { stored(w); w.last.StoredCommit.Timestamp-- }, "OK - "},
		{"object missing while a run is under way", committed(time.Minute-time.Second, "-"), "OK - archive mem:, last run 30 minutes ago on a with 3 new and exit code 0, last success 30 minutes ago, lag 1h0m, headroom 7.0 days, 0 open gaps, 1 of 1 pending object missing | "},
		{"object missing and a wrong clock", committed(-hour, "-"), "CRITICAL - objects of the last commit are missing: 1 of 1; "},
		{"object different", committed(time.Minute, "x"), "CRITICAL - objects of the last commit lack lines that are nowhere in the archive: 1 of 1; the next run stores these lines again; archive mem:"},
		{"a commit in the future", committed(-3*minute, "{}\n"), "WARNING - last_updated of the document is 2026-06-20T12:03:00Z, in the future: check the clocks; archive mem:"},
		{"a commit slightly in the future", committed(-2*minute, "{}\n"), "OK - "},

		{"a document of another program, which takes over the gaps", func(w *healthWorld) {
			w.docText = `{"seen_ids":[2,1],"last_updated":"2026-06-20T11:30:00Z","total_tracked":2}`
			w.last.DocumentBackup = []byte(`{"timestamp":1,"gaps":[{"day":"2025-06-01","reason":"missed","since":"2026-06-20T11:00:00Z","unserved":true}]}`)
		}, "WARNING - events of 1 day may be missing that the API does not serve, 2025-06-01 to 2025-06-01; "},
		{"a document with a commit, which does not take over the gaps", func(w *healthWorld) {
			w.last.DocumentBackup = []byte(`{"timestamp":1,"gaps":[{"day":"2025-06-01","reason":"missed","since":"2026-06-20T11:00:00Z","unserved":true}]}`)
		}, "OK - "},
		{"no document", func(w *healthWorld) { w.docText = "-" }, "CRITICAL - there is no metadata/last_seen.json; the next collect creates it; archive mem:"},
		{"a damaged document", func(w *healthWorld) { w.docText = "{" }, "CRITICAL - parse metadata/last_seen.json: unexpected end of JSON input; the next collect saves a copy and rebuilds it; "},
		{"a document of a newer format", func(w *healthWorld) { w.docText = `{"seen_ids":[],"version":99}` },
			"CRITICAL - parse metadata/last_seen.json: unsupported newer format: version 99, and this release reads versions up to 2; install a later release; "},
		{"no run", func(w *healthWorld) { w.lastRun = "-" },
			"CRITICAL - metadata/last_run.json has no collect from the API, although the archive has what one has fetched: the report was lost or could not be written, so see the messages of the runs; the next collect writes it; archive mem:, lag 1h0m, 0 open gaps, "},
		{"a damaged report", func(w *healthWorld) { w.lastRun = "{}" }, "CRITICAL - metadata/last_run.json is damaged; the next collect replaces it; archive mem:"},
		{"a report without a history", func(w *healthWorld) {
			w.lastRun = `{"finished":"2026-06-20T11:45:00Z","ok":true,"window":{"hours":200}}`
		},
			"OK - archive mem:, last run 15 minutes ago with 0 new and exit code 0, last success 15 minutes ago, lag 1h0m, 0 open gaps, "},
		{"an old report without a history", func(w *healthWorld) { w.lastRun = `{"finished":"2026-06-20T10:45:00Z","ok":true}` }, "CRITICAL - the last successful collect ended 1 hour 15 minutes ago, "},
		{"a failed run without a history", func(w *healthWorld) {
			w.lastRun = `{"finished":"2026-06-20T11:45:00Z","exit_code":4,"error":"no answer"}`
		},
			"CRITICAL - no collect has ever succeeded; the last run failed 15 minutes ago with exit code 4 (no answer); "},

		{"only saved responses", (*healthWorld).saved, "OK - archive mem:, last run 833.3 days ago on a with 0 new and exit code 0, 0 open gaps, 0 of 1 pending object missing | gaps=0"},
		{"only saved responses, and a failure", func(w *healthWorld) {
			w.saved()
			w.last.OK, w.last.ExitCode, w.last.Error = false, 5, "the store failed"
		}, "CRITICAL - the last run failed with exit code 5 (the store failed); archive mem:"},
		{"only saved responses, and a partial success", func(w *healthWorld) { w.saved(); w.last.OK, w.last.ExitCode = false, 3 }, "OK - "},
		{"only saved responses, and an object missing", func(w *healthWorld) { w.saved(); w.object = "-" }, "CRITICAL - objects of the last commit are missing: "},
		{"only saved responses, and --hosts", func(w *healthWorld) { w.saved(); w.options.Hosts = 1 }, "CRITICAL - 0 hosts succeeded within "},
		{"a saved response after a lost history", func(w *healthWorld) { w.saved(); covered(hour)(w) }, "CRITICAL - metadata/last_run.json has no collect from the API, "},

		{"both kinds", func(w *healthWorld) {
			w.last.NoContact = true
			gap("2026-06-16!")(w)
			covered(25 * hour)(w)
			rejected(500, 500)(w)
		}, "CRITICAL - the archive is stale: the newest event in full responses of the API is from 25 hours ago, more than 24h0m0s (--max-lag); see whether the API's website shows newer events, and whether each collect has a filter (--location, --type); " +
			"500 of 500 items in the last responses are no valid events: the API's format may have changed; look for a newer version of this program; the calls to the API have no contact"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := healthyWorld()
			tt.change(w)
			if got := w.check(t).String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %s\nwant %s...", got, tt.want)
			}
		})
	}
}

// TestHealthDuringCommit checks that a run which commits between the read of the document
// and that of its report does not make the document older.
func TestHealthDuringCommit(t *testing.T) {
	w := healthyWorld()
	world := newWorld(t)
	world.putDocument(w.doc)
	world.put(healthObject, "{}\n")
	last := w.last
	later := w.doc
	later.Commit = &archive.Commit{ID: "y", Sequence: 2, Timestamp: w.doc.Commit.Timestamp + 1}
	commit := report.StoredCommit(*later.Commit)
	last.StoredCommit = &commit
	body, err := json.Marshal(last)
	if err != nil {
		t.Fatal(err)
	}
	world.put(archive.LastRunName, string(body))
	reads := 0
	f := storetest.NewFaults(world, func(c storetest.Call) storetest.Fault {
		if c.Name == archive.DocumentName {
			if reads++; reads == 2 {
				world.putDocument(later)
			}
		}
		return storetest.Fault{}
	})
	h, err := status.CheckHealth(t.Context(), f, w.options)
	if err != nil || h.Status != status.HealthOK || reads != 2 {
		t.Errorf("%d reads of the document: %v, %v; want OK after 2", reads, h, err)
	}
}

// TestUnknownHealth checks the result of a check that failed.
func TestUnknownHealth(t *testing.T) {
	h := status.UnknownHealth("mem:", status.HealthOptions{}, errors.New("first |\nsecond"))
	if want := "UNKNOWN - first  ; second; archive mem:"; h.String() != want {
		t.Errorf("got  %s\nwant %s", h, want)
	}
	checkForms(t, h)
}

// TestHealthStoreError checks that CheckHealth returns the error of a failed store call,
// not a Health with a problem. A report that is too large or damaged is no such error,
// since the next run replaces it.
func TestHealthStoreError(t *testing.T) {
	w := newWorld(t)
	w.putDocument(healthyWorld().doc)
	w.put(archive.LastRunName, "{}")
	for k := range 3 {
		f := storetest.NewFaults(w, storetest.At(k+1, storetest.FailBefore()))
		if _, err := status.CheckHealth(t.Context(), f, status.HealthOptions{Now: healthNow}); !errors.Is(err, storetest.ErrFault) {
			t.Errorf("call %d fails: got the error %v, want the store's", k+1, err)
		}
	}
	for _, cause := range []error{store.ErrTooLarge, store.ErrDamaged} {
		f := struct {
			storetest.Unreadable
			fmt.Stringer
		}{storetest.NewUnreadable(w, archive.LastRunName, cause), w}
		h, err := status.CheckHealth(t.Context(), f, status.HealthOptions{Now: healthNow})
		if err != nil || !strings.Contains(h.String(), "last_run.json is damaged") {
			t.Errorf("%v: %v, %v", cause, h, err)
		}
	}
}
