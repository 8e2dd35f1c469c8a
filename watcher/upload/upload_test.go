package upload

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"jumpserver-video/watcher/recording"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const session = "5f946840-ca17-47b4-9b3a-67b7ba28ad0f"

// worker is a server under test; core knows the signatures in its accounts.
type worker struct {
	*httptest.Server
	api      *Server
	mu       sync.Mutex
	accepted []Task
	asked    int
}

func newWorker(t *testing.T) *worker {
	t.Helper()
	w := &worker{}
	accounts := map[string]Account{
		"Signature lion": {"lion-id", true, true}, "Signature other": {"other-id", true, true},
		"Signature person": {"person", false, true}, "Signature expired": {"old", true, false},
	}
	auth, err := NewAuth(func(_ context.Context, authorization, date, _ string) (Account, error) {
		w.mu.Lock()
		w.asked++
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
		r.Header.Set("Date", "Thu, 05 Jan 2012 21:31:40 GMT")
		r.Header.Set("X-JMS-ORG", "ROOT")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: content type %q", path, got)
	}
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return resp.StatusCode, answer
}

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
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	f, err := form.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(data)
	_ = form.Close()
	return w.send(t, http.MethodPost, fmt.Sprintf("/api/v2/replay/sessions/%s/task/upload/%d", task, index), form.FormDataContentType(), key, &b)
}

// lexicographic names of n parts, as Lion lists them.
func lexicographic(n int) (names []string, parts map[string][]byte) {
	parts = map[string][]byte{}
	for i := range n {
		parts[fmt.Sprintf("%s.%d.part.gz", session, i)] = dump(50 + i)
	}
	for i := range n { // 0 1 10 11 2 …
		names = append(names, fmt.Sprintf("%s.%d.part.gz", session, i))
	}
	for i := range names {
		for j := i + 1; j < len(names); j++ {
			if names[j] < names[i] {
				names[i], names[j] = names[j], names[i]
			}
		}
	}
	return names, parts
}

