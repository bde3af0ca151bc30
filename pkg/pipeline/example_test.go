package pipeline_test

import (
	"context"
	"fmt"
	"time"

	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// Two runs collect the same response. The second run finds nothing new.
func ExampleCollect() {
	clock := retrytest.NewClock(polisentest.Newest.Add(time.Hour))
	archive := memstore.New()
	for run := range 2 {
		r, err := pipeline.Collect(context.Background(), pipeline.Options{
			Report:    report.Report{RunID: fmt.Sprint("run-", run), Command: "collect", Store: "memory"},
			Recorder:  report.NewRecorder(clock.Now),
			Clock:     clock,
			OpenStore: func(context.Context) (store.Store, error) { return archive, nil },
			Revisions: true,
			Command:   func(args string) string { return "polisen-events-collector " + args },
			ExitCode:  func(error) int { return 0 },
		}, respondWith(clock, polisentest.Body(3)))
		fmt.Println(r.Summary(), err)
	}
	// Output:
	// 3 events: 3 new, 0 revised, 0 rejected, 0 already seen; 1 object; 0.00s; memory <nil>
	// 3 events: 0 new, 0 revised, 0 rejected, 3 already seen; 0.00s; memory <nil>
}
