package transcode_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"jumpserver-video/cleanup"
	"jumpserver-video/coreapi/coretest"
	"jumpserver-video/transcode/queue"
)

const uploadID = "22222222-6c1a-4f0e-8f3a-2d1c0b9a8e7f"

// spoolUpload puts an upload of a session into a spool, and answers its path there.
func spoolUpload(t *testing.T, spool, session string, seed uint64) string {
	t.Helper()
	path := filepath.Join(uploadID, session+".replay.gz")
	file := filepath.Join(spool, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, gz(t, dump(seed, 1000, 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAHangingSpoolBlocksItsOwnWorkerOnly: not the queue, and not the others.
func TestAHangingSpoolBlocksItsOwnWorkerOnly(t *testing.T) {
	s := newSite(t, "4.10.13", false)
	below := t.TempDir()
	const uploaded = "11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	path := spoolUpload(t, below, uploaded, 7)
	volume := mountFaulty(t, below)
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.queue.Close() })
	s.core.AddSession(finished(uploaded))
	a.pool.SpoolDir, a.pool.Workers = volume.Point(), 2
	if err := a.pool.Upload(t.Context(), uploaded, path); err != nil {
		t.Fatal(err)
	}
	answer := make(chan struct{})
	volume.Set(fault{On: uploadID, Hang: answer})
	time.Sleep(1500 * time.Millisecond) // what the system remembers of it is forgotten
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(ctx) }()
	released := sync.OnceFunc(func() { close(answer) })
	t.Cleanup(func() { released(); cancel(); <-stopped })
	done := func(id string) func() bool {
		return func() bool {
			listed := make(chan queue.Task, 1)
			go func() {
				task, _ := a.queue.Get(ctx, id)
				listed <- task
			}()
			select {
			case task := <-listed:
				return task.State == queue.StateDone && !task.Held()
			case <-time.After(20 * time.Second):
				t.Fatal("the queue stands still")
				return false
			}
		}
	}
	waitUntil(t, done(session))
	if volume.Met() == 0 {
		t.Error("nobody has asked the spool that hangs")
	}
	released()
	waitUntil(t, done(uploaded))
}

// finished is a session that is over.
func finished(id string) coretest.Session {
	return coretest.Session{
		ID: id, User: "Lee(lee)", Asset: "win-08(10.3.4.8)", Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
		Start: start, End: start.Add(time.Minute), Finished: true,
	}
}
