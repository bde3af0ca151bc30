package ocistore_test

import (
	"strings"
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
	"polisen-events-collector/pkg/store/storetest"
)

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, ocitest.NewServer(t)) })
}

// TestSuiteWithPrefix has other archives in the bucket, at its root and below prefixes that
// resemble the store's.
func TestSuiteWithPrefix(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		server := ocitest.NewServer(t)
		for _, name := range []string{"a", "events/1", "my", "my/archive", "my/archive/", "my/archive.old/a", "my/archive2/events/1", "my/archivf/a", "other/my/archive/a"} {
			server.Put(server.Bucket, name, []byte("of another program"))
		}
		return open(t, server, func(o *ocistore.Options) { o.Prefix = "my/archive" })
	})
}

// TestPrefix checks the names in the bucket of a store with a prefix.
func TestPrefix(t *testing.T) {
	server := ocitest.NewServer(t)
	stores := map[string]*ocistore.Store{}
	for _, prefix := range []string{"", "a", "a/b"} {
		s := open(t, server, func(o *ocistore.Options) { o.Prefix = prefix })
		if _, err := s.Put(t.Context(), "metadata/x", []byte(prefix), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		stores[prefix] = s
	}
	for prefix, want := range map[string]string{"": "metadata/x", "a": "a/metadata/x", "a/b": "a/b/metadata/x"} {
		s := stores[prefix]
		if body, found := server.Objects(server.Bucket)[want]; !found || string(body) != prefix {
			t.Errorf("prefix %q: %s holds %q", prefix, want, body)
		}
		if o, err := s.Get(t.Context(), "metadata/x"); err != nil || o.Name != "metadata/x" || string(o.Body) != prefix {
			t.Errorf("prefix %q: %+v, %v", prefix, o, err)
		}
		address := "oci://" + server.Namespace + "/" + server.Bucket
		if prefix != "" {
			address += "/" + prefix
		}
		if got := s.String(); got != address {
			t.Errorf("String() = %s, want %s", got, address)
		}
		if got, err := s.Location(t.Context()); err != nil || !strings.HasPrefix(got, address+" at ") {
			t.Errorf("Location() = %s, %v", got, err)
		}
	}
}
