package archive

import (
	"context"
	"errors"
	"fmt"

	"polisen-events-collector/pkg/store"
)

// presence is what ensure found under an object's name.
type presence uint8

const (
	unknown presence = iota // an error left it open
	existed                 // our content, put by an earlier call
	created                 // our content, put by this one
	foreign                 // something else
)

// ensure makes sure that an object of this name exists, and says whether it
// holds the given content. It never overwrites.
func ensure(ctx context.Context, s store.Store, p Pending, putFirst bool) (presence, error) {
	var failed error // a put with an unknown outcome
	for try := 0; ; try++ {
		if putFirst || try > 0 {
			_, err := s.Put(ctx, p.Name, p.Content, store.IfAbsent())
			switch {
			case err == nil:
				return created, nil
			case errors.Is(err, store.ErrPrecondition):
			case ctx.Err() != nil, errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrInvalid):
				return unknown, fmt.Errorf("put %s: %w", p.Name, err)
			default:
				failed = err
			}
		}
		attrs, err := s.Stat(ctx, p.Name)
		switch {
		case err == nil:
			return compare(ctx, s, attrs, p.Content)
		case !errors.Is(err, store.ErrNotExist):
			return unknown, fmt.Errorf("look for %s: %w", p.Name, errors.Join(failed, err))
		case failed != nil:
			return unknown, fmt.Errorf("put %s: %w", p.Name, failed)
		case try == 2: // refused as present, yet absent: another write was under way twice
			return unknown, fmt.Errorf("put %s: the store neither has nor takes it", p.Name)
		}
	}
}

// compare holds an existing object against our content.
func compare(ctx context.Context, s store.Reader, attrs store.Attrs, body []byte) (presence, error) {
	sum := attrs.MD5
	if sum == "" { // an object stored in parts has no MD5
		object, err := s.Get(ctx, attrs.Name)
		if err != nil {
			return unknown, fmt.Errorf("compare %s: %w", attrs.Name, err)
		}
		sum = store.MD5(object.Body)
	}
	if sum != store.MD5(body) {
		return foreign, nil
	}
	return existed, nil
}
