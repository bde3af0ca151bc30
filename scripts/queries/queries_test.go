// Package queries tests the queries of this folder with DuckDB, pandas and jq.
package queries

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/tooltest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// recipes are the files of SQL that are not queries.
var recipes = []string{"views.sql", "compact.sql", "compacted.sql", "county-geojson.sql", "parquet.sql"}

// row is a row of a result.
type row = map[string]any

// queryFiles returns the files of the queries.
func queryFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.sql")
	files = slices.DeleteFunc(files, func(file string) bool { return slices.Contains(recipes, file) })
	if err != nil || len(files) < 10 {
		t.Fatalf("found the queries %q: %v", files, err)
	}
	return files
}

// runScript runs run.mjs and returns its output.
func runScript(t *testing.T, args ...string) string {
	t.Helper()
	node := tooltest.Need(t, "node", "Node.js 18.3 or later")
	if _, err := os.Stat("node_modules"); err != nil {
		tooltest.Missing(t, "@duckdb/node-api", "npm ci --prefix scripts/queries")
	}
	out, err := output(exec.Command(node, append([]string{"run.mjs"}, args...)...))
	if err != nil {
		t.Fatalf("run.mjs %q: %v", args, err)
	}
	return out
}

// output runs a command and returns what it prints. The error has its stderr.
func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	return string(out), err
}

// results decodes a sequence of JSON values: an array of rows for each query, or single rows.
func results[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for decoder := json.NewDecoder(strings.NewReader(text)); decoder.More(); {
		var value T
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v in %.1000s", err, text)
		}
		all = append(all, value)
	}
	return all
}

// query runs a query that is given as SQL.
func query(t *testing.T, dir, sql string) []row {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.sql")
	if err := os.WriteFile(file, []byte(sql), 0o644); err != nil {
		t.Fatal(err)
	}
	return results[[]row](t, runScript(t, "--json", dir, file))[0]
}

// synthetic returns the folder of an archive that collects of the synthetic recording have made, each
// at the time of its poll.
func synthetic(t *testing.T) string {
	t.Helper()
	syntheticOnce.Do(func() { syntheticFiles = collect(t, replaytest.Synthetic(t)) })
	dir := t.TempDir()
	for name, body := range syntheticFiles {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), body)
	}
	return dir
}

var (
	syntheticOnce  sync.Once
	syntheticFiles map[string][]byte
)

func writeFile(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, body, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// collect returns the objects of an archive of some polls.
func collect(t *testing.T, polls []replaytest.Poll) map[string][]byte {
	t.Helper()
	s, clock := memstore.New(), retrytest.NewClock(polls[0].Time)
	for _, poll := range polls {
		clock.Advance(poll.Time.Sub(clock.Now()))
		r, err := pipeline.Collect(t.Context(), pipeline.Options{
			Report:    report.Report{RunID: rand.Text(), Command: "collect", Store: s.String()},
			Recorder:  report.NewRecorder(clock.Now),
			Clock:     clock,
			OpenStore: func(context.Context) (store.Store, error) { return s, nil },
			Revisions: true,
			MaxLag:    24 * time.Hour,
			Command:   func(args string) string { return args },
			ExitCode:  func(error) int { return 0 },
		}, response{poll.Body, poll.Time})
		if _, partial := errors.AsType[*pipeline.PartialError](err); err != nil && !partial && !poll.Failed {
			t.Fatalf("poll of %v: %v, %+v", poll.Time, err, r.Counts)
		}
	}
	return storetest.Objects(t, s)
}

// response is a source whose response has this body.
type response struct {
	body []byte
	at   time.Time
}

func (r response) Fetch(context.Context, polisen.Query) (*polisen.Response, error) {
	events, rejected, err := polisen.Parse(r.body)
	if err != nil {
		return &polisen.Response{Calls: 1}, err
	}
	return &polisen.Response{Events: events, Rejected: rejected, Calls: 1, FetchedAt: r.at}, nil
}

// golden returns the rows of a query's golden file.
func golden(t *testing.T, name string) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("golden", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return results[[]row](t, string(text))[0]
}

func wantRows(t *testing.T, got, want []row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("row %d is\n%v, want\n%v", i, got[i], want[i])
		}
	}
}

