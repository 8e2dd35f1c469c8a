// Package ctxio has a reader that stops when its context ends.
package ctxio

import (
	"context"
	"io"
)

// NewReader returns a reader of r. When ctx has ended, its reads fail with
// [context.Cause] of ctx. A read that has begun is not interrupted.
func NewReader(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
