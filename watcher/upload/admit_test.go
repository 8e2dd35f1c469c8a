package upload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// TestWhatAnUploadIsRefusedFor: the answer of core about the session decides
// before anything is taken, in both forms of a task. Every client takes each of
// these statuses for "store it yourself".
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
		var asked []string
		w.api.Admit = func(_ context.Context, id string) error {
			asked = append(asked, id)
			return c.err
		}
		if status, answer := w.announce(t, "lion", names, parts); status != c.want {
			t.Errorf("announced, %v: %d %v", c.err, status, answer)
		}
		if status, answer := w.form(t, [2]string{"file", string(dump(300))}); status != c.want {
			t.Errorf("form, %v: %d %v", c.err, status, answer)
		}
		if len(asked) != 2 || asked[0] != session {
			t.Errorf("%v: asked about %v", c.err, asked)
		}
		if c.want != http.StatusOK {
			w.empty(t)
		}
	}
}

// TestAStrangerLearnsNothingOfSessions: who is not let in does not make the
// agent ask core about a session.
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