func TestLion4UploadsPartByPart(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(12)
	status, answer := w.announce(t, "lion", names, parts)
	task, _ := answer["id"].(string)
	if status != http.StatusOK || task == "" {
		t.Fatal(status, answer)
	}
	for i, name := range names {
		if status, answer := w.part(t, "lion", task, i, name, parts[name]); status != http.StatusOK || answer["ok"] != true {
			t.Fatal(i, status, answer)
		}
	}
	if len(w.accepted) != 1 || !w.accepted[0].Complete {
		t.Fatalf("accepted: %+v", w.accepted)
	}
	rec, err := recording.Open(filepath.Join(w.api.Spool.Dir, w.api.Spool.Path(w.accepted[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Parts) != 12 || rec.Session != session || !strings.HasSuffix(rec.Parts[11].Name, ".11.part.gz") {
		t.Errorf("%+v", rec)
	}
	for _, p := range rec.Parts {
		data, err := os.ReadFile(filepath.Join(w.api.Spool.Dir, task, filepath.Base(p.Name)))
		if err != nil || !bytes.Equal(data, parts[filepath.Base(p.Name)]) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	// The last answer was lost: the client asks again, and nothing changes.
	last := len(names) - 1
	if status, answer := w.part(t, "lion", task, last, names[last], parts[names[last]]); status != http.StatusOK || answer["ok"] != true {
		t.Error(status, answer)
	}
	if len(w.accepted) != 1 {
		t.Error("accepted twice")
	}
	if left, err := w.api.Spool.Complete(); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
	if w.asked != 1 {
		t.Errorf("core was asked %d times", w.asked)
	}
}

func TestPartsInAnyOrderAndTwice(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(3)
	_, answer := w.announce(t, "lion", names, parts)
	task, _ := answer["id"].(string)
	for _, i := range []int{2, 0, 2, 1} {
		if status, answer := w.part(t, "lion", task, i, names[i], parts[names[i]]); status != http.StatusOK {
			t.Fatal(i, status, answer)
		}
	}
	if len(w.accepted) != 1 {
		t.Errorf("accepted %d times", len(w.accepted))
	}
}

func TestLion3SendsTheRecordingInAForm(t *testing.T) {
	for _, order := range [][]string{{"session_id", "component_type", "session_date", "file"}, {"file", "session_id"}, {"width", "bitrate", "file"}} {
		w := newWorker(t)
		data := dump(300)
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		for _, field := range order {
			switch field {
			case "file":
				f, err := form.CreateFormFile("file", session+".replay.gz")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = f.Write(data)
			case "session_id":
				_ = form.WriteField(field, session)
			default:
				_ = form.WriteField(field, "lion")
			}
		}
		_ = form.Close()
		status, answer := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+session+"/task/", form.FormDataContentType(), "lion", &b)
		if status != http.StatusOK || answer["id"] == "" || len(w.accepted) != 1 {
			t.Fatal(order, status, answer)
		}
		stored, err := os.ReadFile(filepath.Join(w.api.Spool.Dir, w.api.Spool.Path(w.accepted[0])))
		if err != nil || !bytes.Equal(stored, data) {
			t.Error(err)
		}
	}
}

// TestV3LoginHoldsForLaterRequests: a cookie, a channel with its subprotocol,
// and a task that is signed for another path.
func TestV3LoginHoldsForLaterRequests(t *testing.T) {
	w := newWorker(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/v1/users/profile/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Signature lion")
	r.Header.Set("Date", "now")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	conn, _, err := websocket.Dial(t.Context(), w.URL+"/ws/events/", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"JMS-Video-Worker"}})
	if err != nil {
		t.Fatal(err)
	}
	if conn.Subprotocol() != "JMS-Video-Worker" {
		t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	for range 3 {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"event":"ping"}`)); err != nil {
			t.Error(err)
		}
	}
	defer conn.CloseNow()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	f, err := form.CreateFormFile("file", session)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write([]byte("4.size,1.0,2.64,2.48;4.sync,1.1;")) // a raw dump of the oldest
	_ = form.Close()
	r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/v2/replay/sessions/"+session+"/task/", &b)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Signature for another path")
	resp, err = client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(w.accepted) != 1 {
		t.Errorf("%s, %+v", resp.Status, w.accepted)
	}
}

func TestRefusals(t *testing.T) {
	names, parts := lexicographic(2)
	empty := func(t *testing.T, w *worker) {
		t.Helper()
		entries, err := os.ReadDir(w.api.Spool.Dir)
		if err != nil || len(entries) > 0 || len(w.accepted) > 0 {
			t.Errorf("left: %v %v", entries, err)
		}
	}
	for key, want := range map[string]int{"": 401, "nobody": 401, "person": 403, "expired": 403, "down": 503} {
		w := newWorker(t)
		if status, answer := w.announce(t, key, names, parts); status != want {
			t.Errorf("%q: %d %v", key, status, answer)
		}
		empty(t, w)
	}
	for _, bad := range []string{"../../etc/passwd", session + ".0.part.gz/../x", "x.0.part.gz", session + ".replay.json", ""} {
		w := newWorker(t)
		if status, _ := w.announce(t, "lion", []string{bad}, map[string][]byte{}); status != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, status)
		}
		empty(t, w)
	}
	t.Run("the same name twice", func(t *testing.T) {
		w := newWorker(t)
		if status, _ := w.announce(t, "lion", []string{names[0], names[0]}, parts); status != http.StatusBadRequest {
			t.Error(status)
		}
	})
	t.Run("another checksum", func(t *testing.T) {
		w := newWorker(t)
		_, answer := w.announce(t, "lion", names, parts)
		if status, answer := w.part(t, "lion", answer["id"].(string), 0, names[0], parts[names[1]]); status != 422 || answer["ok"] != false {
			t.Error(status, answer)
		}
	})
	t.Run("another account", func(t *testing.T) {
		w := newWorker(t)
		_, answer := w.announce(t, "lion", names, parts)
		if status, _ := w.part(t, "other", answer["id"].(string), 0, names[0], parts[names[0]]); status != http.StatusForbidden {
			t.Error(status)
		}
	})
	t.Run("no such task or part", func(t *testing.T) {
		w := newWorker(t)
		_, answer := w.announce(t, "lion", names, parts)
		for task, index := range map[string]int{session: 0, "not-a-task": 0, answer["id"].(string): 7} {
			if status, _ := w.part(t, "lion", task, index, names[0], parts[names[0]]); status < 400 {
				t.Error(task, index, status)
			}
		}
	})
	t.Run("no Guacamole dump", func(t *testing.T) {
		w := newWorker(t)
		body := []byte("RIFF of something else entirely")
		_, answer := w.announce(t, "lion", names[:1], map[string][]byte{names[0]: body})
		if status, answer := w.part(t, "lion", answer["id"].(string), 0, names[0], body); status != 415 || !strings.Contains(fmt.Sprint(answer["error_message"]), "unknown") {
			t.Error(status, answer)
		}
		empty(t, w)
	})
	t.Run("the disk is nearly full", func(t *testing.T) {
		w := newWorker(t)
		w.api.Spool.Reserve = 1 << 62
		if status, _ := w.announce(t, "lion", names, parts); status != http.StatusInsufficientStorage {
			t.Error(status)
		}
		empty(t, w)
	})
	t.Run("not ready", func(t *testing.T) {
		w := newWorker(t)
		w.api.Ready = func() error { return errors.New("ffmpeg is missing") }
		if status, _ := w.announce(t, "lion", names, parts); status != http.StatusServiceUnavailable {
			t.Error(status)
		}
	})
}

// TestACutConnectionLeavesNothing: the client goes away in the middle.
func TestACutConnectionLeavesNothing(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(1)
	_, answer := w.announce(t, "lion", names, parts)
	task := answer["id"].(string)
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		f, err := form.CreateFormFile("file", names[0])
		if err == nil {
			_, _ = f.Write(parts[names[0]][:100])
		}
		_ = writer.CloseWithError(errors.New("cut"))
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/v2/replay/sessions/"+task+"/task/upload/0", reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Signature lion")
	r.Header.Set("Date", "x")
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Error(resp.Status)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		entries, err := os.ReadDir(filepath.Join(w.api.Spool.Dir, task))
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 1 && entries[0].Name() == taskFile {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", entries)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(w.accepted) > 0 {
		t.Error("accepted")
	}
	if status, answer := w.part(t, "lion", task, 0, names[0], parts[names[0]]); status != http.StatusOK {
		t.Error("afterwards:", status, answer)
	}
}

// TestASlowUploadIsNotCut, and one that stands still is.
func TestASlowUploadIsNotCut(t *testing.T) {
	w := newWorker(t)
	w.api.Silence = 500 * time.Millisecond
	names, parts := lexicographic(1)
	data := parts[names[0]]
	for _, stands := range []bool{false, true} {
		_, answer := w.announce(t, "lion", names, parts)
		reader, writer := io.Pipe()
		form := multipart.NewWriter(writer)
		var sending sync.WaitGroup
		sending.Go(func() {
			f, err := form.CreateFormFile("file", names[0])
			for at := 0; err == nil && at < len(data); at += len(data)/12 + 1 {
				time.Sleep(100 * time.Millisecond) // more than the allowed silence in all
				if stands && at > len(data)/2 {
					time.Sleep(2 * time.Second)
				}
				_, err = f.Write(data[at:min(len(data), at+len(data)/12+1)])
			}
			_ = form.Close()
			_ = writer.Close()
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/v2/replay/sessions/"+answer["id"].(string)+"/task/upload/0", reader)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Header.Set("Authorization", "Signature lion")
		r.Header.Set("Date", "x")
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		if ok := err == nil && resp.StatusCode == http.StatusOK; ok == stands {
			t.Errorf("stands still %v: taken %v (%v)", stands, ok, err)
		}
		_ = reader.Close()
		sending.Wait()
	}
	if len(w.accepted) != 1 {
		t.Errorf("%d accepted", len(w.accepted))
	}
}

// TestAFullDiskRefuses: the disk ends in the middle of a file.
func TestAFullDiskRefuses(t *testing.T) {
	w := newWorker(t)
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting a small disk: %v (run as root)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	w.api.Spool.Dir = small
	name := session + ".0.part.gz"
	r := rand.New(rand.NewPCG(1, 1))
	large := make([]byte, 400<<10) // not much more than the disk: the server reads the rest to answer
	for i := range large {
		large[i] = byte(r.Uint32())
	}
	_, answer := w.announce(t, "lion", []string{name}, map[string][]byte{name: large})
	id := answer["id"].(string)
	if status, answer := w.part(t, "lion", id, 0, name, large); status != http.StatusInsufficientStorage || answer["ok"] != false {
		t.Error(status, answer)
	}
	if entries, err := os.ReadDir(filepath.Join(small, id)); err != nil || len(entries) != 1 {
		t.Errorf("left: %v %v", entries, err)
	}
	body := dump(300)
	_, answer = w.announce(t, "lion", []string{name}, map[string][]byte{name: body})
	if status, answer := w.part(t, "lion", answer["id"].(string), 0, name, body); status != http.StatusOK {
		t.Error("a small one:", status, answer)
	}
}

// TestAQuotaThatIsUsedUpRefuses as a full disk does.
func TestAQuotaThatIsUsedUpRefuses(t *testing.T) {
	for _, errno := range []error{unix.EDQUOT, unix.ENOSPC} {
		w := &roomWriter{s: &Spool{Dir: t.TempDir()}, w: failing{&os.PathError{Op: "write", Path: "x", Err: errno}}}
		if _, err := w.Write([]byte("bytes")); !errors.Is(err, ErrFull) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	w := &roomWriter{s: &Spool{Dir: t.TempDir()}, w: failing{unix.EIO}}
	if _, err := w.Write([]byte("bytes")); errors.Is(err, ErrFull) || !errors.Is(err, unix.EIO) {
		t.Errorf("another error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAbandonedUploadsExpire(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(2)
	_, done := w.announce(t, "lion", names[:1], parts)
	w.part(t, "lion", done["id"].(string), 0, names[0], parts[names[0]])
	w.announce(t, "lion", names, parts)
	for after, want := range map[time.Duration]int{23 * time.Hour: 0, 25 * time.Hour: 1} {
		if n, err := w.api.Spool.Expire(time.Now().Add(after)); err != nil || n != want && after < 24*time.Hour {
			t.Errorf("after %s: %d %v", after, n, err)
		}
	}
	if left, err := os.ReadDir(w.api.Spool.Dir); err != nil || len(left) != 1 || left[0].Name() != done["id"] {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestWhatIsDoneWithStaysForAWhile: like an original that was replaced.
func TestWhatIsDoneWithStaysForAWhile(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	spool.KeepOld = 48 * time.Hour
	names, parts := lexicographic(1)
	_, answer := w.announce(t, "lion", names, parts)
	id := answer["id"].(string)
	w.part(t, "lion", id, 0, names[0], parts[names[0]])
	if err := spool.Finish(id); err != nil {
		t.Fatal(err)
	}
	if err := spool.Finish(id); !errors.Is(err, ErrNoTask) {
		t.Error("again:", err)
	}
	if left, err := spool.Complete(); err != nil || len(left) != 0 {
		t.Error("it still waits:", left, err)
	}
	kept := filepath.Join(spool.Dir, "done", id, names[0])
	for _, after := range []time.Duration{47 * time.Hour, 49 * time.Hour} {
		if n, err := spool.Expire(time.Now().Add(after)); err != nil || n != int(after/(48*time.Hour)) {
			t.Error(after, n, err)
		}
		if _, err := os.Stat(kept); (err == nil) != (after < 48*time.Hour) {
			t.Error(after, err)
		}
	}
}

// TestWhatBrokeOffIsDroppedAtTheNextStart, and what is complete is not.
func TestWhatBrokeOffIsDroppedAtTheNextStart(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	names, parts := lexicographic(2)
	_, complete := w.announce(t, "lion", names[:1], parts)
	w.part(t, "lion", complete["id"].(string), 0, names[0], parts[names[0]])
	_, half := w.announce(t, "lion", names, parts)
	w.part(t, "lion", half["id"].(string), 0, names[0], parts[names[0]])
	writing := filepath.Join(spool.Dir, complete["id"].(string), ".writing-1")
	if err := os.WriteFile(writing, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(spool.Dir, session), 0o700); err != nil { // before its task.json
		t.Fatal(err)
	}
	if n, err := spool.Recover(); err != nil || n != 2 {
		t.Error(n, err)
	}
	if _, err := os.Stat(writing); err == nil {
		t.Error("a file that was being written stays")
	}
	entries, err := os.ReadDir(spool.Dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != complete["id"] {
		t.Error(entries, err)
	}
}

func TestCookiesOfOtherWorkersWithTheSameSecret(t *testing.T) {
	auth := func(secret string) *Auth {
		a, err := NewAuth(nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	cookie, err := auth("same").issue("lion-id")
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := auth("same").open(cookie); !ok || id != "lion-id" {
		t.Error("not accepted")
	}
	late := auth("same")
	late.now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	for name, a := range map[string]*Auth{"another secret": auth("another"), "none": auth(""), "late": late} {
		if _, ok := a.open(cookie); ok {
			t.Error(name, "accepted")
		}
	}
	if _, ok := auth("same").open(cookie[:len(cookie)-2] + "AA"); ok {
		t.Error("a changed cookie is accepted")
	}
}
