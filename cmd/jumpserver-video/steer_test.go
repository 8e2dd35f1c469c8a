package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// recordedOnVolume adds an ended session whose recording is on the volume, and
// returns the recording's path.
func (l *fixture) recordedOnVolume(id, pattern string) string {
	l.t.Helper()
	l.core.AddSession(devcore.Session{ID: id, User: "Ivanov(ivanov)", Asset: "sql-7", Protocol: "rdp", TerminalType: "lion",
		Start: sessionStart, End: sessionStart.Add(time.Minute), Finished: true})
	from := sample(l.t, pattern)
	to := filepath.Join(l.replay(), sessionDay, id+".replay.gz")
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		l.t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		l.t.Fatal(err)
	}
	return to
}

// must runs a command that must succeed.
func (l *fixture) must(args ...string) string {
	l.t.Helper()
	out, code := l.command(args...)
	if code != 0 {
		l.t.Fatalf("%v: %d\n%s", args, code, out)
	}
	return out
}

func (l *fixture) state(id string) queue.State {
	v, err := l.agent.API.Task(l.t.Context(), id)
	if err != nil {
		return ""
	}
	return v.State
}

// TestAnOperatorSteersTheAgent: commands pause and resume the agent, set limits, and choose
// the next task. A pause continues after a restart.
func TestAnOperatorSteersTheAgent(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["VIDEO_WORKER_COUNT"] = "2"
	l.startHealthy()
	if out := l.must("pause"); !strings.Contains(out, "Paused since") {
		t.Error(out)
	}
	ids := make([]string, 3)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08d-7777-4111-8111-111111111111", i+1)
		l.recordedOnVolume(ids[i], "tiny/v3/*/*.replay.gz")
	}
	l.until("all wait", func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return l.state(id) != queue.StateQueued })
	})
	l.stop()
	l.startHealthy()
	waittest.During(t, 3*time.Second, "still paused after a restart", func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return l.state(id) != queue.StateQueued })
	}, func() any { return []queue.State{l.state(ids[0]), l.state(ids[1]), l.state(ids[2])} })
	if status, body := l.get("/video-worker/health/", "", ""); status != http.StatusOK || !strings.Contains(body, "the agent is paused: since") {
		t.Errorf("health: %d %s", status, body)
	}
	if out, code := l.command("doctor", "--lang", "ru"); code != 0 || !strings.Contains(out, "jumpserver-video resume") {
		t.Errorf("doctor: %d %s", code, out)
	}

	if out := l.must("limits", "--workers", "1", "--cpu-target", "100"); !strings.Contains(out, "1 recording at once, set by an operator instead of 2") {
		t.Error(out)
	}
	last := ids[0] // all have the same time, so the ids decide
	if out := l.must("tasks", "next", ids[2][:8]); !strings.Contains(out, ids[2]+" is next in the queue") {
		t.Error(out)
	}
	var limits struct {
		CPUTarget int `json:"cpu_target"`
		Workers   int `json:"workers"`
		Paused    *struct{ By string }
	}
	if err := json.Unmarshal([]byte(l.must("limits", "--json")), &limits); err != nil || limits.CPUTarget != 100 || limits.Workers != 1 || limits.Paused == nil {
		t.Errorf("%+v, %v", limits, err)
	}
	if out := l.must("resume"); !strings.Contains(out, "Not paused.") {
		t.Error(out)
	}
	l.until("all are done", func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return l.state(id) != queue.StateDone })
	})
	at := func(id string) time.Time {
		v, err := l.agent.API.Task(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return v.Updated
	}
	if !at(ids[2]).Before(at(last)) || !at(ids[2]).Before(at(ids[1])) {
		t.Errorf("what should have been next was done at %v, others at %v and %v", at(ids[2]), at(last), at(ids[1]))
	}
	if out := l.must("limits", "--workers", "default", "--cpu-target", "default"); strings.Contains(out, "set by an operator") || !strings.Contains(out, "2 recordings at once") {
		t.Error(out)
	}
	for _, wrong := range [][]string{{"limits", "--workers", "0"}, {"limits", "--workers", "1000"}, {"limits", "--cpu-target", "101"}, {"limits", "--cpu-target", "much"}, {"tasks", "retry"}} {
		if out, code := l.command(wrong...); code != 2 {
			t.Errorf("%v: %d %s", wrong, code, out)
		}
	}
	if out, code := l.command("tasks", "next", last); code != 1 || !strings.Contains(out, "The task is done.") && !strings.Contains(out, "the task is done") {
		t.Errorf("next of what is done: %d %s", code, out)
	}
	log := l.agent.Log()
	for _, action := range []string{"action=steer", "action=next"} {
		if !strings.Contains(log, action) {
			t.Errorf("the log does not contain %s:\n%s", action, log)
		}
	}
	if !strings.Contains(log, "with the command line from 127.") {
		t.Error("the log does not contain the user")
	}
}

