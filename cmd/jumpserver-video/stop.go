package main

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// stopWithin is how long a stopping agent waits for its parts. The unit's TimeoutStopSec is
// longer.
const stopWithin = 30 * time.Second

// waitStopped waits for the agent's parts; after ctx has ended, at most for the given time.
// A read of a volume that hangs cannot be interrupted, and must not keep the agent from
// stopping. A part that is left behind ends with the process; its task continues at the
// next start.
func waitStopped(ctx context.Context, wait func() error, within time.Duration, log *slog.Logger) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(within):
		log.Warn("a part of the agent does not stop; exiting without it: check whether a volume hangs")
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}
