package upload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// TestWhatAnUploadIsRefusedFor: core's response about the session decides before
// anything is accepted, in both forms of a task. Every client reacts to each of
// these statuses by storing the recording itself.
func TestWhatAnUploadIsRefusedFor(t *testing.T) {
	names, parts := lexicographic(1)
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, http.StatusOK},
		{fmt.Errorf("%w: no row", ErrNoSession), http.StatusNotFound},
		{fmt.Errorf("%w: by koko", ErrNoPicture), http.StatusForbidden},
		{errors.New("connection refused"), http.StatusServiceUnavailable},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
	} {
		w := newWorker(t)
		var sessions []string
		w.api.Admit = func(_ context.Context, id string) error {
			sessions = append(sessions, id)
			return c.err
		}
		if status, answer := w.announce(t, "lion", names, parts); status != c.want {
			t.Errorf("announced, %v: %d %v", c.err, status, answer)
		}
		if status, answer := w.form(t, [2]string{"file", string(dump(300))}); status != c.want {
			t.Errorf("form, %v: %d %v", c.err, status, answer)
		}
		if len(sessions) != 2 || sessions[0] != session {
			t.Errorf("%v: asked about %v", c.err, sessions)
		}
		if c.want != http.StatusOK {
			w.empty(t)
		}
	}
}

// TestAStrangerLearnsNothingOfSessions: for a caller without access, the agent does
// not ask core about a session.
func TestAStrangerLearnsNothingOfSessions(t *testing.T) {
	w := newWorker(t)
	w.api.Admit = func(context.Context, string) error {
		t.Error("core was asked about a session")
		return nil
	}
	names, parts := lexicographic(1)
	for _, key := range []string{"", "nobody", "person", "expired", "down"} {
		if status, _ := w.announce(t, key, names, parts); status < 400 {
			t.Error(key, status)
		}
	}
}
