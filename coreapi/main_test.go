package coreapi

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSession = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"

var testKey = Key{ID: "3f2b6c0e-8a47-4d0b-9f5e-1c2d3e4f5a6b", Secret: "Zk3Qp9XwLr7TbN2vHs8JdY5mGc1FaE4uRt6K"}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// serve runs a core with the handler h and returns a client that has a key and
// short waits.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Options)) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c := clientFor(t, srv.URL, change...)
	c.SetKey(testKey)
	return c
}

func clientFor(t *testing.T, url string, change ...func(*Options)) *Client {
	t.Helper()
	opt := Options{
		BaseURL: url + "/", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		RetryWaitMin: time.Millisecond, RetryWaitMax: 5 * time.Millisecond,
	}
	for _, f := range change {
		f(&opt)
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// reply responds with a status and a JSON text.
func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// cut closes the connection without a response.
func cut(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	conn.Close()
}

func decode(t *testing.T, r io.Reader) (m map[string]any) {
	t.Helper()
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		t.Error(err)
	}
	return m
}