// TestQueries compares the results of all queries over the synthetic recording with golden files, and
// then the same queries over the file that compact.sql makes. To rewrite the golden files: go test
// ./scripts/queries -update.
func TestQueries(t *testing.T) {
	t.Parallel()
	dir, files := synthetic(t), queryFiles(t)
	text := runScript(t, append([]string{"--json", dir}, files...)...)
	if *update {
		// A result begins with a line that consists of a bracket.
		for i, part := range strings.SplitAfter(text, "\n]\n")[:len(files)] {
			writeFile(t, filepath.Join("golden", strings.TrimSuffix(files[i], ".sql")+".json"), []byte(part))
		}
	}
	check := func(t *testing.T, text string) {
		all := results[[]row](t, text)
		if len(all) != len(files) {
			t.Fatalf("%d results of %d queries", len(all), len(files))
		}
		for i, file := range files {
			t.Run(file, func(t *testing.T) { wantRows(t, all[i], golden(t, strings.TrimSuffix(file, ".sql"))) })
		}
	}
	t.Run("archive", func(t *testing.T) { check(t, text) })
	t.Run("compacted", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "versions.parquet")
		text := runScript(t, slices.Concat([]string{"--json", "--set", "output=" + file, "--set", "compacted=" + file, dir, "compact.sql", "compacted.sql"}, files)...)
		check(t, text)
	})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !regexp.MustCompile(`^-- [A-Z][^?]+\?`).Match(text) {
			t.Errorf("%s does not begin with the question that it answers (%v)", file, err)
		}
	}
}

// TestViews compares the views with the lines of the archive, which this test reads itself.
func TestViews(t *testing.T) {
	t.Parallel()
	dir := synthetic(t)
	type object struct {
		archive.Name
		body []byte
	}
	var objects []object
	for name, body := range syntheticFiles {
		if parsed, ok := archive.ParseName(name); ok && parsed.Kind != archive.Rejected {
			objects = append(objects, object{parsed, body})
		}
	}
	slices.SortFunc(objects, func(a, b object) int { // "events" before "revisions"
		return strings.Compare(fmt.Sprintf("%s %012d %v", a.Kind, a.Timestamp, a.Name), fmt.Sprintf("%s %012d %v", b.Kind, b.Timestamp, b.Name))
	})
	want := map[int64][]row{}
	for _, o := range objects {
		for line := range bytes.Lines(o.body) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			event, rejected := polisen.ParseItem(line)
			if rejected != nil {
				t.Fatalf("%s: %s", o.Name, rejected.Reason)
			}
			want[event.ID] = append(want[event.ID], row{
				"kind": string(o.Kind), "day": o.Date.String(), "json": string(line),
				"published": float64(event.Time.Unix()), "seen": float64(o.Timestamp),
			})
		}
	}
	got := map[int64][]row{}
	const columns = "id, kind, strftime(day, '%Y-%m-%d') AS day, json, epoch(published_at)::BIGINT AS published, epoch(first_seen)::BIGINT AS seen"
	for _, r := range query(t, dir, "SELECT "+columns+" FROM numbered ORDER BY id, version") {
		id := int64(r["id"].(float64))
		delete(r, "id")
		got[id] = append(got[id], r)
	}
	if len(got) != len(want) || len(got) < 4000 {
		t.Errorf("%d events, want %d", len(got), len(want))
	}
	for id, versions := range want {
		if !reflect.DeepEqual(got[id], versions) {
			t.Fatalf("versions of event %d:\n%v, want\n%v", id, got[id], versions)
		}
	}
	for _, r := range query(t, dir, "SELECT versions, "+columns+" FROM latest") {
		id, versions := int64(r["id"].(float64)), int(r["versions"].(float64))
		delete(r, "id")
		delete(r, "versions")
		if last := want[id][len(want[id])-1]; versions != len(want[id]) || !reflect.DeepEqual(r, last) {
			t.Fatalf("latest version of event %d:\n%v, %d, want\n%v, %d", id, r, versions, last, len(want[id]))
		}
		delete(want, id)
	}
	if len(want) != 0 {
		t.Errorf("%d events are not in latest", len(want))
	}
}

// line is an event without its id, with the folder of its day and its times: that of its
// publication and that of the incident.
type line struct{ day, text, times string }

