package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// streamed sends a request whose body send writes; over is closed when the request
// has ended.
func (w *worker) streamed(t *testing.T, path string, send func(form *multipart.Writer, over <-chan struct{}) error) (*http.Response, error) {
	t.Helper()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	var sending sync.WaitGroup
	over := make(chan struct{})
	defer sending.Wait()
	defer reader.Close()
	defer close(over)
	sending.Go(func() {
		err := errors.New("the test has failed") // send may end the goroutine
		defer func() { _ = writer.CloseWithError(err) }()
		if err = send(form, over); err == nil {
			err = form.Close()
		}
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Signature lion")
	r.Header.Set("Date", now())
	return client.Do(r)
}

// TestACutConnectionLeavesNothing: the client disconnects in the middle, and will
// store the whole recording elsewhere.
func TestACutConnectionLeavesNothing(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(2)
	for _, path := range []string{"/api/v2/replay/sessions/" + session + "/task/", ""} {
		if path == "" {
			task := w.task(t, names, parts)
			if status, answer := w.part(t, "lion", task, 0, names[0], parts[names[0]]); status != http.StatusOK {
				t.Fatal(status, answer)
			}
			path = "/api/v2/replay/sessions/" + task + "/task/upload/1"
		}
		resp, err := w.streamed(t, path, func(form *multipart.Writer, _ <-chan struct{}) error {
			f, err := form.CreateFormFile("file", names[1])
			if err == nil {
				_, err = f.Write(parts[names[1]][:100])
			}
			if err == nil {
				waittest.Until(t, "the part is being written", w.writing)
			}
			return errors.Join(err, errors.New("cut"))
		})
		if err == nil {
			resp.Body.Close()
			t.Error(resp.Status)
		}
		waittest.Until(t, "the spool is empty", func() bool {
			left, err := os.ReadDir(w.api.Spool.Dir)
			return err == nil && len(left) == 0
		})
		w.empty(t)
	}
}

// writing reports whether a file is being written to the spool.
func (w *worker) writing() bool {
	found, err := filepath.Glob(filepath.Join(w.api.Spool.Dir, "*", ".writing-*"))
	return err == nil && len(found) > 0
}

// TestASlowUploadIsNotCut, but a stalled one is.
func TestASlowUploadIsNotCut(t *testing.T) {
	w := newWorker(t)
	w.api.Silence = time.Second
	names, parts := lexicographic(1)
	data := parts[names[0]]
	for _, stands := range []bool{false, true} {
		resp, err := w.streamed(t, "/api/v2/replay/sessions/"+w.task(t, names, parts)+"/task/upload/0", func(form *multipart.Writer, over <-chan struct{}) error {
			f, err := form.CreateFormFile("file", names[0])
			step := len(data)/12 + 1
			for at := 0; err == nil && at < len(data); at += step {
				time.Sleep(100 * time.Millisecond) // longer than the allowed silence in total
				if stands && at > len(data)/2 {
					<-over
				}
				_, err = f.Write(data[at:min(len(data), at+step)])
			}
			return err
		})
		if err == nil {
			resp.Body.Close()
		}
		want := http.StatusOK
		if stands {
			want = http.StatusRequestTimeout
		}
		if err != nil || resp.StatusCode != want {
			t.Errorf("stands still %v: %+v, %v", stands, resp, err)
		}
	}
	if len(w.accepted) != 1 {
		t.Errorf("%d accepted", len(w.accepted))
	}
}

// TestABodyThatNobodyReadsHoldsNoConnection: a client without access, or with a
// wrong path, cannot keep a connection open by announcing a body.
func TestABodyThatNobodyReadsHoldsNoConnection(t *testing.T) {
	w := newWorker(t)
	w.api.Unread = 100 * time.Millisecond
	for _, path := range []string{"/api/v2/replay/sessions/" + session + "/task/", "/nowhere", "/api/v1/users/profile/", "/ws/events/"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if answer, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 40")) {
			t.Errorf("%s: %v %s", path, err, answer)
		}
		conn.Close()
	}
}
