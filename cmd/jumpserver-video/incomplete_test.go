package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// withOpcode returns a recording with an additional instruction at its end.
func withOpcode(t *testing.T, file, instruction string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.Copy(w, z); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, instruction); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestAnMP4ThatMayNotShowEverythingIsTold: it is in the list, selected by a filter, in a
// metric, and on the page. Its original is kept despite ORIGINALS=delete.
func TestAnMP4ThatMayNotShowEverythingIsTold(t *testing.T) {
	t.Parallel()
	const session = "eeeeeeee-1111-4111-8111-111111111111"
	l := newFixture(t, "4.10.13")
	l.env["ORIGINALS"] = "delete"
	l.put(session)
	original := filepath.Join(l.replay(), sessionDay, session+".replay.gz")
	data := withOpcode(t, original, "4.h264,1.0,4.AAAA;")
	if err := os.WriteFile(original, data, 0o644); err != nil {
		t.Fatal(err)
	}
	l.startHealthy()
	var views []task.View
	l.until("done", func() bool {
		out, _ := l.command("tasks", "--incomplete", "--state", "done", "--json")
		views = nil
		return json.Unmarshal([]byte(out), &views) == nil && len(views) == 1
	})
	v := views[0]
	if v.State != queue.StateDone || v.Reason != task.ClassNotAllShown || !strings.Contains(strings.Join(v.Incomplete, ";"), `"h264"`) {
		t.Errorf("%+v", v)
	}
	if out, _ := l.command("tasks"); !strings.Contains(out, "not_all_shown: The MP4 may not show everything") {
		t.Errorf("tasks says\n%s", out)
	}
	if n, err := l.agent.Metric(t.Context(), "jumpserver_video_tasks", `state="done"`, `reason="not_all_shown"`); err != nil || n != 1 {
		t.Errorf("metric: %v, %v", n, err)
	}
	if n, err := l.agent.Metric(t.Context(), "jumpserver_video_incomplete_videos"); err != nil || n != 1 {
		t.Errorf("metric: %v, %v", n, err)
	}
	if _, body := l.get(statuspage.StatusPath, "", ""); !strings.Contains(body, `"class":"not_all_shown"`) {
		t.Errorf("the page gets %s", body)
	}
	kept, err := filepath.Glob(filepath.Join(l.replay(), cleanup.TrashName, "kept", "*", sessionDay, session+".replay.gz"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	if have, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(have, data) {
		t.Errorf("the original was changed: %v", err)
	}
}
