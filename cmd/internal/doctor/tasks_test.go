package doctor

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// busy returns a doctor for an agent's task API, and the agent's queue.
func busy(t *testing.T) (*Doctor, *queue.Queue) {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Options{Dir: filepath.Join(t.TempDir(), "queue"), Owner: "worker-1:9000"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	s := httptest.NewServer((&taskapi.Server{Queue: q, Access: taskapi.NewAccess("", slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler)}).Handler())
	t.Cleanup(s.Close)
	cfg := config.Config{BindHost: "127.0.0.1", Port: config.Port(s.Listener.Addr().(*net.TCPAddr).Port)}
	return &Doctor{Config: cfg}, q
}

// ends moves a task to a state with a reason.
func ends(t *testing.T, q *queue.Queue, id string, state queue.State, class task.Class, because string) {
	t.Helper()
	source, err := json.Marshal(task.Source{Path: "2026-11-22/" + id + ".replay.gz"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := q.Submit(t.Context(), queue.Task{ID: id, Source: source, Fingerprint: id}); err != nil {
		t.Fatal(err)
	}
	lease, err := q.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = lease.Release(func(item *queue.Task) {
		item.State, item.Reason, item.Error, item.Next = state, class, because, time.Now().Add(time.Hour)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTasksThatFailedOrWait: there is one finding per reason, most failures first,
// each with a fix. Tasks without a problem have none.
func TestTasksThatFailedOrWait(t *testing.T) {
	t.Parallel()
	d, q := busy(t)
	id := func(n string) string { return "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e" + n }
	ends(t, q, id("01"), queue.StateSkipped, task.ClassKind, "a koko JSON recording")
	ends(t, q, id("02"), queue.StateSettling, task.ClassSessionActive, "core says that the session is not over")
	if d := cmp.Diff([]string{"tasks ok none of 2 has failed or is being retried; "}, told(d.tasks(t.Context()))); d != "" {
		t.Error(d)
	}
	ends(t, q, id("03"), queue.StateRetrying, task.ClassDiskFull, "no space left on device")
	ends(t, q, id("04"), queue.StateFailed, task.ClassEncoder, "ffmpeg ended with 1")
	ends(t, q, id("05"), queue.StateFailed, task.ClassEncoder, "ffmpeg ended with 2")
	ends(t, q, id("06"), queue.StateRetrying, task.ClassEncoder, "ffmpeg ended with 3")
	ends(t, q, id("07"), queue.StateFailed, "of_a_newer_agent", "who knows")
	want := []string{
		"tasks warning 2 failed, 1 retrying: encoder: The encoder failed; last: ffmpeg ended with 3; " + task.ReasonOf(task.ClassEncoder).Hint,
		"tasks warning 1 failed: of_a_newer_agent: of a newer agent; last: who knows; see jumpserver-video tasks",
		"tasks warning 1 retrying: disk_full: A disk is full; last: no space left on device; " + task.ReasonOf(task.ClassDiskFull).Hint,
	}
	if d := cmp.Diff(want, told(d.tasks(t.Context()))); d != "" {
		t.Error(d)
	}
}

// told returns findings in English.
func told(findings []Finding) (all []string) {
	for _, f := range findings {
		all = append(all, fmt.Sprintf("%s %s %s; %s", f.Check, f.Level, f.Detail, f.Fix))
	}
	return all
}

// TestTasksThatCannotBeListed: an agent that refuses the request is reported here. An
// agent that does not run is reported by the check of the agent.
func TestTasksThatCannotBeListed(t *testing.T) {
	t.Parallel()
	d := &Doctor{Config: config.Config{BindHost: "127.0.0.1", Port: 1}}
	if found := d.tasks(t.Context()); len(found) > 0 {
		t.Errorf("no agent: %+v", found)
	}
	respond(t, d, httptest.NewServer, http.StatusOK, "It works!")
	if found := d.tasks(t.Context()); len(found) > 0 {
		t.Errorf("something else: %+v", found)
	}
	respond(t, d, httptest.NewServer, http.StatusUnauthorized, `{"error":"only from this host"}`)
	if found := d.tasks(t.Context()); len(found) != 1 || found[0].Level != Warn || !strings.Contains(found[0].Detail.String(), "only from this host") || found[0].Fix.IsZero() {
		t.Errorf("refused: %+v", found)
	}
}
