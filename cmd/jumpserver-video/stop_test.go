package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

func TestStoppingDoesNotWaitForAVolumeThatHangs(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	hang := make(chan struct{})
	defer close(hang)
	hangs := func() error { <-hang; return nil }
	broken := errors.New("broken")

	stopped, stop := context.WithCancel(t.Context())
	stop()
	failed, fail := context.WithCancelCause(t.Context())
	fail(broken)
	for name, tc := range map[string]struct {
		ctx  context.Context
		wait func() error
		want error
	}{
		"asked to, all stop":        {stopped, func() error { return nil }, nil},
		"asked to, one hangs":       {stopped, hangs, nil},
		"one has failed, one hangs": {failed, hangs, broken},
		"one has failed, all stop":  {failed, func() error { return broken }, broken},
		"all end by themselves":     {t.Context(), func() error { return nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			result := make(chan error, 1)
			go func() { result <- ended(tc.ctx, tc.wait, 50*time.Millisecond, log) }()
			select {
			case err := <-result:
				if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("does not stop")
			}
		})
	}
}
