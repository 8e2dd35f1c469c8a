package transcode_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// TestATaskTellsWhatMayBeMissing: the task and its log name an unknown instruction and an
// unknown kind of image. The task is done nevertheless.
func TestATaskTellsWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	odd := "8.hologram,1.1;3.img,1.1,2.14,1.0,10.image/avif,1.0,1.0;4.blob,1.1,4.AAAA;3.end,1.1;8.hologram,1.2;"
	s.write(s.path, gz(t, append([]byte(odd), dump(1, 1000, 4)...)))
	v := s.work(cleanup.PolicyTrash)
	if v.State != queue.StateDone {
		t.Fatalf("%s: %s", v.State, v.Error)
	}
	told := []string{`skipped image type "image/avif" (1 times)`, `skipped opcode "hologram" (2 times)`}
	if got := strings.Join(v.Warnings, "\n"); got != strings.Join(told, "\n") {
		t.Errorf("the task tells %q", got)
	}
	log, err := os.ReadFile(filepath.Join(s.data(), "tasks", session, "task.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"the video may not show everything", "hologram", "image/avif"} {
		if !strings.Contains(string(log), text) {
			t.Errorf("%q is not in the log:\n%s", text, log)
		}
	}
}
