package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// TestTheVolumeFailsAndTheAgentAnswers: whatever the volume does, health, status page, tasks and
// metrics respond at once, and heartbeats continue. When the volume works again, all tasks
// are done.
func TestTheVolumeFailsAndTheAgentAnswers(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	seeds := planted(t, l)
	point := filepath.Join(t.TempDir(), "replay")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	volume, err := volumetest.Mount(l.replay(), point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(volume.Vanish)
	l.env["REPLAY_DIR"], l.env["TEST_BEAT"] = point, "200ms"
	gate := make(chan struct{})
	open := false
	t.Cleanup(func() {
		if !open {
			close(gate)
		}
	})
	volume.Set(volumetest.Fault{Op: "rename", Errno: syscall.EROFS}) // no task ends before all faults were tried
	l.startHealthy()
	for _, step := range []struct {
		name  string
		begin func()
	}{
		{"EIO", func() { volume.Set(volumetest.Fault{Errno: syscall.EIO}) }},
		{"ESTALE", func() { volume.Set(volumetest.Fault{Errno: syscall.ESTALE}) }},
		{"EACCES", func() { volume.Set(volumetest.Fault{Errno: syscall.EACCES}) }},
		{"vanished", volume.Vanish},
		{"hangs", func() {
			if err := volume.Mount(); err != nil {
				t.Fatal(err)
			}
			volume.Set(volumetest.Fault{Hang: gate})
		}},
	} {
		step.begin()
		began := time.Now()
		beats := l.beats()
		for n := 0; n < 5 || l.beats() < beats+3; n++ {
			for _, path := range []string{"/video-worker/health/", "/video-worker/", taskapi.Prefix + "/tasks", metrics.Path} {
				asked := time.Now()
				status, body := l.get(path, "", "")
				if took := time.Since(asked); took > 5*time.Second || status == 0 || status == http.StatusInternalServerError {
					t.Errorf("%s: %s: %d after %s: %s", step.name, path, status, took, body)
				}
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("%s: no heartbeats", step.name)
			}
			time.Sleep(200 * time.Millisecond) // the pace of the checks
		}
	}
	volume.Set()
	close(gate)
	open = true
	l.until("healthy again", func() bool { return l.health() == http.StatusOK })
	for _, s := range seeds {
		l.until(s.what, func() bool {
			_, _ = l.command("tasks", "retry", s.id) // now, not in some minutes
			return l.served(s.id) == "mp4"
		})
	}
}

// beats returns the number of heartbeats that core got.
func (l *fixture) beats() (n int) {
	for _, r := range l.core.Requests() {
		if strings.HasSuffix(r.Path, "/terminals/status/") {
			n++
		}
	}
	return n
}
