package coreapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestObserve: each call is reported once, with its result, under a name of which
// there is a limited number.
func TestObserve(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`[]`))
	}))
	defer server.Close()
	var reported []string
	c, err := New(Options{BaseURL: server.URL, RetryMax: 2, RetryWaitMin: time.Millisecond, RetryWaitMax: time.Millisecond,
		Observe: func(call, outcome string, took time.Duration) {
			if took <= 0 {
				t.Errorf("%s took %v", call, took)
			}
			reported = append(reported, call+" "+outcome)
		}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetKey(Key{ID: "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f", Secret: "s"})
	for _, status = range []int{200, 403, 503} {
		_, _ = c.Heartbeat(t.Context(), Stat{})
	}
	_, _ = c.Register(t.Context(), "token", "a name of its own")
	_ = c.Lifecycle(t.Context(), "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f", ConvertStart, "")
	want := []string{"heartbeat ok", "heartbeat forbidden", "heartbeat unavailable", "register unavailable", "send_event ambiguous"}
	if fmt.Sprint(reported) != fmt.Sprint(want) {
		t.Errorf("told %q, want %q", reported, want)
	}
}

func TestOutcome(t *testing.T) {
	if got := Outcome(nil); got != "ok" {
		t.Error(got)
	}
	if got := Outcome(errors.New("something else")); got != "error" {
		t.Error(got)
	}
	seen := map[string]bool{}
	for _, o := range outcomes {
		got := Outcome(fmt.Errorf("wrapped: %w", &Error{Kind: o.kind}))
		if got != o.word || seen[got] {
			t.Errorf("%v: %q, want %q, and once only", o.kind, got, o.word)
		}
		seen[got] = true
	}
}
