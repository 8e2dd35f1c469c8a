package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// TestASpoolOfSeveralAgents: an agent processes uploads that another has accepted. It does not
// change uploads that another is about to accept, also after a restart.
func TestASpoolOfSeveralAgents(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	dir := filepath.Join(l.dir, "shared")
	l.env["SPOOL_DIR"] = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	other := &upload.Spool{Dir: dir, Agent: "other"}
	data, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	anything := func(string, io.Reader) error { return nil }
	const whole, half = "eeeeeeee-4444-4111-8111-111111111111", "eeeeeeee-5555-4111-8111-111111111111"
	take := func(id string, parts int) upload.Task {
		l.session(id)
		task, err := other.Create(upload.Task{Session: id, Caller: "lion", Files: []upload.File{{Name: id + ".replay.gz"}, {Name: "more"}}[:parts]})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Store(t.Context(), task.ID, 0, bytes.NewReader(data), anything); err != nil {
			t.Fatal(err)
		}
		if _, done, err := other.Commit(task.ID); err != nil || done != (parts == 1) {
			t.Fatal(done, err)
		}
		return task
	}
	taken, begun := take(whole, 1), take(half, 2)
	var names []string
	for range 2 {
		l.start()
		l.until("served", func() bool { return l.served(whole) == "mp4" })
		l.until("healthy", func() bool { return l.health() == http.StatusOK })
		l.until("done with", func() bool { _, err := os.Stat(filepath.Join(dir, "done", taken.ID)); return err == nil })
		if got, err := other.Get(begun.ID); err != nil || got.Complete {
			t.Errorf("an upload that another agent is about to accept: %+v, %v", got, err)
		}
		name, err := os.ReadFile(filepath.Join(l.dir, "data", "agent-id"))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, string(name))
		if code := l.stop(); code != 0 {
			t.Errorf("the agent ended with %d", code)
		}
	}
	if names[0] != names[1] {
		t.Errorf("after a restart the agent has another name: %q", names)
	}
}
