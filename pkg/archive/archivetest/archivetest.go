// Package archivetest reads an archive by its published layout and reports what
// is wrong with it. It also makes events for tests, computes the content that an
// archive of them must have, and lists scenarios that every part of the program
// must pass. It shares no code with package archive, so that a mistake there does
// not hide itself.
package archivetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/storetest"
)

// Contents holds the content of an archive.
type Contents struct {
	// Events and Revisions are the lines in events/ and revisions/ by event id.
	Events, Revisions map[int64][]string
	// Rejected counts the lines in rejected/ by their raw value.
	Rejected map[string]int
	// Seen are the ids that the document lists; nil if there is no document.
	Seen []int64
	// Counted are the numbers of stored items that the document has, by month, and
	// Found those of the items that are stored. Counted is nil if the document does
	// not have them.
	Counted, Found map[string]Counts
	// Problems are violations of the layout, and items that are stored twice.
	Problems []string
}

// Counts are numbers of stored items that belong to one month.
type Counts struct{ Events, Revisions, Rejected int }

// documentName is the name of the metadata document.
const documentName = "metadata/last_seen.json"

var (
	dataName     = regexp.MustCompile(`^(events|revisions|rejected)/(\d{4})/(\d\d)/(\d\d)/(events|revisions|rejected)-\d+\.jsonl$`)
	metadataName = regexp.MustCompile(`^metadata/(last_seen|last_run|last_seen\.corrupt-\d+)\.json$`)
)

// Read reads the whole archive and checks it.
func Read(t testing.TB, s store.Reader) Contents {
	t.Helper()
	c := Contents{Events: map[int64][]string{}, Revisions: map[int64][]string{}, Rejected: map[string]int{}, Found: map[string]Counts{}}
	objects := storetest.Objects(t, s)
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		c.object(name, objects[name])
	}
	for id, lines := range c.Events {
		if len(lines) > 1 {
			c.problem("event %d is stored %d times", id, len(lines))
		}
	}
	for id, lines := range c.Revisions {
		if len(c.Events[id]) == 0 {
			c.problem("revision of event %d, which is not stored", id)
		}
		all := append(slices.Clone(c.Events[id]), lines...)
		slices.Sort(all)
		if len(slices.Compact(all)) != len(c.Events[id])+len(lines) {
			c.problem("event %d has the same version twice", id)
		}
	}
	for raw, n := range c.Rejected {
		if n > 1 {
			c.problem("rejected item is stored %d times: %s", n, raw)
		}
	}
	for _, id := range c.Seen {
		if len(c.Events[id]) == 0 {
			c.problem("the document lists %d, which is not stored", id)
		}
	}
	for month, n := range c.Counted {
		if found := c.Found[month]; n.Events > found.Events || n.Revisions > found.Revisions || n.Rejected > found.Rejected {
			c.problem("counts of %s: the document has %+v, but the archive only %+v", month, n, found)
		}
	}
	slices.Sort(c.Problems)
	return c
}

func (c *Contents) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

// object checks an object and adds its content.
func (c *Contents) object(name string, body []byte) {
	if name == documentName {
		c.document(body)
	}
	if metadataName.MatchString(name) {
		return
	}
	m := dataName.FindStringSubmatch(name)
	if m == nil || m[1] != m[5] {
		c.problem("object %s has a name that no archive uses", name)
		return
	}
	if len(body) == 0 {
		return // a repair may have removed all lines
	}
	if body[len(body)-1] != '\n' {
		c.problem("%s does not end with a newline", name)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n"), "\n") {
		var item struct {
			ID         int64           `json:"id"`
			Datetime   string          `json:"datetime"`
			ObservedAt string          `json:"observed_at"`
			Raw        json.RawMessage `json:"raw"`
		}
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			c.problem("%s: %v: %s", name, err, line)
			continue
		}
		date := item.Datetime
		month := m[2] + "-" + m[3]
		found := c.Found[month]
		switch m[1] {
		case "events":
			if c.Events[item.ID] == nil {
				found.Events++
			}
			c.Events[item.ID] = append(c.Events[item.ID], line)
		case "revisions":
			if !slices.Contains(c.Revisions[item.ID], line) {
				found.Revisions++
			}
			c.Revisions[item.ID] = append(c.Revisions[item.ID], line)
		case "rejected":
			if c.Rejected[string(item.Raw)] == 0 {
				found.Rejected++
			}
			c.Rejected[string(item.Raw)]++
			date = item.ObservedAt
		}
		c.Found[month] = found
		if !strings.HasPrefix(date, m[2]+"-"+m[3]+"-"+m[4]) {
			c.problem("%s contains a line of %s", name, date)
		}
	}
}

// CheckDocument returns the problems of a document.
func CheckDocument(body []byte) []string {
	var c Contents
	c.document(body)
	return c.Problems
}

// document checks a document and sets Seen.
func (c *Contents) document(body []byte) {
	var d struct {
		SeenIDs      []int64           `json:"seen_ids"`
		LastUpdated  string            `json:"last_updated"`
		TotalTracked int               `json:"total_tracked"`
		Fingerprints map[string]string `json:"fingerprints"`
		Stored       map[string]Counts `json:"stored"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		c.problem("document: %v", err)
		return
	}
	c.Seen, c.Counted = append([]int64{}, d.SeenIDs...), d.Stored
	if len(d.SeenIDs) > 1000 || d.TotalTracked != len(d.SeenIDs) {
		c.problem("document: %d ids, total_tracked %d", len(d.SeenIDs), d.TotalTracked)
	}
	for i := 1; i < len(d.SeenIDs); i++ {
		if d.SeenIDs[i] >= d.SeenIDs[i-1] {
			c.problem("document: seen_ids is not descending at %d", d.SeenIDs[i])
		}
	}
	if !strings.HasSuffix(d.LastUpdated, "Z") {
		c.problem("document: last_updated %q is not in UTC", d.LastUpdated)
	}
	listed := map[string]bool{}
	for _, id := range d.SeenIDs {
		listed[strconv.FormatInt(id, 10)] = true
	}
	for text := range d.Fingerprints {
		if !listed[text] {
			c.problem("document: fingerprint of unlisted id %s", text)
		}
	}
}

// Size returns the size of a test that takes many seconds in its long form: short,
// or long if the environment variable POLISEN_TEST_LONG is set.
func Size(short, long int) int {
	if os.Getenv("POLISEN_TEST_LONG") != "" {
		return long
	}
	return short
}
