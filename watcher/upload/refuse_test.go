package upload

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRefusals(t *testing.T) {
	names, parts := lexicographic(2)
	for key, want := range map[string]int{"": 401, "nobody": 401, "person": 403, "expired": 403, "down": 503} {
		w := newWorker(t)
		if status, answer := w.announce(t, key, names, parts); status != want {
			t.Errorf("%q: %d %v", key, status, answer)
		}
		w.empty(t)
	}
	for _, bad := range []string{"../../etc/passwd", session + ".0.part.gz/../x", "x.0.part.gz", session + ".replay.json", ""} {
		w := newWorker(t)
		if status, _ := w.announce(t, "lion", []string{bad}, map[string][]byte{}); status != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, status)
		}
		w.empty(t)
	}
	t.Run("the same name twice", func(t *testing.T) {
		w := newWorker(t)
		if status, _ := w.announce(t, "lion", []string{names[0], names[0]}, parts); status != http.StatusBadRequest {
			t.Error(status)
		}
	})
	t.Run("another checksum", func(t *testing.T) {
		w := newWorker(t)
		if status, answer := w.part(t, "lion", w.task(t, names, parts), 0, names[0], parts[names[1]]); status != 422 || answer["ok"] != false {
			t.Error(status, answer)
		}
		w.empty(t)
	})
	t.Run("no file in the form", func(t *testing.T) {
		w := newWorker(t)
		kind, body := encoded([][2]string{{"name", "x"}}, "")
		if status, answer := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+w.task(t, names, parts)+"/task/upload/0", kind, "lion", body); status != http.StatusBadRequest || answer["ok"] != false {
			t.Error(status, answer)
		}
		w.empty(t)
	})
	t.Run("another account", func(t *testing.T) {
		w := newWorker(t)
		task := w.task(t, names, parts)
		if status, _ := w.part(t, "other", task, 0, names[0], parts[names[0]]); status != http.StatusForbidden {
			t.Error(status)
		}
		if _, err := w.api.Spool.Get(task); err != nil {
			t.Error("the upload of the first is gone:", err)
		}
	})
	t.Run("no such task or part", func(t *testing.T) {
		w := newWorker(t)
		task := w.task(t, names, parts)
		for _, path := range []string{session + "/task/upload/0", "not-a-task/task/upload/0", "..%2f" + task + "/task/upload/0",
			task + "/task/upload/7", task + "/task/upload/-1", task + "/task/upload/x", strings.ToUpper(task) + "/task/upload/0"} {
			kind, body := encoded([][2]string{{"file", string(parts[names[0]])}}, names[0])
			if status, _ := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+path, kind, "lion", body); status != http.StatusNotFound && status != http.StatusBadRequest {
				t.Error(path, status)
			}
		}
	})
	t.Run("no session", func(t *testing.T) {
		w := newWorker(t)
		for _, id := range []string{"x", "..%2f..%2fetc", "%2e%2e", strings.ToUpper(session), session + "%00"} {
			kind, body := encoded([][2]string{{"file", string(dump(300))}}, "../../../etc/passwd")
			if status, answer := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+id+"/task/", kind, "lion", body); status != http.StatusBadRequest && status != http.StatusNotFound {
				t.Error(id, status, answer)
			}
			w.empty(t)
		}
	})
	t.Run("too many at once", func(t *testing.T) {
		w := newWorker(t)
		w.api.Spool.MaxOpen = 2
		first := w.task(t, names[:1], parts)
		w.task(t, names, parts)
		if status, _ := w.announce(t, "lion", names, parts); status != http.StatusTooManyRequests {
			t.Error(status)
		}
		if status, answer := w.announce(t, "other", names, parts); status != http.StatusOK {
			t.Error("another account:", status, answer)
		}
		if status, answer := w.part(t, "lion", first, 0, names[0], parts[names[0]]); status != http.StatusOK {
			t.Fatal(status, answer)
		}
		w.task(t, names, parts)
	})
	t.Run("the disk is nearly full", func(t *testing.T) {
		w := newWorker(t)
		w.api.Spool.Reserve = 1 << 62
		if status, _ := w.announce(t, "lion", names, parts); status != http.StatusInsufficientStorage {
			t.Error(status)
		}
		w.empty(t)
	})
	t.Run("more than there is room for", func(t *testing.T) {
		w := newWorker(t)
		for _, path := range []string{session + "/task/", w.task(t, names, parts) + "/task/upload/0"} {
			body, sends := io.Pipe()
			defer sends.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/v2/replay/sessions/"+path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = 1 << 60
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			r.Header.Set("Authorization", "Signature lion")
			r.Header.Set("Date", now())
			resp, err := client.Transport.RoundTrip(r)
			if err != nil {
				t.Fatal(path, err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusInsufficientStorage {
				t.Error(path, resp.Status)
			}
		}
		w.empty(t)
	})
	t.Run("not ready", func(t *testing.T) {
		w := newWorker(t)
		w.api.Ready = func() error { return errors.New("ffmpeg is missing") }
		if status, _ := w.announce(t, "lion", names, parts); status != http.StatusServiceUnavailable {
			t.Error(status)
		}
	})
}

// TestWhatIsNoGuacamoleDumpIsRefusedByName, whichever client sends it.
func TestWhatIsNoGuacamoleDumpIsRefusedByName(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("RIFFxxxxWEBPVP8 of something else"))
	_ = z.Close()
	for want, body := range map[string]string{
		"image/webp":   packed.String(),
		"image/png":    "\x89PNG\r\n\x1a\nand so on",
		"asciicast":    `{"version": 2, "width": 80, "height": 24}` + "\n[0.1, \"o\", \"x\"]",
		"\"not a dump": "not a dump of anything",
	} {
		w := newWorker(t)
		status, answer := w.form(t, [2]string{"component_type", "razor"}, [2]string{"file", body})
		if text := fmt.Sprint(answer["error"]); status != http.StatusUnsupportedMediaType || !strings.Contains(text, want) || !strings.Contains(text, "Razor") {
			t.Error(want, status, answer)
		}
		w.empty(t)
		name := session + ".0.part.gz"
		task := w.task(t, []string{name}, map[string][]byte{name: []byte(body)})
		if status, answer := w.part(t, "lion", task, 0, name, []byte(body)); status != http.StatusUnsupportedMediaType || !strings.Contains(fmt.Sprint(answer["error_message"]), want) {
			t.Error(want, status, answer)
		}
		w.empty(t)
	}
}

