package blocking_test

import (
	"errors"
	"slices"
	"testing"

	"polisen-events-collector/pkg/blocking"
)

func TestCall(t *testing.T) {
	blocking.Call(t.Context(), "nobody notes it")()
	var notes []string
	ctx := blocking.With(t.Context(), func(what string, kind error) func() {
		if kind != nil {
			what += " " + kind.Error()
		}
		notes = append(notes, "begin "+what)
		return func() { notes = append(notes, "end "+what) }
	})
	end := blocking.Call(ctx, "read a")
	blocking.Call(blocking.WithKind(ctx, errors.New("store")), "read b")()
	end()
	if want := []string{"begin read a", "begin read b store", "end read b store", "end read a"}; !slices.Equal(notes, want) {
		t.Errorf("%q, want %q", notes, want)
	}
}
