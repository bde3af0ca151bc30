package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/tooltest"
)

// widths are the widths of a phone, a tablet and a desktop, in pixels.
var widths = []int{360, 800, 1400}

// measured is a page in a frame, as the browser shows it.
type measured struct {
	Name        string // of the content
	Width       int    // of the frame
	ScrollWidth int    // of the document: more if something overflows
	Scripts     int
	Loaded      []string // addresses that the page asked for
	Contrast    float64  // the lowest of all texts
	Faint       string   // a text with that contrast
	Texts       int      // number of elements with text
}

// measure is a script that measures all frames of its page.
const measure = `
const channel = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
function luminance(color) { // https://www.w3.org/TR/WCAG21/#dfn-relative-luminance
	const [r, g, b] = color.match(/[\d.]+/g).map(v => channel(v / 255))
	return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function contrast(a, b) {
	const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
	return (high + 0.05) / (low + 0.05)
}
function background(win, e) {
	for (; e; e = e.parentElement) {
		const color = win.getComputedStyle(e).backgroundColor
		if (!/, 0\)$/.test(color)) return color
	}
	return 'rgb(255, 255, 255)'
}
function look(frame) {
	const win = frame.contentWindow, doc = win.document
	doc.querySelectorAll('details').forEach(d => d.open = true)
	const result = {
		Name: frame.dataset.name, Width: win.innerWidth, ScrollWidth: doc.documentElement.scrollWidth, Scripts: doc.scripts.length,
		Loaded: win.performance.getEntriesByType('resource').map(e => e.name), Contrast: 100, Faint: '', Texts: 0,
	}
	for (const e of doc.body.querySelectorAll('*')) {
		if (e.localName === 'title' || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue
		const style = win.getComputedStyle(e), ratio = contrast(e.localName === 'text' ? style.fill : style.color, background(win, e))
		result.Texts++
		if (ratio < result.Contrast) { result.Contrast = ratio; result.Faint = e.textContent.slice(0, 80) }
	}
	return result
}
addEventListener('load', () => {
	const results = [...document.querySelectorAll('iframe')].map(look)
	document.body.replaceChildren(Object.assign(document.createElement('pre'), { textContent: JSON.stringify(results) }))
})`

// TestChromium shows all pages in Chromium, in frames of three widths, in light and in dark
// colours. Nothing may overflow, no page may load anything, and all texts need the contrast
// that WCAG 2.1 asks for (https://www.w3.org/TR/WCAG21/#contrast-minimum).
func TestChromium(t *testing.T) {
	chromium := tooltest.Need(t, "chromium", "Debian package chromium")
	pages := map[string]string{}
	var frames strings.Builder
	for name, c := range contents(t) {
		pages["/"+name] = render(t, c)
		for _, width := range widths {
			fmt.Fprintf(&frames, "<iframe src=/%s data-name=%s style='width:%dpx;height:600px;border:0'></iframe>\n", name, name, width)
		}
	}
	pages["/"] = "<!DOCTYPE html><meta charset=utf-8><link rel=icon href=data:,><body>" + frames.String() + "<script>" + measure + "</script>"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.Path]
		if !ok {
			t.Errorf("a page asks for %s", r.URL)
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	faint := map[string]string{}
	for scheme, setting := range map[string]string{"dark": "0", "light": "1"} {
		all := show(t, chromium, server.URL, "--blink-settings=preferredColorScheme="+setting)
		if len(all) != (len(pages)-1)*len(widths) {
			t.Fatalf("%s: %d frames", scheme, len(all))
		}
		for _, m := range all {
			switch {
			case !slices.Contains(widths, m.Width) || m.Texts < 20:
				t.Errorf("%s, %s: the frame has a width of %d px and %d texts", m.Name, scheme, m.Width, m.Texts)
			case m.ScrollWidth > m.Width:
				t.Errorf("%s, %s: at %d px the page is %d px wide", m.Name, scheme, m.Width, m.ScrollWidth)
			case m.Scripts > 0 || len(m.Loaded) > 0:
				t.Errorf("%s, %s: the page has %d scripts and loads %v", m.Name, scheme, m.Scripts, m.Loaded)
			case m.Contrast < 4.5:
				t.Errorf("%s, %s: the text %q has a contrast of %.2f", m.Name, scheme, m.Faint, m.Contrast)
			}
		}
		faint[scheme] = fmt.Sprint(all[0].Contrast)
	}
	if faint["dark"] == faint["light"] {
		t.Errorf("dark and light colours have the same contrast: %v", faint)
	}
}

// show returns the measures of all frames of the page at url.
func show(t *testing.T, chromium, url, setting string) (all []measured) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=60000", setting, "--dump-dom", url)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	_, text, ok := strings.Cut(string(out), "<pre>")
	text, _, _ = strings.Cut(text, "</pre>")
	if err != nil || !ok {
		t.Fatalf("chromium: %v; the page has no results: %.500s\n%s", err, out, stderr.String())
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(text)), &all); err != nil {
		t.Fatal(err)
	}
	return all
}
