package health

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// sampleEvery is the interval between measurements of a folder.
	sampleEvery = 5 * time.Minute
	// sampleRest is the minimum pause after a measurement, as a multiple of its
	// duration: a large network folder must not be read all the time.
	sampleRest = 20
)

// ErrAway means that what a [Sample] measures is unavailable, which others report.
var ErrAway = errors.New("it is away")

// Sample measures something at intervals, because a measurement may take long or hang.
// If a measurement fails or hangs, the last value stays.
type Sample[T any] struct {
	Name    string // what is measured, for the log
	Measure func(context.Context) (T, error)
	Every   time.Duration // interval; 0 = 5 min
	Log     *slog.Logger

	mu   sync.Mutex
	last T         // guarded by mu
	at   time.Time // time of last; guarded by mu
}

// Run measures until ctx ends. It does not wait for a measurement that hangs.
func (s *Sample[T]) Run(ctx context.Context) error {
	every := s.Every
	if every <= 0 {
		every = sampleEvery
	}
	failing := false
	repeat(ctx, func() time.Duration {
		began := time.Now()
		got, err := s.Measure(ctx)
		rest := sampleRest * time.Since(began)
		if err == nil {
			failing = false
			s.keep(got)
			return max(every, rest)
		}
		if ctx.Err() == nil && !failing && !errors.Is(err, ErrAway) {
			failing = true
			s.Log.Warn("cannot be measured; showing the last values", "what", s.Name, "error", err)
		}
		return max(min(every, spaceEvery), rest)
	})
	return nil
}

func (s *Sample[T]) keep(got T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.at = got, time.Now()
}

// Status returns the last measurement and its time, which is zero before the first
// measurement.
func (s *Sample[T]) Status() (T, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.at
}

// repeat calls measure until ctx ends. measure returns how long to wait before the next
// call. repeat does not wait for a call that hangs when ctx ends.
func repeat(ctx context.Context, measure func() time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(measure()):
			}
		}
	}()
	<-ctx.Done()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}
