package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// results are what became of uploads, and how often.
type results struct {
	mu sync.Mutex
	n  map[string]int // by result and reason; guarded by mu
}

func (r *results) count(result Result, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[string]int{}
	}
	r.n[strings.TrimSpace(string(result)+" "+reason)]++
}

// take returns the results since the last call.
func (r *results) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.n
	r.n = nil
	return n
}

// TestResultsAreCounted: each upload once, in both ways, whatever it was refused
// for. Requests that belong to no upload are not counted.
func TestResultsAreCounted(t *testing.T) {
	names, parts := lexicographic(2)
	ready := func(err error) func(*worker) {
		return func(w *worker) { w.api.Ready = func() error { return err } }
	}
	core := func(err error) func(*worker) {
		return func(w *worker) { w.api.Admit = func(context.Context, string) error { return err } }
	}
	flat := func(w *worker, t *testing.T) { w.form(t, [2]string{"file", string(dump(300))}) }
	listed := func(key string) func(*worker, *testing.T) {
		return func(w *worker, t *testing.T) { w.announce(t, key, names, parts) }
	}
	for name, tc := range map[string]struct {
		change func(*worker)
		send   func(*worker, *testing.T)
		want   map[string]int
	}{
		"a form": {nil, flat, map[string]int{"accepted": 1}},
		"parts": {nil, func(w *worker, t *testing.T) {
			id := w.task(t, names, parts)
			for i, name := range names {
				w.part(t, "lion", id, i, name, parts[name])
			}
			w.part(t, "lion", id, 1, names[1], parts[names[1]]) // the response was lost
		}, map[string]int{"accepted": 1}},
		"parts that are not complete": {nil, listed("lion"), nil},
		"a login":                     {nil, func(w *worker, t *testing.T) { w.login(t) }, nil},
		"a login that is refused": {nil, func(w *worker, t *testing.T) {
			w.send(t, http.MethodGet, "/api/v1/users/profile/", "", "nobody", nil)
		}, nil},
		"no signature":         {nil, listed(""), map[string]int{"refused unauthorized": 1}},
		"another core's key":   {nil, listed("nobody"), map[string]int{"refused unauthorized": 1}},
		"a person":             {nil, listed("person"), map[string]int{"refused forbidden": 1}},
		"core does not answer": {nil, listed("down"), map[string]int{"refused core_unavailable": 1}},
		"core cannot be asked": {core(errors.New("connection refused")), flat, map[string]int{"refused core_unavailable": 1}},
		"an unknown session":   {core(fmt.Errorf("%w: no row", ErrNoSession)), listed("lion"), map[string]int{"refused session_unknown": 1}},
		"a session of text":    {core(fmt.Errorf("%w: by koko", ErrNoPicture)), flat, map[string]int{"refused not_graphical": 1}},
		"not ready":            {ready(errors.New("ffmpeg is missing")), flat, map[string]int{"refused not_ready": 1}},
		"no room":              {func(w *worker) { w.api.Spool.Reserve = 1 << 62 }, flat, map[string]int{"refused disk_full": 1}},
		"too many uploads": {func(w *worker) { w.api.Spool.MaxOpen = 1 }, func(w *worker, t *testing.T) {
			w.task(t, names, parts)
			w.announce(t, "lion", names, parts)
		}, map[string]int{"refused too_many": 1}},
		"another format of Razor's": {nil, func(w *worker, t *testing.T) {
			w.form(t, [2]string{"component_type", "razor"}, [2]string{"file", "not a dump of anything"})
		}, map[string]int{"refused not_guacamole": 1}},
		"a part is damaged": {nil, func(w *worker, t *testing.T) {
			w.part(t, "lion", w.task(t, names, parts), 0, names[0], parts[names[1]])
		}, map[string]int{"refused damaged": 1}},
		"a part of another worker's": {nil, func(w *worker, t *testing.T) {
			w.part(t, "lion", "00000000-0000-4000-8000-000000000000", 0, names[0], parts[names[0]])
		}, map[string]int{"refused upload_unknown": 1}},
		"a part of another account's": {nil, func(w *worker, t *testing.T) {
			w.part(t, "other", w.task(t, names, parts), 0, names[0], parts[names[0]])
		}, map[string]int{"refused forbidden": 1}},
		"a list that is none": {nil, func(w *worker, t *testing.T) {
			w.send(t, http.MethodPost, taskPath, "application/json", "lion", strings.NewReader("[]"))
		}, map[string]int{"refused invalid": 1}},
		"a list that is too long": {nil, func(w *worker, t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+taskPath, strings.NewReader("["+strings.Repeat(" ", maxMeta)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Signature lion"}, "Date": {w.date}, "X-Jms-Org": {"ROOT"}}
			if resp, err := client.Do(r); err == nil { // the connection may be closed before all is sent
				resp.Body.Close()
			}
		}, map[string]int{"refused invalid": 1}},
		"a client that falls silent": {func(w *worker) { w.api.Silence = 50 * time.Millisecond }, func(w *worker, t *testing.T) {
			resp, err := w.streamed(t, taskPath, func(form *multipart.Writer, over <-chan struct{}) error {
				part, err := form.CreateFormFile("file", session)
				if err == nil {
					_, err = part.Write(dump(300)[:100])
				}
				<-over
				return err
			})
			if err != nil || resp.StatusCode != http.StatusRequestTimeout {
				t.Error(resp, err)
			}
		}, map[string]int{"refused interrupted": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w, got := newWorker(t), &results{}
			w.api.Spool.Count = got.count
			if tc.change != nil {
				tc.change(w)
			}
			tc.send(w, t)
			n := got.take()
			if d := cmp.Diff(tc.want, n); d != "" {
				t.Error(d)
			}
			for what := range n {
				result, reason, refused := strings.Cut(what, " ")
				if refused && !slices.Contains(Reasons[Result(result)], reason) {
					t.Errorf("%q is not in the list of reasons", what)
				}
			}
		})
	}
}

// TestAConnectionThatIsCutIsCountedAsSuch, and not as a fault of the agent's.
func TestAConnectionThatIsCutIsCountedAsSuch(t *testing.T) {
	w, got := newWorker(t), &results{}
	w.api.Spool.Count = got.count
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	kind, body := encoded([][2]string{{"file", string(dump(300))}}, session)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: w\r\nAuthorization: Signature lion\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		taskPath, now(), kind, body.Len())
	if _, err := io.CopyN(conn, body, 400); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "it has begun", w.writing)
	conn.Close()
	var n map[string]int
	waittest.Until(t, "it is refused", func() bool { n = got.take(); return n != nil })
	if d := cmp.Diff(map[string]int{"refused interrupted": 1}, n); d != "" {
		t.Error(d)
	}
}

// TestWhatBecomesOfUploadsIsCounted: once for each, however often it is released.
func TestWhatBecomesOfUploadsIsCounted(t *testing.T) {
	got := &results{}
	s := &Spool{Dir: t.TempDir(), Keep: time.Hour, KeepOld: -1, Count: got.count}
	for _, result := range []Result{Published, AsIs, Unwanted} {
		task := finished(t, s)
		for range 2 {
			if err := s.Release(task.ID, NeedNothing, result); err != nil {
				t.Error(err)
			}
		}
	}
	file := finished(t, s)
	if err := os.WriteFile(s.Dir+"/kept", nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	if err := s.Release(file.ID, NeedContent, Published); err == nil {
		t.Error("it was moved to a folder that cannot exist")
	}
	begun(t, s, 2) // expires
	finished(t, s) // does not
	if n, err := s.Expire(time.Now().Add(2 * time.Hour)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	begun(t, s, 2)
	if n, err := s.Recover(time.Now()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	want := map[string]int{"published": 1, "as_is": 1, "unwanted": 1, "abandoned expired": 1, "abandoned restart": 1}
	if d := cmp.Diff(want, got.take()); d != "" {
		t.Error(d)
	}
}
