package page_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"polisen-events-collector/pkg/goldentest"
	"polisen-events-collector/pkg/verify/page"
)

var write = flag.String("write", "", "write the pages of the tests to this `folder`, to look at them")

func render(t *testing.T, c page.Content) string {
	t.Helper()
	body, err := page.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestWrite writes all pages to a folder: go test ./pkg/verify/page -run TestWrite -write FOLDER
func TestWrite(t *testing.T) {
	if *write == "" {
		t.Skip("no flag -write")
	}
	for name, c := range contents(t) {
		if err := os.WriteFile(filepath.Join(*write, name+".html"), []byte(render(t, c)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGolden compares the page of a small archive with a golden file. To rewrite it:
// go test ./pkg/verify/page -run TestGolden -update
func TestGolden(t *testing.T) {
	goldentest.Compare(t, "testdata/small.html", render(t, small(t)))
}

// TestSize checks that the page of four years stays small.
func TestSize(t *testing.T) {
	const most = 300_000
	if n := len(render(t, fourYears())); n > most {
		t.Errorf("the page of four years has %d bytes, more than %d", n, most)
	}
	if n := len(render(t, hostile())); n > most {
		t.Errorf("the page of long texts has %d bytes, more than %d", n, most)
	}
}

var (
	tag       = regexp.MustCompile(`<(/?)([^\s>/]*)([^>]*)>`)
	attribute = regexp.MustCompile(`([^\s=]+)="([^"]*)"`)
)

// elements are the elements of a page, and attributes those that they may have.
var (
	elements = strings.Fields(`!DOCTYPE html head meta link title style body header main footer nav section figure figcaption
		h1 h2 h3 p ul li dl dt dd div span small b bdi code a svg g path text details summary
		table caption thead tbody tr th td`)
	attributes = strings.Fields(`lang charset name content http-equiv rel href class id role scope tabindex aria-label aria-labelledby aria-hidden
		viewBox d x y dy transform data-label`)
)

// TestOnlyOwnTags checks that a page has no tags but its own, whatever the texts are, that it
// refers to nothing outside itself, and that all it shows of the texts is printable.
func TestOnlyOwnTags(t *testing.T) {
	for name, c := range contents(t) {
		t.Run(name, func(t *testing.T) {
			body := render(t, c)
			if !strings.HasPrefix(body, "<!DOCTYPE html>") || !utf8.ValidString(body) {
				t.Errorf("the page begins with %.40q", body)
			}
			for _, r := range body {
				if !unicode.IsPrint(r) && !strings.ContainsRune("\n\t", r) {
					t.Errorf("%U is in the page", r)
				}
			}
			var open []string
			for _, m := range tag.FindAllStringSubmatch(body, -1) {
				closes, element, rest := m[1] != "", m[2], m[3]
				if !slices.Contains(elements, element) {
					t.Errorf("the page has the tag %.80q", m[0])
				}
				for _, a := range attribute.FindAllStringSubmatch(rest, -1) {
					if !slices.Contains(attributes, a[1]) || a[1] == "href" && !strings.HasPrefix(a[2], "#") && a[2] != "data:," {
						t.Errorf("the page has the attribute %q", a[0])
					}
				}
				switch {
				case closes:
					if len(open) == 0 || open[len(open)-1] != element {
						t.Fatalf("</%s> closes %v", element, open)
					}
					open = open[:len(open)-1]
				case element != "!DOCTYPE" && element != "meta" && element != "link" && !strings.HasSuffix(rest, "/"):
					open = append(open, element)
				}
			}
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			for _, loads := range []string{"url(", "@import", "://example.org/x\""} {
				if strings.Contains(body, loads) {
					t.Errorf("the page has %s", loads)
				}
			}
			if name == "hostile" && strings.Count(body, "Räksmörgås på Åland") < 20 {
				t.Error("the Swedish text is not intact")
			}
		})
	}
}

// TestTables checks that the tables of a page have all that its pictures show.
func TestTables(t *testing.T) {
	c := fourYears()
	body := render(t, c)
	for _, d := range c.Result.Timeline.Days {
		if cell := fmt.Sprintf("<td>%d<", d.Events); !strings.Contains(body, cell) {
			t.Errorf("no table has the %d events of %s", d.Events, d.Date)
		}
	}
	for _, w := range c.Result.Timeline.Weeks {
		if row := fmt.Sprintf(`<tr><th scope="row">%s</th><td>%d</td><td>%d</td>`, w.Monday, w.Events, w.Late); !strings.Contains(body, row) {
			t.Errorf("no table has the row %s", row)
		}
	}
	for word, n := range map[string]int{"> missing<": 14, "> gap<": 2, "> unserved gap<": 3, "> accepted gap<": 1, "302 findings<": 1} {
		if got := strings.Count(body, word); got != n {
			t.Errorf("%q is %d times in the tables, want %d", word, got, n)
		}
	}
	if pictures, tables := strings.Count(body, `role="img"`), strings.Count(body, `<div class="scroll"`); pictures != 4*4+2 || tables != 4*2+3 {
		t.Errorf("%d pictures and %d tables", pictures, tables)
	}
}

// TestQuietRuns checks the summary of runs that have stored nothing.
func TestQuietRuns(t *testing.T) {
	c := small(t)
	for i := range c.Runs {
		c.Runs[i].New = 0
	}
	if want := "3 runs, 0 new events, 1 failed; at most 0 new events in a run"; !strings.Contains(render(t, c), want) {
		t.Errorf("the page does not have: %s", want)
	}
}

// TestWrongDates checks that events with wrong dates add no years to the pictures.
func TestWrongDates(t *testing.T) {
	body := render(t, hostile())
	if years := strings.Count(body, "<figcaption><b>"); years != 2 || strings.Count(body, "<figcaption><b>2026</b>") != 2 {
		t.Errorf("%d years are drawn, want only 2026 in the calendar and in the weeks", years)
	}
	if note := "2 events on 2 days of other years are not drawn. The first day with events is 0001-01-01, the last is 9999-12-31."; !strings.Contains(body, note) {
		t.Errorf("the page has no note: %s", note)
	}
}
