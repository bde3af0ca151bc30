package cmd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/storetest"
)

func scenarios() []archivetest.Scenario { return archivetest.Scenarios(archivetest.Size(8, 110)) }

// prepare returns the archive of a scenario before its run.
func prepare(t *testing.T, sc archivetest.Scenario) store.Reader {
	t.Helper()
	w := newFolder(t, "")
	if sc.Earlier != nil {
		response := writeResponse(t, polisentest.Response(sc.Earlier...))
		args := []string{"collect", "--store", w.settings["POLISEN_STORE"], "--api-url", response}
		if exit, _, stderr := run(t, args); exit != 0 {
			t.Fatalf("exit code %d: %s", exit, stderr)
		}
	}
	s := storetest.Clone(t, w.contents())
	if sc.Change != nil {
		sc.Change(t, s)
		// A run without a usable document names its objects after the current
		// second. Whether these names are those of the earlier run must not
		// depend on the speed of the test.
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	}
	return s
}

// moment says when a request kills the program that makes it.
type moment string

const (
	beforeEffect moment = "before its effect"
	afterEffect  moment = "after its effect"
	// lateEffect lets the request have its effect after the next run.
	lateEffect moment = "late effect"
)

// counts reports whether r can kill at this moment. A request that only reads has
// no effect, so it kills at the first moment only.
func (m moment) counts(r *http.Request) bool { return m == beforeEffect || r.Method == http.MethodPut }

// TestKilledAtEveryRequest kills the program with SIGKILL at each of its requests
// to the API and to the bucket, lets another run follow, and checks that no item
// is lost or stored twice.
func TestKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	for _, sc := range scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			prepared := prepare(t, sc)
			for _, m := range []moment{beforeEffect, afterEffect, lateEffect} {
				t.Run(string(m), func(t *testing.T) {
					t.Parallel()
					killAtEveryRequest(t, sc, prepared, m)
				})
			}
		})
	}
}

// killAtEveryRequest kills the program at each request that counts at moment m.
// The program starts with a copy of the prepared archive each time.
func killAtEveryRequest(t *testing.T, sc archivetest.Scenario, prepared store.Reader, m moment) {
	model, response := sc.Model(), polisentest.Response(sc.Items...)
	program := buildProgram(t)
	begin := func() (*world, *cloudtest.Cloud) {
		w, cloud := newBucket(t, program)
		w.fill(t, prepared)
		cloud.API.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: response} })
		return w, cloud
	}
	w, cloud := begin()
	requests, _ := killAt(t, w, cloud, 0, m)
	model.Check(t, w.contents())
	if requests < 3 {
		t.Fatalf("a run makes only %d requests", requests)
	}
	step := 1
	if requests > 40 { // a sample of the wide window in its long form, whose many requests are alike
		step = requests / 4
	}
	for k := 1; k <= requests; k += step {
		w, cloud := begin()
		n, late := killAt(t, w, cloud, k, m)
		if n < k {
			t.Fatalf("at request %d there was nothing to kill", k)
		}
		w.collect(t)
		if late != nil {
			late()
			w.collect(t)
		}
		model.Check(t, w.contents())
		if t.Failed() {
			t.Fatalf("killed at request %d of %d", k, requests)
		}
	}
	t.Logf("killed at %d of %d requests", (requests+step-1)/step, requests)
}

// killAt runs the program, kills it at the k-th request that counts, and returns
// the number of such requests. At the moment lateEffect it also returns a function
// that gives the k-th request its effect.
func killAt(t *testing.T, w *world, cloud *cloudtest.Cloud, k int, m moment) (requests int, late func()) {
	t.Helper()
	p := w.process()
	var n atomic.Int64
	started, dead := make(chan *os.Process, 1), make(chan struct{})
	effect := make(chan func(), 1)
	cloud.SetIntercept(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if !m.counts(r) || n.Add(1) != int64(k) {
			serve(rw, r) // even after the kill: a request on its way may still be served
			return
		}
		if m == afterEffect {
			serve(httptest.NewRecorder(), r)
		}
		_ = (<-started).Kill()
		<-dead
		effect <- func() { serve(httptest.NewRecorder(), r) }
		panic(http.ErrAbortHandler)
	})
	defer cloud.SetIntercept(nil)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	started <- p.Process
	err := p.Wait()
	close(dead)
	requests = int(n.Load())
	killed := k > 0 && requests >= k
	if (err != nil) != killed || p.unexpected() != "" {
		t.Fatalf("the program, to be killed at request %d of %d, ended with %v: %s", k, requests, p.ProcessState, &p.stderr)
	}
	if killed {
		late = <-effect
	}
	if m != lateEffect {
		late = nil
	}
	return requests, late
}

// TestKilledAtAnyTime is the same for an archive in a folder. It kills the program
// at times that spread over the duration of a run.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	moments := archivetest.Size(8, 20)
	for _, sc := range scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			prepared, model := prepare(t, sc), sc.Model()
			response := writeResponse(t, polisentest.Response(sc.Items...))
			begin := func() *world {
				w := newFolder(t, program)
				w.fill(t, prepared)
				return w
			}
			var took time.Duration
			for range 3 {
				w := begin()
				start := time.Now()
				w.collect(t, "--api-url", response)
				took = max(took, time.Since(start))
				model.Check(t, w.contents())
			}
			killed, states := 0, map[string]bool{}
			for i := range moments {
				w := begin()
				p := w.process("--api-url", response)
				if err := p.Start(); err != nil {
					t.Fatal(err)
				}
				delay := took * time.Duration(i) / time.Duration(moments)
				time.Sleep(delay)
				_ = p.Process.Kill()
				if p.Wait() != nil {
					killed++
				}
				if p.unexpected() != "" {
					t.Fatalf("killed after %v: %s", delay, &p.stderr)
				}
				states[fmt.Sprint(names(t, w))] = true
				w.collect(t, "--api-url", response)
				model.Check(t, w.contents())
			}
			t.Logf("a run takes %v; killed %d, which left %d different archives", took, killed, len(states))
			if killed == 0 {
				t.Error("no run was killed before its end")
			}
		})
	}
}

// names returns the names of the objects of an archive.
func names(t *testing.T, w *world) (all []string) {
	t.Helper()
	for attrs, err := range w.contents().List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, attrs.Name)
	}
	return all
}
