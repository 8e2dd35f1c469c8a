package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// metric returns the value of a metric of the agent, without the common prefix of names. It
// fails the test if there is no such metric.
func (l *fixture) metric(name string, labels ...string) float64 {
	l.t.Helper()
	n, err := l.agent.Metric(l.t.Context(), "jumpserver_video_"+name, labels...)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// TestUploadsInMetrics: metrics count the results of uploads from Lion, in parts and as
// forms, and from Razor. They also have the sizes of uploads in spool and trash.
func TestUploadsInMetrics(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["TEST_MEASURE"], l.env["NOTIFY_URL"] = "100ms", ""
	began := time.Now().Truncate(time.Second)
	l.startHealthy()
	hollow := filepath.Join(t.TempDir(), "hollow.gz")
	if err := os.WriteFile(hollow, gzipped(t, "4.size,1.0,4.1024,3.768;"+longNops(4000)+"4.sync,4.1000;4.sync,4.9000;"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.gz")
	if err := os.WriteFile(other, gzipped(t, strings.Repeat("another format of Razor's ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		parts, form, raw, empty, strange = "a1111111-1111-4111-8111-111111111111", "a2222222-1111-4111-8111-111111111111",
			"a3333333-1111-4111-8111-111111111111", "a4444444-1111-4111-8111-111111111111", "a5555555-1111-4111-8111-111111111111"
		late, text = "a6666666-1111-4111-8111-111111111111", "a7777777-1111-4111-8111-111111111111"
	)
	newest, older, oldest := l.lion(liontest.Parts), l.lion(liontest.Signed), l.lion(liontest.Raw)
	razor := l.lion(liontest.Signed, func(o *liontest.Options) {
		o.Component, o.Name, o.Dir = "razor", "razor", filepath.Join(l.dir, "razor")
	})
	tiny := sample(t, "tiny/v3/*/*.replay.gz")
	l.recorded(newest, parts, sample(t, "multipart/v4/*/*"))
	l.recorded(older, form, tiny)
	l.recorded(oldest, raw, tiny)
	l.recorded(older, empty, hollow)
	l.ended(newest, parts)
	for id, lion := range map[string]*liontest.Lion{form: older, raw: oldest, empty: older} {
		l.ended(lion, id)
	}
	l.recorded(razor, strange, other)
	if err := older.Record(late, tiny); err != nil { // core does not know this session
		t.Fatal(err)
	}
	l.core.AddSession(devcore.Session{ID: text, User: "a(a)", Asset: "linux", Account: "b(b)", Protocol: "ssh", TerminalType: "koko", Start: sessionStart, Finished: true})
	if err := newest.Record(text, tiny); err != nil {
		t.Fatal(err)
	}
	for id, lion := range map[string]*liontest.Lion{strange: razor, late: older, text: newest} {
		if out, err := lion.End(t.Context(), id, sessionDay); out.Refused == nil {
			t.Errorf("%s: %+v, %v", id, out, err)
		}
	}
	for id, want := range map[string]string{parts: "mp4", form: "mp4", raw: "mp4", empty: "guacamole"} {
		l.until(id, func() bool { return l.served(id) == want })
	}
	l.until("all are counted", func() bool {
		return l.metric("uploads_total", `result="published"`) == 3 && l.metric("uploads_total", `result="as_is"`) == 1
	})
	for labels, want := range map[[2]string]float64{
		{`result="accepted"`, `reason=""`}:                4,
		{`result="refused"`, `reason="not_guacamole"`}:    1,
		{`result="refused"`, `reason="session_unknown"`}:  1,
		{`result="refused"`, `reason="not_graphical"`}:    1,
		{`result="published"`, `reason=""`}:               3,
		{`result="as_is"`, `reason=""`}:                   1,
		{`result="unwanted"`, `reason=""`}:                0,
		{`result="abandoned"`, `reason="expired"`}:        0,
		{`result="refused"`, `reason="core_unavailable"`}: 0,
	} {
		if got := l.metric("uploads_total", labels[:]...); got != want {
			t.Errorf("%v: %v, want %v", labels, got, want)
		}
	}
	if all := l.metric("uploads_total"); all != 11 {
		t.Errorf("%v results of uploads, want 11", all)
	}
	l.until("what is done with is measured", func() bool { return l.metric("spool_uploads", `place="done"`) == 4 })
	if got, want := l.metric("spool_bytes", `place="done"`), l.sizeBelow(filepath.Join(l.dir, "data", "spool", "done")); got != want {
		t.Errorf("the spool holds %v bytes, and says %v", want, got)
	}
	if n := l.metric("spool_uploads"); n != 4 {
		t.Errorf("%v uploads in the spool, want 4", n)
	}
	success := l.metric("last_success_timestamp_seconds")
	if success < float64(began.Unix()) || success > float64(time.Now().Unix()+1) {
		t.Errorf("the last success was at %v", success)
	}
	l.stop()
	l.startHealthy()
	if again := l.metric("last_success_timestamp_seconds"); again != success {
		t.Errorf("the last success was at %v, and after a restart at %v", success, again)
	}
}

// TestUploadsThatComeToNothingInMetrics: a second, different recording of a session stays in
// the spool, and an upload that is not finished is deleted. Metrics show both.
func TestUploadsThatComeToNothingInMetrics(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["TEST_MEASURE"] = "100ms"
	l.startHealthy()
	const id = "b1111111-1111-4111-8111-111111111111"
	lion := l.lion(liontest.Signed)
	l.recorded(lion, id, sample(t, "tiny/v3/*/*.replay.gz"))
	l.ended(lion, id)
	l.until("served", func() bool { return l.served(id) == "mp4" && l.metric("uploads_total", `result="published"`) == 1 })
	if err := lion.Record(id, sample(t, "tiny_jpeg/v3/*/*.replay.gz")); err != nil {
		t.Fatal(err)
	}
	l.ended(lion, id)
	l.until("it failed", func() bool { return l.metric("uploads_total", `result="failed"`) == 1 })
	if n := l.metric("uploads_total", `result="failed"`, `reason="differs"`); n != 1 {
		t.Errorf("metrics: %v", n)
	}
	l.until("it waits in the spool", func() bool {
		return l.metric("spool_uploads", `place="waiting"`) == 1 && l.metric("spool_uploads", `place="done"`) == 1
	})
	l.stop()
	spool := &upload.Spool{Dir: filepath.Join(l.dir, "data", "spool")}
	if _, err := spool.Create(upload.Task{Session: id, Caller: "lion", Files: []upload.File{{Name: id + ".replay.gz"}}}); err != nil {
		t.Fatal(err)
	}
	l.startHealthy()
	if n := l.metric("uploads_total", `result="abandoned"`, `reason="restart"`); n != 1 {
		t.Errorf("abandoned: %v", n)
	}
	l.until("measured", func() bool {
		n, err := l.agent.Metric(t.Context(), "jumpserver_video_spool_uploads", `place="unfinished"`)
		return err == nil && n == 0
	})
}

// TestTheTrashInMetrics: originals on the volume are measured while the agent runs. The last
// values stay while the volume is unavailable.
func TestTheTrashInMetrics(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["TEST_MEASURE"] = "100ms"
	seeds := []string{"c1111111-1111-4111-8111-111111111111", "c2222222-1111-4111-8111-111111111111"}
	for _, id := range seeds {
		l.put(id)
	}
	l.startHealthy()
	for _, id := range seeds {
		l.until(id, func() bool { return l.served(id) == "mp4" })
	}
	l.until("measured", func() bool {
		n, err := l.agent.Metric(t.Context(), "jumpserver_video_trash_originals", `place="expiring"`)
		return err == nil && n == 2
	})
	want := l.sizeBelow(filepath.Join(l.replay(), cleanup.TrashName))
	if got := l.metric("trash_bytes"); got != want || want == 0 {
		t.Errorf("the trash holds %v bytes, and says %v", want, got)
	}
	if n := l.metric("trash_originals", `place="kept"`); n != 0 {
		t.Errorf("%v originals are kept", n)
	}
	away := l.replay() + ".away"
	if err := os.Rename(l.replay(), away); err != nil {
		t.Fatal(err)
	}
	l.until("away", func() bool { return l.metric("volume_up") == 0 })
	measured := l.metric("usage_measured_timestamp_seconds", `of="trash"`)
	waittest.During(t, 500*time.Millisecond, "a volume that is unavailable is not measured", func() bool {
		return l.metric("usage_measured_timestamp_seconds", `of="trash"`) == measured && l.metric("trash_bytes") == want
	})
	if strings.Contains(l.agent.Log(), "cannot be measured") {
		t.Error("the log reports the unavailable volume twice")
	}
}

// sizeBelow returns the size of all files below a folder.
func (l *fixture) sizeBelow(dir string) (size float64) {
	l.t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += float64(info.Size())
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return size
}
