package health

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestASampleKeepsTheLastFigure: if a measurement fails, the last value stays, and the
// failure is logged once. After a long measurement there is a long pause.
func TestASampleKeepsTheLastFigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var began []time.Time
		start := time.Now()
		s := &Sample[int]{Name: "the trash", Log: slog.New(slog.NewTextHandler(&log, nil)), Measure: func(context.Context) (int, error) {
			began = append(began, time.Now())
			switch n := len(began); n {
			case 1:
				return 7, nil
			case 2:
				return 0, ErrAway
			case 3, 4:
				return 0, errors.New("permission denied")
			default:
				time.Sleep(time.Minute)
				return n, nil
			}
		}}
		if got, at := s.Status(); got != 0 || !at.IsZero() {
			t.Errorf("before any measurement: %d at %s", got, at)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(sampleEvery + 2*spaceEvery + time.Second)
		synctest.Wait()
		if got, at := s.Status(); got != 7 || !at.Equal(start) {
			t.Errorf("after a failure: %d at %s", got, at)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "permission denied") {
			t.Errorf("told %d times: %s", n, &log)
		}
		time.Sleep(spaceEvery + time.Minute)
		synctest.Wait()
		if got, _ := s.Status(); got != 5 {
			t.Errorf("after it works again: %d", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(began); n != 7 || began[6].Sub(began[5]) != 21*time.Minute {
			t.Errorf("%d measurements: %v", n, began)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestASampleThatHangsHoldsNobodyUp: neither Status nor the end of Run waits.
func TestASampleThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &Sample[int]{Log: slog.New(slog.DiscardHandler), Measure: func(context.Context) (int, error) {
			<-release
			return 1, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		if got, at := s.Status(); got != 0 || !at.IsZero() {
			t.Errorf("%d at %s", got, at)
		}
		cancel()
		time.Sleep(2 * time.Second)
		if len(ended) != 1 {
			t.Error("Run does not return")
		}
		close(release)
	})
}
