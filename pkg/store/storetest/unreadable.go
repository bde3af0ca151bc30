package storetest

import (
	"context"
	"fmt"

	"polisen-events-collector/pkg/store"
)

// Unreadable is a store in which some objects cannot be read.
type Unreadable struct {
	store.Store
	// Err is the error of Get for these objects, and of Stat if StatFails is true. If it
	// is nil, Get returns the first half of the content.
	Err       error
	StatFails bool
	// Names are the names of the objects.
	Names map[string]bool
}

// NewUnreadable returns an Unreadable with one object.
func NewUnreadable(s store.Store, name string, err error) Unreadable {
	return Unreadable{Store: s, Err: err, Names: map[string]bool{name: true}}
}

// Get implements [store.Reader].
func (u Unreadable) Get(ctx context.Context, name string) (store.Object, error) {
	if !u.Names[name] {
		return u.Store.Get(ctx, name)
	}
	if u.Err != nil {
		return store.Object{}, fmt.Errorf("get %s: %w", name, u.Err)
	}
	object, err := u.Store.Get(ctx, name)
	object.Body = object.Body[:len(object.Body)/2]
	object.Size, object.MD5 = int64(len(object.Body)), store.MD5(object.Body)
	return object, err
}

// Stat implements [store.Reader].
func (u Unreadable) Stat(ctx context.Context, name string) (store.Attrs, error) {
	if u.StatFails && u.Names[name] {
		return store.Attrs{}, fmt.Errorf("stat %s: %w", name, u.Err)
	}
	return u.Store.Stat(ctx, name)
}