// TestTheContentDecidesAndNotTheType that a client sends.
func TestTheContentDecidesAndNotTheType(t *testing.T) {
	name := session + ".0.part.gz"
	for _, kind := range []string{"guacamole", "razor", "rdp", ""} {
		for content, want := range map[string]int{string(dump(50)): http.StatusOK, "\x89PNG\r\n\x1a\nand so on": http.StatusUnsupportedMediaType} {
			w := newWorker(t)
			body := fmt.Sprintf(`{"meta":{"id":%q,"type":%q,"files":[{"name":%q,"checksum":%q}]}}`, session, kind, name, sum([]byte(content)))
			status, answer := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+session+"/task/", "application/json", "lion", strings.NewReader(body))
			id, _ := answer["id"].(string)
			if status != http.StatusOK || id == "" {
				t.Fatal(kind, status, answer)
			}
			if status, answer := w.part(t, "lion", id, 0, name, []byte(content)); status != want {
				t.Errorf("%q: %d %v", kind, status, answer)
			}
		}
	}
}

// TestCoreThatIsSlowIsNotWaitedForLong: Lion itself waits 30 seconds, and has a
// fallback.
func TestCoreThatIsSlowIsNotWaitedForLong(t *testing.T) {
	w := newWorker(t)
	w.api.Auth.wait = 20 * time.Millisecond
	w.api.Auth.check = func(ctx context.Context, _, _, _ string) (Account, error) {
		<-ctx.Done()
		return Account{}, errors.Join(ErrNoCore, ctx.Err())
	}
	names, parts := lexicographic(1)
	if status, answer := w.announce(t, "lion", names, parts); status != http.StatusServiceUnavailable {
		t.Error(status, answer)
	}
	w.empty(t)
}