// usualLines returns lines as the API sends them.
func usualLines() []line {
	return []line{
		{"2026/01/02", `"datetime":"2026-01-02 9:38:12 +01:00","name":"02 januari 09.38, Brand, Malmö"`, "2026-01-02 09:38:12, 2026-01-02 09:38:00"},
		{"2026/01/01", `"datetime":"2026-01-01 0:20:00 +01:00","name":"31 december 23.50, Rån, Malmö"`, "2026-01-01 00:20:00, 2025-12-31 23:50:00"},
		{"2025/12/31", `"datetime":"2025-12-31 23:59:00 +01:00","name":"01 januari 00.05, Rån, Malmö"`, "2025-12-31 23:59:00, 2026-01-01 00:05:00"},
		{"2026/01/03", `"datetime":"2026-01-03 0:10:00 +01:00","name":"02 januari 23:55, Rån, Malmö"`, "2026-01-03 00:10:00, 2026-01-02 23:55:00"},
		{"2026/07/01", `"datetime":"2026-07-01 8:00:00 +02:00","name":"1 Juli 7.05, Rån, Malmö"`, "2026-07-01 08:00:00, 2026-07-01 07:05:00"},
	}
}

// writeLines writes an object for each line. The id of an event is the number of its line.
func writeLines(t *testing.T, dir string, lines []line) {
	t.Helper()
	for i, l := range lines {
		writeFile(t, filepath.Join(dir, "events", filepath.FromSlash(l.day), fmt.Sprintf("events-%d.jsonl", i)), fmt.Appendf(nil, "{\"id\":%d,%s}\n", i, l.text))
	}
}

// TestOddLines checks the times that the views show for lines in unusual forms. None may
// stop a query.
func TestOddLines(t *testing.T) {
	t.Parallel()
	lines := append(usualLines(), []line{
		{"2026/07/01", `"datetime":"2026-07-01T06:00:00Z","name":"30 juni 24.10, Rån, Malmö"`, "2026-07-01 08:00:00, NULL"},
		{"2026/07/01", `"datetime":"2026-07-01 06:00 +0200","name":"31 juni 10.10, Rån, Malmö"`, "2026-07-01 06:00:00, NULL"},
		{"2026/07/01", `"datetime":"2026-07-01 6:00:00.5+02","name":"01 july 10.10, Rån"`, "2026-07-01 06:00:00.5, NULL"},
		{"2026/07/01", `"datetime":"2026-07-01 6:00:00","name":"Rån 01 juli 10.10"`, "2026-07-01 06:00:00, NULL"},
		{"2026/07/01", `"datetime":null,"name":null,"summary":null,"url":null,"type":null,"location":null`, "NULL, NULL"},
		{"2026/07/01", `"datetime":7,"name":["01 juli 10.10"],"location":"Malmö"`, "NULL, NULL"},
		{"2026/07/01", `"datetime":"i går","name":{"a":1},"location":{"name":7,"gps":"north"}`, "NULL, NULL"},
		{"2026/07/01", `"datetime":"2026-02-30 6:00:00 +02:00","location":{"gps":"55.6"}`, "NULL, NULL"},
		{"2026/07/01", `"name":"01 juli 10.10 \ud83d"`, "NULL, 2026-07-01 10:10:00"},
		{"2026/07/01", `"name":"01 juli 10.10 \u0000 \ud83d\ude00"`, "NULL, 2026-07-01 10:10:00"},
		{"2026/07/01", `"x":1e999,"x":[[[]]]`, "NULL, NULL"},
		{"2026/13/41", `"datetime":"2026-07-01 6:00:00 +02:00","name":"01 juli 10.10"`, "2026-07-01 06:00:00, NULL"},
	}...)
	dir := t.TempDir()
	writeLines(t, dir, lines)
	// These are not events, and are left out.
	writeFile(t, filepath.Join(dir, "events/2026/07/01/events-99.jsonl"), []byte("not JSON\n[1]\n7\n\n{}\n{\"id\":\"x\"}\n{\"id\":1.5e400}\n{\"id\":"))
	writeFile(t, filepath.Join(dir, "events/2026/07/01/events-x.jsonl"), nil)
	got := query(t, dir, `SELECT id, coalesce((published_at AT TIME ZONE 'Europe/Stockholm')::VARCHAR, 'NULL') || ', ' || coalesce((incident_at AT TIME ZONE 'Europe/Stockholm')::VARCHAR, 'NULL') AS times
		FROM events ORDER BY id`)
	if len(got) != len(lines) {
		t.Errorf("%d events, want %d: %v", len(got), len(lines), got)
	}
	for i := range min(len(got), len(lines)) {
		if got[i]["times"] != lines[i].times {
			t.Errorf("%s: %v, want %s", lines[i].text, got[i]["times"], lines[i].times)
		}
	}
	runAll(t, dir)
}

