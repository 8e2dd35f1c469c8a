package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Attempts and pauses of Retry: about 15 s in total. Callers that can wait longer
// retry themselves.
const (
	attempts   = 6
	firstPause = 300 * time.Millisecond
	longPause  = 8 * time.Second
)

// Retry repeats a call until it succeeds, fails permanently (see [Temporary]), or
// has failed often enough. The pauses grow and have jitter, so that many agents do
// not return to an overloaded storage at the same moment.
func Retry(ctx context.Context, call func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := call()
		if err == nil || try == attempts || !Temporary(err) || ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
		pause = min(2*pause, longPause)
	}
}