// TestRetryByFilter: only tasks that user, state and day select are retried.
func TestRetryByFilter(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	const cut, other = "00000001-8888-4111-8111-111111111111", "00000002-8888-4111-8111-111111111111"
	file := l.recordedOnVolume(cut, "tiny/v3/*/*.replay.gz")
	for _, id := range []string{cut, other} { // not recordings, but long enough
		l.core.AddSession(devcore.Session{ID: id, User: map[string]string{cut: "Ivanov(ivanov)", other: "Petrov(petrov)"}[id], Asset: "sql-7", Protocol: "rdp",
			TerminalType: "lion", Start: sessionStart, End: sessionStart.Add(time.Minute), Finished: true})
		broken := gzipped(t, strings.Repeat("no recording at all ", 4000))
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), id+".replay.gz"), broken, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.startHealthy()
	l.until("both have failed or were skipped", func() bool {
		return l.state(cut).Final() && l.state(other).Final()
	})
	state := string(l.state(cut))
	updated := func(id string) time.Time {
		v, err := l.agent.API.Task(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return v.Updated
	}
	before := map[string]time.Time{cut: updated(cut), other: updated(other)}
	if out := l.must("tasks", "retry", "--dry-run", "--state", state, "--user", "IVANOV"); !strings.Contains(out, cut) || strings.Contains(out, other) {
		t.Error(out)
	}
	if out := l.must("tasks", "retry", "--state", state, "--user", "ivanov", "--from", sessionStart.Local().Format(time.DateOnly)); !strings.Contains(out, "1 task is retried") {
		t.Error(out)
	}
	l.until("the one was tried again", func() bool { return updated(cut).After(before[cut]) && l.state(cut).Final() })
	if !updated(other).Equal(before[other]) {
		t.Error("the other was tried again, too")
	}
}

