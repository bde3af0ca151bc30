package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

// knownFields has the fields of an event, with values of their kinds.
const knownFields = `{"id":0,"datetime":"","name":"","summary":"","url":"","type":"","location":{"name":"","gps":""}}`

// fieldChanges are the names of fields in which an item differs from another one.
type fieldChanges struct {
	added, missing, different []string
}

// compareFields returns the changes from one item to another. With kinds it compares
// the kinds of the values only, such as string, and otherwise the values. It returns
// no changes if one of the items is not an object.
func compareFields(from, to []byte, kinds bool) (c fieldChanges) {
	before, after := fields(from), fields(to)
	if before == nil || after == nil {
		return c
	}
	for name, value := range after {
		former, ok := before[name]
		switch {
		case !ok:
			c.added = append(c.added, name)
		case kinds && kind(former) != kind(value), !kinds && !bytes.Equal(former, value):
			c.different = append(c.different, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			c.missing = append(c.missing, name)
		}
	}
	return c
}

// fields returns the fields of an object with their compact values. A field of an
// object in it has a name such as "location.gps". It returns nil for other JSON.
func fields(item []byte) map[string]json.RawMessage {
	object := parseObject(item)
	if object == nil {
		return nil
	}
	all := make(map[string]json.RawMessage, len(object))
	for name, value := range object {
		if kind(value) == '{' {
			for inner, value := range parseObject(value) {
				all[name+"."+inner] = compact(value)
			}
			value = json.RawMessage("{}") // its fields are compared one by one
		}
		all[name] = compact(value)
	}
	return all
}

// parseObject returns the fields of a JSON object; nil for other JSON.
func parseObject(value []byte) (object map[string]json.RawMessage) {
	if json.Unmarshal(value, &object) != nil {
		return nil
	}
	return object
}

// kind returns a character for the kind of a JSON value: one of { [ " 0 t n, where t
// stands for both booleans.
func kind(value json.RawMessage) byte {
	switch c := bytes.TrimSpace(value)[0]; c {
	case '{', '[', '"', 'n':
		return c
	case 't', 'f':
		return 't'
	default:
		return '0'
	}
}

// compact returns a JSON value without white space between tokens.
func compact(value json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	_ = json.Compact(&b, value) // it is valid
	return b.Bytes()
}

// String lists the changes, such as "fields added: place; missing: location"; it is
// empty without changes.
func (c fieldChanges) String() string {
	var parts []string
	for _, group := range []struct {
		title string
		names []string
	}{{"added", c.added}, {"missing", c.missing}, {"different", c.different}} {
		if len(group.names) > 0 {
			parts = append(parts, group.title+": "+listNames(group.names))
		}
	}
	if parts == nil {
		return ""
	}
	return "fields " + strings.Join(parts, "; ")
}

// listNames returns the first names in alphabetical order, and the number of the
// others. The names are those of somebody else.
func listNames(names []string) string {
	const most, longest = 6, 40
	names = slices.Sorted(slices.Values(names))
	more := len(names) - most
	shown := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, text.Short(name, longest))
	}
	if more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, ", ")
}

// rejectedExample describes how rejected items differ from events: the reason of an
// item and the names of its fields that differ. It chooses the most frequent
// difference, which is also returned.
func rejectedExample(items []polisen.Rejected) (example, changes string) {
	counts, reasons := make(map[string]int), make(map[string]string)
	for _, item := range items {
		changes := compareFields([]byte(knownFields), item.Raw, true).String()
		if counts[changes]++; counts[changes] == 1 {
			reasons[changes] = item.Reason
		}
	}
	best, most := "", 0
	for changes, n := range counts {
		if n > most || n == most && changes < best {
			best, most = changes, n
		}
	}
	return joinNonEmpty("; ", text.Short(reasons[best], 100), best), best
}

// joinNonEmpty joins the texts that are not empty.
func joinNonEmpty(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), separator)
}

// revisedExample describes how the first revised event of a batch differs from its
// first version in the archive, with the names of the fields. It reads the archive.
func revisedExample(ctx context.Context, s store.Reader, events []polisen.Event, classes []archive.Class) string {
	i := slices.Index(classes, archive.Revised)
	if i < 0 {
		return "" // another commit of this run stored them
	}
	example := fmt.Sprintf("event %d", events[i].ID)
	first, err := firstVersion(ctx, s, events[i])
	if err != nil || first == nil {
		return example
	}
	return joinNonEmpty("; ", example, compareFields(first, events[i].Raw, false).String())
}

// firstVersion returns the first version of an event, which is stored under the date of
// the event or of a day beside it; nil if it is not there. The error is the store's.
func firstVersion(ctx context.Context, s store.Reader, e polisen.Event) ([]byte, error) {
	date := archive.DateOf(e.Time)
	for _, day := range []archive.Date{date, date.Previous(), date.Next()} {
		var objects []store.Attrs
		for attrs, err := range s.List(ctx, archive.Partition{Kind: archive.Events, Date: day}.Prefix()) {
			if err != nil {
				return nil, err
			}
			if _, ok := archive.ParseName(attrs.Name); ok {
				objects = append(objects, attrs)
			}
		}
		contents, err := archive.ReadAll(ctx, s, objects)
		if err != nil {
			return nil, err
		}
		for _, content := range contents {
			for _, line := range archive.Lines(content) {
				if l, reason := archive.ParseLine(archive.Events, line); reason == "" && l.ID == e.ID {
					return line, nil
				}
			}
		}
	}
	return nil, nil
}
