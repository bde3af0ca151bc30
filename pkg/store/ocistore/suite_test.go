package ocistore_test

import (
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
	"polisen-events-collector/pkg/store/storetest"
)

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, ocitest.NewServer(t)) })
}
