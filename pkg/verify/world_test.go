package verify_test

import (
	"crypto/rand"
	"time"

	"polisen-events-collector/pkg/verify"
)

var now = time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC)

func runID() string { return rand.Text() }

func options() verify.Options {
	return verify.Options{Concurrency: 4, Now: func() time.Time { return now }}
}
