package verify_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/verify"
)

// An audit of an archive with a duplicate.
func ExampleAudit() {
	ctx := context.Background()
	archive := memstore.New()
	event := `{"id":1,"datetime":"2026-01-31 9:08:07 +01:00"}` + "\n"
	for name, body := range map[string]string{
		"events/2026/01/31/events-1769850000.jsonl": event + event,
		"metadata/last_seen.json":                   `{"seen_ids":[1],"last_updated":"2026-01-31T09:00:00Z","total_tracked":1,"complete_above":0}`,
	} {
		if _, err := archive.Put(ctx, name, []byte(body), store.IfAbsent()); err != nil {
			log.Fatal(err)
		}
	}

	result, err := verify.Audit(ctx, archive, verify.Options{
		Concurrency: 4,
		Now:         time.Now,
		Command:     func(args string) string { return "polisen-events-collector " + args + " --store ./archive" },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok:", result.OK)
	for _, f := range result.Findings {
		fmt.Println(f.Check, "in", f.Object, "line", f.Line)
		fmt.Println("  expected", f.Expected)
		fmt.Println("  found   ", f.Actual)
		fmt.Println("  fix     ", f.Fix.Command)
	}
	// Output:
	// ok: false
	// duplicate-event in events/2026/01/31/events-1769850000.jsonl line 2
	//   expected each event once
	//   found    the same version as events/2026/01/31/events-1769850000.jsonl line 1
	//   fix      polisen-events-collector verify --repair=duplicates --store ./archive
}
