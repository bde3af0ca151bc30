package cloudtest

import (
	"net/http/httptest"
	"testing"
	"time"
)

func TestDelaysByKind(t *testing.T) {
	d := Delays{API: 1, Read: 2, PutDocument: 3, Put: 4, PutReport: 5}
	const o = "/n/x/b/y/o"
	for request, want := range map[[2]string]time.Duration{
		{"GET", apiPath}:                                     d.API,
		{"GET", o + "/metadata/last_seen.json"}:              d.Read,
		{"HEAD", o + "/events/2026/01/02/events-1.jsonl"}:    d.Read,
		{"GET", o + "?prefix=events%2F"}:                     d.Read,
		{"PUT", o + "/metadata/last_seen.json"}:              d.PutDocument,
		{"PUT", o + "/metadata/last_seen.corrupt-1.json"}:    d.Put,
		{"PUT", o + "/metadata/last_run.json"}:               d.PutReport,
		{"PUT", o + "/events/2026/01/02/events-1.jsonl"}:     d.Put,
		{"PUT", o + "/rejected/2026/01/02/rejected-1.jsonl"}: d.Put,
	} {
		if got := d.of(httptest.NewRequest(request[0], request[1], nil)); got != want {
			t.Errorf("%s: %d, want %d", request, got, want)
		}
	}
}