// TestOriginalsAreRestored: originals are restored to the volume and the spool, and core
// serves them again. A restart does not convert them again; a retry does.
func TestOriginalsAreRestored(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	const flat, parts, sent = "00000001-9999-4111-8111-111111111111", "00000002-9999-4111-8111-111111111111", "00000003-9999-4111-8111-111111111111"
	file := l.recordedOnVolume(flat, "tiny/v3/*/*.replay.gz")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l.core.AddSession(devcore.Session{ID: parts, User: "u", Asset: "a", Protocol: "rdp", TerminalType: "lion", Start: sessionStart, End: sessionStart.Add(time.Minute), Finished: true})
	from := filepath.Dir(sample(t, "multipart/v4/*/*/*.replay.json"))
	id := filepath.Base(from)
	folder := filepath.Join(l.replay(), sessionDay, parts)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name(), ".json") {
			data = []byte(strings.ReplaceAll(string(data), id, parts))
		}
		if err := os.WriteFile(filepath.Join(folder, strings.ReplaceAll(e.Name(), id, parts)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.startHealthy()
	lion := l.lion(liontest.Signed)
	l.recorded(lion, sent, sample(t, "tiny/v3/*/*.replay.gz"))
	l.ended(lion, sent)
	all := []string{flat, parts, sent}
	done := func() bool {
		return !slices.ContainsFunc(all, func(id string) bool { return l.state(id) != queue.StateDone })
	}
	l.until("all are done", done)
	var items []task.Trashed
	list := func() map[string]task.Trashed {
		t.Helper()
		items = nil
		if err := json.Unmarshal([]byte(l.must("trash", "list", "--json")), &items); err != nil {
			t.Fatal(err)
		}
		by := map[string]task.Trashed{}
		for _, i := range items {
			by[i.Session] = i
		}
		return by
	}
	l.until("all are in the trash", func() bool { return len(list()) == 3 })
	by := list()
	for id, want := range map[string][2]string{flat: {"volume", sessionDay + "/" + flat + ".replay.gz"}, parts: {"volume", sessionDay + "/" + parts}, sent: {"spool", ""}} {
		if got := by[id]; got.Place != want[0] || want[1] != "" && got.From != want[1] || got.Bytes == 0 || got.MP4 {
			t.Errorf("%s: %+v", id, got)
		}
	}
	if out := l.must("trash", "list", flat[:8], "--lang", "zh-CN"); !strings.Contains(out, flat) || strings.Contains(out, parts) {
		t.Error(out)
	}

	if out := l.must("trash", "restore", flat[:8]); !strings.Contains(out, sessionDay+"/"+flat+".replay.gz is back in its place") {
		t.Error(out)
	}
	l.must("trash", "restore", parts)
	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("the original was changed: %v", err)
	}
	if got := l.served(flat); got != "guacamole" {
		t.Errorf("core serves %s", got)
	}
	if _, err := os.Stat(filepath.Join(folder, parts+".replay.json")); err != nil {
		t.Error(err)
	}
	if out, code := l.command("trash", "restore", flat); code != 1 || !strings.Contains(out, "no trash has an original") {
		t.Errorf("an original that is no longer in the trash: %d %s", code, out)
	}
	l.stop()
	l.startHealthy()
	var v task.View
	waittest.During(t, 3*time.Second, "what was restored is not converted again", func() bool {
		return !slices.ContainsFunc([]string{flat, parts}, func(id string) bool {
			var err error
			v, err = l.agent.API.Task(t.Context(), id)
			return err != nil || v.State != queue.StateSkipped || v.Reason != "restored" || len(v.Originals) > 0
		})
	}, func() any { return v })
	if out := l.must("verify", flat); !strings.Contains(out, "moved back for an operator") {
		t.Error(out)
	}
	if out := l.must("trash", "restore", sent[:8]); !strings.Contains(out, "back in the spool") {
		t.Error(out)
	}
	l.until("the upload was converted again", func() bool { return l.state(sent) == queue.StateDone && list()[sent].Place == "spool" })

	l.must("tasks", "retry", flat, parts)
	l.until("done again", done)
	if got := l.served(flat); got != "mp4" || len(list()) != 3 {
		t.Errorf("core serves %s; trash: %v", got, items)
	}
	if log := l.agent.Log(); !strings.Contains(log, "action=restore") {
		t.Error("the log does not contain the restores")
	}
}

// TestBucketOriginalsAreRestored: originals are restored to a bucket. The agent does not
// convert them again; a retry does.
func TestBucketOriginalsAreRestored(t *testing.T) {
	t.Parallel()
	b := newBucketFixture(t, storagetest.S3(t), "4.10.13")
	const id = "00000004-9999-4111-8111-111111111111"
	b.recordedOnVolume(id, "tiny/v3/*/*.replay.gz")
	b.move(b.replay())
	b.startHealthy()
	key := sessionDay + "/" + id + ".replay.gz"
	b.until("done", func() bool { return b.state(id) == queue.StateDone && !slices.Contains(b.keys(), key) })
	if out := b.must("trash", "list"); !strings.Contains(out, id) {
		t.Error(out)
	}
	b.must("trash", "restore", id[:8])
	if !slices.Contains(b.keys(), key) {
		t.Fatal(b.keys())
	}
	waittest.During(t, 3*time.Second, "several sweeps leave it alone", func() bool {
		v := b.task(id)
		return v.State == queue.StateSkipped && v.Reason == "restored" && slices.Contains(b.keys(), key)
	}, func() any { return b.task(id) }, func() any { return b.keys() })
	b.must("tasks", "retry", id)
	b.until("done again", func() bool { return b.state(id) == queue.StateDone && !slices.Contains(b.keys(), key) })
}