// runAll runs all queries and recipes, which may not fail.
func runAll(t *testing.T, dir string) (rows int) {
	t.Helper()
	files := queryFiles(t)
	for _, result := range results[[]row](t, runScript(t, append([]string{"--json", dir}, files...)...)) {
		rows += len(result)
	}
	out := t.TempDir()
	runScript(t, "--set", "output="+filepath.Join(out, "file"), dir, "compact.sql", "county-geojson.sql")
	runScript(t, "--set", "output="+filepath.Join(out, "folder"), dir, "parquet.sql")
	return rows
}

// TestMissingFolders runs all queries over an archive without revisions, and over an empty folder.
func TestMissingFolders(t *testing.T) {
	t.Parallel()
	dir := synthetic(t)
	if err := os.RemoveAll(filepath.Join(dir, "revisions")); err != nil {
		t.Fatal(err)
	}
	if rows := runAll(t, dir); rows < 300 {
		t.Errorf("without revisions the queries have %d rows", rows)
	}
	if rows := runAll(t, t.TempDir()); rows != 24 { // of hour-of-day.sql
		t.Errorf("over an empty folder the queries have %d rows, want 24", rows)
	}
}

// TestRecipes compares the files that recipes write with the queries.
func TestRecipes(t *testing.T) {
	t.Parallel()
	dir, out := synthetic(t), t.TempDir()
	file := filepath.Join(out, "counties.geojson")
	runScript(t, "--set", "output="+file, dir, "county-geojson.sql")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type feature struct {
		Type     string
		Geometry struct {
			Type        string
			Coordinates []float64
		}
		Properties row
	}
	var collection struct {
		Type     string
		Features []feature
	}
	if err := json.Unmarshal(text, &collection); err != nil || collection.Type != "FeatureCollection" {
		t.Fatalf("%v in %s", err, text)
	}
	counties := golden(t, "county-map")
	if len(collection.Features) != len(counties) {
		t.Errorf("%d features, want %d", len(collection.Features), len(counties))
	}
	for _, county := range counties {
		if !slices.ContainsFunc(collection.Features, func(f feature) bool {
			return f.Type == "Feature" && f.Geometry.Type == "Point" && slices.Equal(f.Geometry.Coordinates, []float64{county["lon"].(float64), county["lat"].(float64)}) &&
				f.Properties["county"] == county["county"] && f.Properties["events"] == county["events"]
		}) {
			t.Errorf("no feature for %v", county)
		}
	}

	parquet := filepath.Join(out, "parquet")
	for range 2 { // the second time replaces the files
		runScript(t, "--set", "output="+parquet, dir, "parquet.sql")
	}
	const columns = "id, day, published_at, incident_at, first_seen, type, name, summary, location, county, lat, lon, url, versions"
	got := query(t, dir, "SELECT count(*) AS events, count(DISTINCT year) AS years FROM read_parquet('"+parquet+"/*/*.parquet', hive_partitioning = true)")
	want := query(t, dir, "SELECT count(*) AS events, count(DISTINCT year(day)) AS years FROM latest")
	wantRows(t, got, want)
	differing := query(t, dir, "SELECT * FROM ((SELECT "+columns+" FROM latest) EXCEPT (SELECT "+columns+" FROM read_parquet('"+parquet+"/*/*.parquet')))")
	if len(differing) != 0 {
		t.Errorf("%d events are not in the Parquet files, such as %v", len(differing), differing[0])
	}
}

