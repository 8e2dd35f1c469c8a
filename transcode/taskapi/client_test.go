package taskapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWhatIsNoAgent: the client distinguishes another server on the port from an agent that
// refuses a call.
func TestWhatIsNoAgent(t *testing.T) {
	for _, tc := range []struct {
		body, want string
		status     int
		noAgent    bool
	}{
		{"It works!", "no agent responds at http://", http.StatusOK, true},
		{"<h1>Not Found</h1>", "404 Not Found", http.StatusNotFound, true},
		{`{"error":"no such task"}`, "agent: no such task", http.StatusNotFound, false},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.body))
		}))
		_, err := (&Client{Base: s.URL, HTTP: s.Client()}).Tasks(t.Context())
		s.Close()
		if err == nil || errors.Is(err, ErrNoAgent) != tc.noAgent || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v", tc.body, err)
		}
	}
}
