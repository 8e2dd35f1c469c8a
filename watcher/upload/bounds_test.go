package upload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// announcement is the task of a recording with that many parts, as the newest Lion
// writes it.
func announcement(t *testing.T, parts int) []byte {
	t.Helper()
	var files []map[string]any
	for i := range parts {
		files = append(files, map[string]any{"name": fmt.Sprintf("%s.%d.part.gz", session, i), "start": 912345678, "end": 914999000,
			"duration": 2653322, "size": 314572911, "checksum": sum(fmt.Append(nil, i))})
	}
	body, err := json.Marshal(map[string]any{
		"config": map[string]any{"MaxFrame": 0, "Width": 1920, "Height": 1080, "Bitrate": 1},
		"meta":   map[string]any{"id": session, "user": "Lee(lee)", "asset": "win-07(10.3.4.7)", "type": "guacamole", "files": files},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

const taskPath = "/api/v2/replay/sessions/" + session + "/task/"

// TestTenThousandPartsAreTaken, as the newest Lion describes them, but not more.
func TestTenThousandPartsAreTaken(t *testing.T) {
	w := newWorker(t)
	body := announcement(t, maxFiles)
	if status, answer := w.send(t, http.MethodPost, taskPath, "application/json", "lion", bytes.NewReader(body)); status != http.StatusOK {
		t.Errorf("%d bytes: %d %v", len(body), status, answer)
	}
	w = newWorker(t)
	for what, body := range map[string]io.Reader{
		"a known number of bytes":              bytes.NewReader(make([]byte, maxMeta+1)),
		"an unknown number of bytes":           io.LimitReader(endless(' '), maxMeta+1),
		"a large and unknown number of bytes":  io.LimitReader(endless(' '), 15<<20),
		"a long list in bytes that are few":    strings.NewReader(`{"meta":{"files":[` + strings.Repeat(`{},`, maxFiles) + `{}]}}`),
		"a list that is nested for ever":       strings.NewReader(strings.Repeat(`{"meta":`, 100_000)),
		"a name that is longer than any":       strings.NewReader(`{"meta":{"files":[{"name":"` + strings.Repeat("x", 1<<20) + `"}]}}`),
		"a session that is longer than any is": strings.NewReader(`{"meta":{"id":"` + strings.Repeat("x", 1<<20) + `","files":[{}]}}`),
	} {
		if strings.HasSuffix(what, "of bytes") {
			if status := w.refusal(t, taskPath, "application/json", body); status != 0 && status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: %d", what, status)
			}
			w.empty(t)
			continue
		}
		status, answer := w.send(t, http.MethodPost, taskPath, "application/json", "lion", body)
		if text := fmt.Sprint(answer["error"]); status != http.StatusBadRequest || len(text) > 1000 {
			t.Errorf("%s: %d %.1000s", what, status, text)
		}
		w.empty(t)
	}
}

// refusal sends a request that may be refused before it has been read. It returns
// the status, or 0 if the connection ends while the client still sends.
func (w *worker) refusal(t *testing.T, path, contentType string, body io.Reader) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Signature lion")
	r.Header.Set("Date", now())
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// endless repeats a byte forever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// TestAnnouncementsAreReadAFewAtATime: the others wait briefly, and are then told
// to retry; a client that disconnects frees its slot.
func TestAnnouncementsAreReadAFewAtATime(t *testing.T) {
	w := newWorker(t)
	w.api.announceWait = 50 * time.Millisecond
	var sending sync.WaitGroup
	var stop []io.Closer
	defer sending.Wait()
	for range maxAnnouncing {
		body, write := io.Pipe()
		stop = append(stop, write)
		sending.Go(func() { w.send(t, http.MethodPost, taskPath, "application/json", "lion", body) })
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	waittest.Until(t, "the room is taken", func() bool {
		if w.api.announcing.take(impatient, maxAnnouncing) != nil {
			return true
		}
		w.api.announcing.give()
		return false
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+taskPath, bytes.NewReader(announcement(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Signature lion")
	r.Header.Set("Date", now())
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "10" {
		t.Error(resp.Status, resp.Header)
	}
	for _, s := range stop {
		s.Close()
	}
	sending.Wait()
	if status, answer := w.send(t, http.MethodPost, taskPath, "application/json", "lion", bytes.NewReader(announcement(t, 1))); status != http.StatusOK {
		t.Error("afterwards:", status, answer)
	}
}

// peak watches the heap until stop, which returns by how many bytes it grew.
func peak(t *testing.T) (stop func() int64) {
	t.Helper()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	runtime.GC()
	before, highest := heap(), int64(0)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			highest = max(highest, heap())
			select {
			case <-over:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(over)
		<-done
		return highest - before
	}
}

// TestManyLargeAnnouncementsTakeLittleMemory: sixty of 15 MB at once, which once
// took 3.9 GB, and sixty of the largest that are accepted.
func TestManyLargeAnnouncementsTakeLittleMemory(t *testing.T) {
	w := newWorker(t)
	largest := announcement(t, maxFiles)
	for what, open := range map[string]func() io.Reader{
		"of 15 MB":    func() io.Reader { return io.LimitReader(endless(' '), 15<<20) },
		"the largest": func() io.Reader { return bytes.NewReader(largest) },
	} {
		stop := peak(t)
		var all sync.WaitGroup
		var taken, refused atomic.Int32
		for range 60 {
			all.Go(func() {
				switch status := w.refusal(t, taskPath, "application/json", open()); status {
				case http.StatusOK:
					taken.Add(1)
				case 0, 413, 429, 503:
					refused.Add(1)
				default:
					t.Error(status)
				}
			})
		}
		all.Wait()
		grown := stop()
		t.Logf("%s: %d MB, %d taken, %d refused", what, grown>>20, taken.Load(), refused.Load())
		if grown > 150<<20 {
			t.Errorf("%s: %d MB more memory", what, grown>>20)
		}
		if taken.Load()+refused.Load() != 60 || (what == "of 15 MB") != (taken.Load() == 0) {
			t.Errorf("%s: %d taken, %d refused", what, taken.Load(), refused.Load())
		}
	}
	var bytes int64
	_ = filepath.Walk(w.api.Spool.Dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	if bytes > 2*maxRecords {
		t.Errorf("%d MB of the disk for what describes uploads", bytes>>20)
	}
}

// TestPartsOfALongListTakeLittleMemory: a request does not keep the list in memory
// while its part is transferred.
func TestPartsOfALongListTakeLittleMemory(t *testing.T) {
	w := newWorker(t)
	_, answer := w.send(t, http.MethodPost, taskPath, "application/json", "lion", bytes.NewReader(announcement(t, maxFiles)))
	task, _ := answer["id"].(string)
	const requests = 200
	var sending sync.WaitGroup
	defer sending.Wait()
	over := make(chan struct{})
	stop := peak(t)
	for i := range requests {
		sending.Go(func() {
			_, err := w.streamed(t, fmt.Sprintf("/api/v2/replay/sessions/%s/task/upload/%d", task, i), func(form *multipart.Writer, _ <-chan struct{}) error {
				f, err := form.CreateFormFile("file", "x")
				if err == nil {
					_, err = f.Write(dump(50))
				}
				<-over
				return fmt.Errorf("cut: %w", err)
			})
			if err == nil {
				t.Error("taken")
			}
		})
	}
	waittest.Until(t, "all parts are on their way", func() bool { return w.writings() >= requests }, func() any { return w.writings() })
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	close(over)
	grown := stop()
	t.Logf("%d MB at most, %d MB in use", grown>>20, m.HeapAlloc>>20)
	if grown > 200<<20 || m.HeapAlloc > 100<<20 {
		t.Errorf("%d MB more memory at most, %d MB in use", grown>>20, m.HeapAlloc>>20)
	}
}

// writings counts the files that are being written to the spool.
func (w *worker) writings() int {
	found, _ := filepath.Glob(filepath.Join(w.api.Spool.Dir, "*", ".writing-*"))
	return len(found)
}
