package transcode_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

const uploadID = "22222222-6c1a-4f0e-8f3a-2d1c0b9a8e7f"

// spoolUpload puts an upload of a session into a spool, and returns its path there.
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

// TestAHangingSpoolBlocksItsOwnWorkerOnly, neither the queue nor other workers.
func TestAHangingSpoolBlocksItsOwnWorkerOnly(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
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
	time.Sleep(1500 * time.Millisecond) // until the kernel's cache of the folder has expired
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
				t.Fatal("the queue is blocked")
				return false
			}
		}
	}
	waittest.Until(t, "the recording of the volume is done", done(session))
	if volume.Met() == 0 {
		t.Error("the hanging spool was not accessed")
	}
	released()
	waittest.Until(t, "the upload is done", done(uploaded))
}

// TestAnUploadIsDoneWhereItLies: agents share a queue. If each has its own spool, the agent
// with the upload works on it. With a shared spool, any agent does.
func TestAnUploadIsDoneWhereItLies(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared spool %v", shared), func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			if err := os.Remove(filepath.Join(s.replay(), s.path)); err != nil {
				t.Fatal(err)
			}
			url := sharedQueue(t)
			var crew [2]*agent
			for i := range crew {
				a, err := newAgent(t.Context(), agentOptions{
					coreURL: s.core.URL, replay: s.replay(), data: t.TempDir(), path: s.path, originals: cleanup.PolicyTrash,
					log: t.Output(), queueURL: url,
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = a.queue.Close() })
				crew[i] = a
			}
			taker, other := crew[0], crew[1]
			if shared {
				other.pool.SpoolDir = taker.pool.SpoolDir
			}
			path := spoolUpload(t, taker.pool.SpoolDir, session, 7)
			if err := taker.pool.Upload(t.Context(), session, path); err != nil {
				t.Fatal(err)
			}
			if shared { // both agents find the upload
				if err := other.pool.Upload(t.Context(), session, path); err != nil {
					t.Fatal(err)
				}
			} else {
				other.pool.Spooled(nil)
			}
			run := func(a *agent) {
				ctx, cancel := context.WithCancel(context.Background())
				stopped := make(chan error, 1)
				go func() { stopped <- a.pool.Run(ctx) }()
				t.Cleanup(func() { cancel(); <-stopped })
			}
			state := func() queue.State {
				task, err := taker.queue.Get(t.Context(), session)
				if err != nil {
					t.Fatal(err)
				}
				return task.State
			}
			run(other) // the agent that accepted the upload is busy or dead
			if !shared {
				waittest.During(t, 3*time.Second, "an agent without the upload leaves it queued", func() bool { return state() == queue.StateQueued })
				run(taker)
			}
			waittest.Until(t, "done", func() bool { return state() == queue.StateDone })
			s.checkMarked()
			if got := s.served(); got != "mp4" {
				t.Errorf("core serves %s", got)
			}
			for i, a := range crew {
				_, err := os.Stat(filepath.Join(a.pool.TasksDir, session))
				if did := err == nil; did != (shared == (i == 1)) {
					t.Errorf("agent %d has worked on it: %v", i, did)
				}
			}
		})
	}
}

// finished returns a session that has ended.
func finished(id string) devcore.Session {
	return devcore.Session{
		ID: id, User: "Lee(lee)", Asset: "win-08(10.3.4.8)", Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
		Start: start, End: start.Add(time.Minute), Finished: true,
	}
}
