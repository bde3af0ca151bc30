// Package blocking reports the calls that no context can interrupt, such as a read from a
// disk that does not respond. The caller of a command can then say what a process waits
// for, and end it.
//
// It does not limit the calls itself.
package blocking

import "context"

// Begin notes that a call begins. The text what names the call in messages, such as
// "read /etc/file". kind is an error that the failure of the call would wrap, or nil. The
// returned function notes that the call has ended.
type Begin func(what string, kind error) (end func())

type (
	beginKey struct{}
	kindKey  struct{}
)

// With returns a context with which [Call] calls begin.
func With(ctx context.Context, begin Begin) context.Context {
	return context.WithValue(ctx, beginKey{}, begin)
}

// WithKind returns a context with which [Call] passes this kind to the [Begin].
func WithKind(ctx context.Context, kind error) context.Context {
	return context.WithValue(ctx, kindKey{}, kind)
}

// Call notes that a call begins: it calls the [Begin] in ctx, if there is one. The returned
// function notes that the call has ended:
//
//	defer blocking.Call(ctx, "read "+path)()
func Call(ctx context.Context, what string) (end func()) {
	begin, ok := ctx.Value(beginKey{}).(Begin)
	if !ok {
		return func() {}
	}
	kind, _ := ctx.Value(kindKey{}).(error)
	return begin(what, kind)
}
