package verify_test

import (
	"slices"
	"testing"

	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// TestMidnight checks that an audit names an event that is under events/ on both
// sides of midnight.
func TestMidnight(t *testing.T) {
	s := memstore.New()
	storetest.MustPut(t, s, "events/2026/01/26/events-1769450000.jsonl", line(700030, 26, "first"))
	storetest.MustPut(t, s, "events/2026/01/27/events-1769500000.jsonl", line(700030, 27, "first"))
	r, err := verify.Audit(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool {
		return f.Check == verify.RevisionInEvents && f.ID == 700030 && f.Severity == verify.Problem
	}) {
		t.Errorf("findings %v", r.Findings)
	}
}
