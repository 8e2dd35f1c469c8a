package upload

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const session = "5f946840-ca17-47b4-9b3a-67b7ba28ad0f"

// worker is a server under test; core knows the signatures in its accounts.
type worker struct {
	*httptest.Server
	api      *Server
	mu       sync.Mutex
	accepted []Task
	checks   int
	date     string // of the signatures of this test's clients
}

func newWorker(t *testing.T) *worker {
	t.Helper()
	w := &worker{date: now()}
	accounts := map[string]Account{
		"Signature lion": {"lion-id", true, true}, "Signature other": {"other-id", true, true},
		"Signature person": {"person", false, true}, "Signature expired": {"old", true, false},
	}
	auth, err := NewAuth(func(_ context.Context, authorization, date, _ string) (Account, error) {
		w.mu.Lock()
		w.checks++
		w.mu.Unlock()
		if authorization == "Signature down" {
			return Account{}, ErrNoCore
		}
		a, ok := accounts[authorization]
		if !ok || date == "" {
			return Account{}, ErrSignature
		}
		return a, nil
	}, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	auth.MaxSkew = 24 * time.Hour
	w.api = &Server{
		Spool: &Spool{Dir: t.TempDir(), Keep: 24 * time.Hour}, Auth: auth, Log: slog.New(slog.DiscardHandler),
		Accepted: func(t Task) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.accepted = append(w.accepted, t)
		},
	}
	w.Server = httptest.NewServer(w.api.Handler())
	t.Cleanup(w.Close)
	return w
}

// client follows no redirects: some clients that JumpServer's components use would
// turn a POST into a GET.
var client = &http.Client{Transport: http.DefaultTransport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// send sends a request as a client of JumpServer does.
func (w *worker) send(t *testing.T, method, path, contentType, key string, body io.Reader) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if key != "" {
		r.Header.Set("Authorization", "Signature "+key)
		r.Header.Set("Date", w.date)
		r.Header.Set("X-JMS-ORG", "ROOT")
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	want := "application/json"
	if resp.StatusCode >= http.StatusBadRequest && strings.HasPrefix(contentType, "multipart/") {
		want = "text/plain; charset=utf-8" // Lion's log would not show JSON
	}
	if got := resp.Header.Get("Content-Type"); got != want {
		t.Errorf("%s: content type %q", path, got)
	}
	if want != "application/json" {
		text, err := io.ReadAll(resp.Body)
		if line := strings.TrimSuffix(string(text), "\n"); err != nil || line == "" || strings.ContainsAny(line, "\n{") {
			t.Errorf("%s: %q, %v", path, text, err)
		}
		return resp.StatusCode, map[string]any{"ok": false, "error": string(text), "error_message": string(text)}
	}
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return resp.StatusCode, answer
}

// now returns a Date that a client may sign now.
func now() string { return time.Now().UTC().Format(http.TimeFormat) }

func dump(n int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	fmt.Fprint(z, "4.size,1.0,2.64,2.48;")
	for i := range n {
		fmt.Fprintf(z, "5.mouse,2.%02d,2.%02d;4.sync,4.%04d;", r.IntN(100), r.IntN(100), 1000+i)
	}
	_ = z.Close()
	return b.Bytes()
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// announce begins a v4 task for the parts.
func (w *worker) announce(t *testing.T, key string, names []string, parts map[string][]byte) (int, map[string]any) {
	t.Helper()
	var files []map[string]any
	for _, name := range names {
		files = append(files, map[string]any{"name": name, "start": 1, "end": 2, "duration": 1, "size": 99, "checksum": sum(parts[name])})
	}
	body, err := json.Marshal(map[string]any{
		"config": map[string]any{"MaxFrame": 0, "Width": 1920, "Height": 1080, "Bitrate": 1},
		"meta":   map[string]any{"id": session, "type": "guacamole", "date_start": "2025-11-20 17:15:07 +0000", "files": files},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+session+"/task/", "application/json", key, bytes.NewReader(body))
}

func (w *worker) part(t *testing.T, key, task string, index int, name string, data []byte) (int, map[string]any) {
	t.Helper()
	kind, body := encoded([][2]string{{"file", string(data)}}, name)
	return w.send(t, http.MethodPost, fmt.Sprintf("/api/v2/replay/sessions/%s/task/upload/%d", task, index), kind, key, body)
}

// form sends v3's fields in the given order.
func (w *worker) form(t *testing.T, fields ...[2]string) (int, map[string]any) {
	t.Helper()
	kind, body := encoded(fields, session+".replay.gz")
	return w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+session+"/task/", kind, "lion", body)
}

// encoded returns a form of fields; "file" is a file with a name.
func encoded(fields [][2]string, file string) (contentType string, body *bytes.Buffer) {
	body = new(bytes.Buffer)
	form := multipart.NewWriter(body)
	for _, f := range fields {
		if f[0] != "file" {
			_ = form.WriteField(f[0], f[1])
		} else if part, err := form.CreateFormFile("file", file); err == nil {
			_, _ = io.WriteString(part, f[1])
		}
	}
	_ = form.Close()
	return form.FormDataContentType(), body
}

// task announces parts, and returns the task's id.
func (w *worker) task(t *testing.T, names []string, parts map[string][]byte) string {
	t.Helper()
	status, answer := w.announce(t, "lion", names, parts)
	id, _ := answer["id"].(string)
	if status != http.StatusOK || id == "" {
		t.Fatal(status, answer)
	}
	return id
}

// empty fails the test if something is left in the spool, or was accepted.
func (w *worker) empty(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	entries, err := os.ReadDir(w.api.Spool.Dir)
	if err != nil || len(entries) > 0 || len(w.accepted) > 0 {
		t.Errorf("left: %v %v; accepted %d", entries, err, len(w.accepted))
	}
}

// lexicographic returns names of n parts, as Lion lists them.
func lexicographic(n int) (names []string, parts map[string][]byte) {
	parts = map[string][]byte{}
	for i := range n {
		parts[fmt.Sprintf("%s.%d.part.gz", session, i)] = dump(50 + i)
	}
	for i := range n { // 0 1 10 11 2 …
		names = append(names, fmt.Sprintf("%s.%d.part.gz", session, i))
	}
	slices.Sort(names)
	return names, parts
}
