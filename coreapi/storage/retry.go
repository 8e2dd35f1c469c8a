package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Attempts and pauses of Retry: in all some 15 s, after which whoever called
// has longer patience.
const (
	attempts   = 6
	firstPause = 300 * time.Millisecond
	longPause  = 8 * time.Second
)

// Retry makes a call until it succeeds, fails for good (see [Temporary]), or
// has been tried often enough. The pauses grow and vary, so that many agents
// do not return to a storage that is overloaded at the same moment.
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
