package main

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// stopWithin is how long the parts of a stopping agent are waited for. The
// unit's TimeoutStopSec is longer.
const stopWithin = 30 * time.Second

// waitStopped waits for the agent's parts, and once ctx has ended only so long: a
// read of a volume that hangs cannot be interrupted, and must not keep the
// agent from stopping. What is left behind ends with the process; its task
// goes on at the next start.
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
		log.Warn("a part of the agent does not stop and is left behind: does a volume hang?")
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}
