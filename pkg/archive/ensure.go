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
		state, err := p.Check(ctx, s)
		switch {
		case err != nil:
			return unknown, errors.Join(failed, err)
		case state == Different:
			return foreign, nil
		case state == Stored:
			return existed, nil
		case failed != nil:
			return unknown, fmt.Errorf("put %s: %w", p.Name, failed)
		case try == 2: // refused as present, yet absent: another write was under way twice
			return unknown, fmt.Errorf("put %s: the store neither has nor takes it", p.Name)
		}
	}
}