// TestPandas compares the results of pandas with the golden files of the queries.
func TestPandas(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // of the system, for which Debian has pandas
	if exec.Command(python, "-c", "import pandas").Run() != nil {
		tooltest.Missing(t, "pandas", "Debian package python3-pandas")
	}
	dir := synthetic(t)
	for name, keys := range map[string][]string{
		"events-by-day":  {"day", "type", "events"},
		"hour-of-day":    {"hour", "incidents"},
		"newest-version": {"id", "type", "name", "summary"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := output(exec.Command(python, "events.py", dir, name))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, results[row](t, out), golden(t, name), keys)
		})
	}
	lines, usual := usualLines(), t.TempDir()
	writeLines(t, usual, lines)
	out, err := output(exec.Command(python, "-c", "import sys, events\nfor e in events.read(sys.argv[1]).itertuples():\n  print(f'{e.published_at:%F %T}, {e.incident_at:%F %T}')", usual))
	if err != nil {
		t.Fatal(err)
	}
	for i, times := range strings.Split(strings.TrimSpace(out), "\n") {
		if times != lines[i].times {
			t.Errorf("pandas: %s: %s, want %s", lines[i].text, times, lines[i].times)
		}
	}
	// The lines for notebooks in the README. The last one is an expression.
	code := strings.Replace(readmeBlocks(t, "python")[0], `"archive"`, fmt.Sprintf("%q", dir), 1)
	out, err = output(exec.Command(python, "-W", "error", "-c", strings.Replace(code, "\nlatest[", "\nresult = latest[", 1)+"print(len(result))"))
	if n := strings.TrimSpace(out); err != nil || n < "1" {
		t.Errorf("the lines in the README give %q: %v", n, err)
	}
}

// compare compares some columns of two results. The rows may be in another order, and got may have
// days that the query does not show.
func compare(t *testing.T, got, want []row, keys []string) {
	t.Helper()
	oldest := ""
	for _, r := range want {
		if day, ok := r["day"].(string); ok && (oldest == "" || day < oldest) {
			oldest = day
		}
	}
	pick := func(rows []row) []string {
		lines := make(map[string]int)
		for _, r := range rows {
			if day, _ := r["day"].(string); day < oldest {
				continue
			}
			line := ""
			for _, key := range keys {
				line += fmt.Sprintf("%v; ", r[key])
			}
			lines[line]++
		}
		return slices.Sorted(maps.Keys(lines))
	}
	if diff := cmp.Diff(pick(want), pick(got)); diff != "" || len(want) < 5 {
		t.Errorf("%d rows; the difference is (-want +got):\n%s", len(want), diff)
	}
}

// readmeBlocks returns the code blocks of the README in a language.
func readmeBlocks(t *testing.T, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// TestReadmeSQL runs the SQL of the README, with the content of files in place of the commands that
// read them.
func TestReadmeSQL(t *testing.T) {
	t.Parallel()
	block := readmeBlocks(t, "sql")[0]
	sql := regexp.MustCompile(`(?m)^\.read scripts/queries/(.*)$`).ReplaceAllStringFunc(block, func(line string) string {
		text, err := os.ReadFile(strings.TrimPrefix(line, ".read scripts/queries/"))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	})
	dir := synthetic(t)
	sql = strings.Replace(sql, "'/var/lib/polisen-events-collector/archive'", "'"+dir+"'", 1)
	file := filepath.Join(t.TempDir(), "readme.sql")
	writeFile(t, file, []byte(sql))
	got := results[[]row](t, runScript(t, "--json", t.TempDir(), file))
	if len(got) != 3 {
		t.Fatalf("%d results, want 3", len(got))
	}
	wantRows(t, got[0], golden(t, "events-by-day"))
	if len(got[2]) < 3 || len(got[2][0]) != 2 {
		t.Errorf("the result of the query in the README is %v", got[2])
	}
}

// TestDocuments compares the list of files in the README and the list of columns in DATA.md with what
// there is.
func TestDocuments(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.Contains(string(readme), "["+file+"]("+file+")") {
			t.Errorf("README.md does not list %s", file)
		}
	}
	data, err := os.ReadFile("DATA.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "| column | type | content |\n| --- | --- | --- |\n")
	var documented, present []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			t.Fatalf("unexpected line in DATA.md: %s", line)
		}
		names, types := strings.Split(cells[1], ","), strings.Split(cells[2], ",")
		for i, name := range names {
			documented = append(documented, strings.Trim(name, " `")+" "+strings.TrimSpace(types[min(i, len(types)-1)]))
		}
	}
	for _, r := range query(t, t.TempDir(), "SELECT column_name, replace(column_type, 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ') AS type FROM (DESCRIBE numbered)") {
		present = append(present, fmt.Sprint(r["column_name"], " ", r["type"]))
	}
	slices.Sort(documented)
	slices.Sort(present)
	if diff := cmp.Diff(present, documented); diff != "" {
		t.Errorf("the columns in DATA.md differ (-view +document):\n%s", diff)
	}
}

