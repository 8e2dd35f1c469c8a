package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// TestWithoutAVolume: the agent works like Video-Worker, only with uploads and core's own
// storage. What Lions of all releases upload is served as MP4. If core loses an MP4, a retry
// makes it again.
func TestWithoutAVolume(t *testing.T) {
	t.Parallel()
	for _, version := range releases() {
		for name, dir := range map[string]string{"none": "", "never there": "/nonexistent/core/data/media/replay"} {
			t.Run(version+" "+name, func(t *testing.T) {
				t.Parallel()
				l := newFixture(t, version)
				l.env["REPLAY_DIR"], l.env["ORIGINALS"] = dir, "delete"
				l.startHealthy()
				sessions := map[string]*liontest.Lion{}
				for i, era := range liontest.Eras {
					id := fmt.Sprintf("%08x-2222-4111-8111-111111111111", i)
					sessions[id] = l.lion(era)
					from := sample(t, "tiny/v3/*/*.replay.gz")
					if era == liontest.Parts {
						from = sample(t, "multipart/v4/*/*")
					}
					l.recorded(sessions[id], id, from)
					l.ended(sessions[id], id)
				}
				for id := range sessions {
					l.until(id, func() bool { return l.served(id) == "mp4" && l.marked(id) })
					l.until("told of "+id, func() bool { return l.events(id) == toldOfUpload })
					l.sized(id, version)
				}
				kept := func() int {
					found, err := filepath.Glob(l.agent.Data("spool", "done", "*", "task.json"))
					if err != nil {
						t.Fatal(err)
					}
					return len(found)
				}
				l.until("uploads are kept", func() bool { return kept() == len(sessions) })
				for _, r := range l.core.Requests() {
					if r.Method == http.MethodGet && strings.Contains(r.Path, "/replay/") {
						t.Errorf("the agent has requested %s", r.Path)
					}
				}

				const lost = "00000000-2222-4111-8111-111111111111"
				if err := os.Remove(filepath.Join(l.replay(), sessionDay, lost+".replay.mp4")); err != nil {
					t.Fatal(err)
				}
				if out, code := l.command("tasks", "retry", lost); code != 0 {
					t.Fatalf("%d %s", code, out)
				}
				l.until("served again", func() bool { return l.served(lost) == "mp4" })
				l.until("kept again", func() bool { return kept() == len(sessions) })
				l.until("done", func() bool {
					v, err := l.agent.API.Task(t.Context(), lost)
					return err == nil && v.State == queue.StateDone
				})
				l.eventsOnce(sessions)

				out, code := l.command("doctor")
				if code != 0 || !strings.Contains(out, "uploads and buckets only") {
					t.Errorf("doctor: %d\n%s", code, out)
				}
				if status := l.health(); status != http.StatusOK {
					t.Errorf("health: %d", status)
				}
				if err := os.RemoveAll(l.agent.Data("spool", "done")); err != nil {
					t.Fatal(err)
				}
				if out, code := l.command("tasks", "retry", lost); code == 0 || !strings.Contains(out, "no longer exists") {
					t.Errorf("%d %s", code, out)
				}
			})
		}
	}
}

// TestAVolumeThatWentAwayIsUnavailable: a volume that no longer exists is unavailable, also
// for the next agent. The agent accepts uploads, which wait for the volume.
func TestAVolumeThatWentAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["SCAN_INTERVAL"] = "100ms"
	link := filepath.Join(l.dir, "mounted")
	l.env["REPLAY_DIR"] = link
	l.startHealthy()
	if err := os.MkdirAll(l.replay(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(l.replay(), link); err != nil {
		t.Fatal(err)
	}
	l.until("the volume is used", func() bool { return strings.Contains(l.agent.Log(), "watching the replay volume") })
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	l.until("unavailable", func() bool { return l.health() == http.StatusServiceUnavailable })
	l.stop()
	l.start()
	l.until("unavailable after the restart", func() bool {
		return l.health() == http.StatusServiceUnavailable && strings.Contains(l.agent.Log(), "but did before")
	})
	if out, code := l.command("doctor"); code == 0 || !strings.Contains(out, "does not exist any more") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
	l.until("uploads are accepted", func() bool {
		_, body := l.get("/video-worker/health/", "", "")
		var report health.Report
		return json.Unmarshal([]byte(body), &report) == nil && report.Conditions.Of(health.Uploads).OK
	})
	lion, id := l.lion(liontest.Signed), "eeeeeeee-4444-4111-8111-111111111111"
	l.recorded(lion, id, sample(t, "tiny/v3/*/*.replay.gz"))
	l.ended(lion, id)
	l.until("the upload waits", func() bool {
		v, err := l.agent.API.Task(t.Context(), id)
		return err == nil && v.State == queue.StateRetrying && v.Reason == "volume_unavailable"
	})
	if s, _ := l.core.Session(id); s.HasReplay || l.served(id) == "mp4" {
		t.Error("it was published without the volume")
	}
	if err := os.Symlink(l.replay(), link); err != nil {
		t.Fatal(err)
	}
	l.until("well again", func() bool { return l.health() == http.StatusOK })
	if err := l.agent.API.Retry(t.Context(), id, ""); err != nil && !strings.Contains(err.Error(), "in progress") {
		t.Error(err)
	}
	l.until("served", func() bool { return l.served(id) == "mp4" })
}
