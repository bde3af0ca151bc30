package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/report"
)

// TestOverlap runs eight processes at once on each kind of store. Their responses
// overlap, and hold different versions of some events. Each version must be
// stored once.
func TestOverlap(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	const runs = 8
	rounds := [3][runs][][]byte{}
	for round := range rounds {
		for i := range runs {
			items := archivetest.Items(int64(1000+100*round+15*i), 40, i%4)
			for shared := range int64(3) {
				items = append(items, archivetest.Item(shared, 0, fmt.Sprintf("version %d of round %d", (i+int(shared))%runs, round)))
			}
			rounds[round][i] = items
		}
	}
	for name, open := range map[string]func(*testing.T, string) *world{
		"folder": newFolder,
		"bucket": func(t *testing.T, program string) *world { w, _ := newBucket(t, program); return w },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, program)
			model := archivetest.NewModel()
			for _, responses := range rounds {
				var wg sync.WaitGroup
				var mu sync.Mutex
				conflicts := 0
				for _, items := range responses {
					model.Add(items...)
					file := writeResponse(t, polisentest.Response(items...))
					wg.Go(func() {
						r, err := overlapping(w, file)
						if err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						conflicts += r.Counts.CommitConflicts
					})
				}
				wg.Wait()
				model.CheckAnyOrder(t, w.contents())
				t.Logf("%d runs, %d commit conflicts", runs, conflicts)
			}
		})
	}
}

// overlapping runs one collect, which must succeed without output on stderr, and
// returns its report.
func overlapping(w *world, response string) (r report.Report, err error) {
	p := w.process("--api-url", response, "--output", "json")
	var stdout bytes.Buffer
	p.Stdout = &stdout
	if err := p.Run(); err != nil || p.stderr.Len() > 0 {
		return r, fmt.Errorf("collect: %v: %s", p.ProcessState, strings.TrimSpace(p.stderr.String()))
	}
	return r, json.Unmarshal(stdout.Bytes(), &r)
}