// TestRunErrors checks the errors of run.mjs: one line, which says what to do.
func TestRunErrors(t *testing.T) {
	t.Parallel()
	runScript(t, "--help")
	dir := t.TempDir()
	loop := filepath.Join(dir, "loop") // even root cannot read it
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.sql")
	writeFile(t, bad, []byte("SELECT nothing FROM events"))
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{64, "give the archive and at least one file", nil},
		{64, "give the archive and at least one file", []string{dir}},
		{64, "Unknown option '--x' (see --help)", []string{"--x"}},
		{64, "is not a folder", []string{filepath.Join(dir, "none"), "one-day.sql"}},
		{1, "cannot read the archive: ELOOP", []string{loop, "one-day.sql"}},
		{64, "--set day has no form", []string{"--set", "day", dir, "one-day.sql"}},
		{1, "none.sql: ", []string{dir, "none.sql"}},
		{1, "bad.sql: Binder Error", []string{dir, bad}},
	} {
		run := exec.Command("node", append([]string{"run.mjs"}, c.args...)...)
		_, err := output(run)
		if code := run.ProcessState.ExitCode(); code != c.code || !strings.Contains(err.Error(), c.want) || strings.Count(strings.TrimSpace(err.Error()), "\n") > 0 {
			t.Errorf("run.mjs %q ends with %d: %v, want %d and %q", c.args, code, err, c.code, c.want)
		}
	}
}

// TestSQLite runs the command for SQLite in the README, and compares its result with the view.
func TestSQLite(t *testing.T) {
	t.Parallel()
	tooltest.Need(t, "sqlite3", "Debian package sqlite3")
	block := slices.DeleteFunc(readmeBlocks(t, "bash"), func(block string) bool { return !strings.HasPrefix(block, "sqlite3") })[0]
	parent := t.TempDir()
	dir := filepath.Join(parent, "archive")
	if err := os.Rename(synthetic(t), dir); err != nil {
		t.Fatal(err)
	}
	bash := exec.Command("bash", "-c", block)
	bash.Dir = parent
	out, err := output(bash)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(out), "\n")
	var want []string
	for _, r := range query(t, dir, "SELECT strftime(published_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S') || '|' || type AS line FROM events") {
		want = append(want, r["line"].(string))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the result differs (-view +SQLite):\n%s", diff)
	}
}

// TestJQ runs the commands for jq in the README and compares their results with the golden files.
func TestJQ(t *testing.T) {
	t.Parallel()
	tooltest.Need(t, "jq", "Debian package jq")
	keys := map[string][]string{
		"events-by-day":  {"day", "type", "events"},
		"newest-version": {"id", "type", "name", "summary"},
		"one-day":        {"id", "type", "location", "summary"},
	}
	parent := t.TempDir()
	if err := os.Rename(synthetic(t), filepath.Join(parent, "archive")); err != nil {
		t.Fatal(err)
	}
	// The order of the paths is not that of the versions.
	const version = `{"id":1,"datetime":"2026-04-06 9:00:00 +02:00","summary":"%s"}` + "\n"
	revised := t.TempDir()
	for name, summary := range map[string]string{"events/2026/04/06/events-100.jsonl": "first", "revisions/2026/04/07/revisions-200.jsonl": "second", "revisions/2026/04/06/revisions-300.jsonl": "third"} {
		writeFile(t, filepath.Join(revised, "archive", filepath.FromSlash(name)), fmt.Appendf(nil, version, summary))
	}
	heading, done := regexp.MustCompile(`^# jq, as ([a-z-]+)\.sql: `), 0
	for _, block := range readmeBlocks(t, "bash") {
		match := heading.FindStringSubmatch(block)
		if match == nil {
			continue
		}
		done++
		t.Run(match[1], func(t *testing.T) {
			bash := exec.Command("bash", "-euo", "pipefail", "-c", block)
			bash.Dir = parent
			out, err := output(bash)
			if err != nil {
				t.Fatal(err)
			}
			if keys[match[1]] == nil {
				t.Fatal("no such query in this test")
			}
			compare(t, results[row](t, out), golden(t, match[1]), keys[match[1]])
			if !slices.Contains(keys[match[1]], "summary") {
				return
			}
			bash = exec.Command("bash", "-euo", "pipefail", "-c", block)
			bash.Dir = revised
			if out, err := output(bash); err != nil || !strings.Contains(out, `"summary":"third"`) {
				t.Errorf("the newest of three versions is %q, %v", out, err)
			}
		})
	}
	if done != len(keys) {
		t.Errorf("README.md has %d commands for jq, want %d", done, len(keys))
	}
}
