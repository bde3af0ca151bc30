package polisen_test

import (
	"testing"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

func BenchmarkParse(b *testing.B) {
	body := polisentest.Body(polisen.FullResponse)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		events, rejected, err := polisen.Parse(body)
		if err != nil || len(events) != polisen.FullResponse || len(rejected) > 0 {
			b.Fatal(len(events), rejected, err)
		}
	}
}

func BenchmarkParseItem(b *testing.B) {
	item := polisentest.Event(polisentest.FirstID, polisentest.Newest)
	b.SetBytes(int64(len(item)))
	b.ReportAllocs()
	for b.Loop() {
		if _, rejected := polisen.ParseItem(item); rejected != nil {
			b.Fatal(rejected.Reason)
		}
	}
}

func BenchmarkParser(b *testing.B) {
	item := polisentest.Event(polisentest.FirstID, polisentest.Newest)
	b.SetBytes(int64(len(item)))
	b.ReportAllocs()
	var p polisen.Parser
	for b.Loop() {
		if _, rejected := p.Item(item); rejected != nil {
			b.Fatal(rejected.Reason)
		}
	}
}
