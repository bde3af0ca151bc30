package ocistore_test

import (
	"testing"
	"time"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

func credentials(t testing.TB, configFile string) *ociauth.Credentials {
	t.Helper()
	c, err := ociauth.Resolve(t.Context(), ociauth.Options{ConfigFile: configFile})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open returns a store of the server's bucket that does not sleep before retries.
func open(t testing.TB, server *ocitest.Server, change ...func(*ocistore.Options)) *ocistore.Store {
	t.Helper()
	o := ocistore.Options{
		Namespace: server.Namespace,
		Bucket:    server.Bucket,
		Endpoint:  server.URL,
		Retry:     retry.Policy{Attempts: 5, Base: time.Second, Clock: retrytest.NewClock(time.Now())},
	}
	for _, f := range change {
		f(&o)
	}
	s, err := ocistore.Open(credentials(t, server.ConfigFile), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent returns the method and status of each request since the last ResetLog.
func sent(server *ocitest.Server) []string {
	var lines []string
	for _, r := range server.Requests() {
		lines = append(lines, r.String())
	}
	return lines
}
