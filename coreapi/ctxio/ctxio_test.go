package ctxio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestAReaderReadsEverythingWhileItsContextLasts(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 1000)
	if err := iotest.TestReader(NewReader(t.Context(), bytes.NewReader(content)), content); err != nil {
		t.Error(err)
	}
	broken := errors.New("the disk is gone")
	if _, err := io.ReadAll(NewReader(t.Context(), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("the reader's own error: %v", err)
	}
}

func TestAReaderStopsWithTheCauseOfItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := NewReader(ctx, bytes.NewReader([]byte("content")))
	if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("the agent stops")
	cancel(stopped)
	if n, err := io.Copy(io.Discard, r); n != 0 || !errors.Is(err, stopped) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
