package coreapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestALastingFailureIsLoggedEverMoreRarely(t *testing.T) {
	var log logBuffer
	q := quiet{log: log.logger()}
	start := time.Now()
	var at []time.Duration
	lines := 0
	for d := time.Duration(0); d < 4*time.Hour; d += 10 * time.Second {
		// The text differs each time, as it would with port numbers.
		q.failed(start.Add(d), "x", &Error{Op: "o", Kind: ErrUnavailable, Err: fmt.Errorf("port %v", d)})
		if n := strings.Count(log.String(), "\n"); n > lines {
			lines = n
			at = append(at, d)
		}
	}
	want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183}
	if len(at) != len(want) {
		t.Fatalf("logged at %v", at)
	}
	for i := range want {
		if at[i] != want[i]*time.Minute {
			t.Errorf("logged at %v", at)
			break
		}
	}
}

func TestAnotherFailureIsLoggedAtOnce(t *testing.T) {
	var log logBuffer
	q := quiet{log: log.logger()}
	now := time.Now()
	if q.recovered() {
		t.Error("recovered before anything failed")
	}
	q.failed(now, "x", &Error{Kind: ErrUnavailable})
	q.failed(now, "x", &Error{Kind: ErrNameTaken})
	q.failed(now, "x", errors.New("disk"))
	if !q.recovered() || q.recovered() {
		t.Error("recovered once, not never or twice")
	}
	q.failed(now, "x", errors.New("disk"))
	if n := strings.Count(log.String(), "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}
