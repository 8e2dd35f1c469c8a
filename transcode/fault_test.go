package transcode_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

type fault = volumetest.Fault

// ward is a JumpServer with an agent that works on a volume with faults.
type ward struct {
	*jumpServer
	volume  *volumetest.Volume
	agent   *agent
	stopped chan struct{}
	cancel  context.CancelFunc
}

// mountFaulty mounts a folder as a volume on which faults can be set.
func mountFaulty(t *testing.T, below string) *volumetest.Volume {
	t.Helper()
	point := filepath.Join(t.TempDir(), "replay")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	v, err := volumetest.Mount(below, point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(v.Vanish)
	return v
}

// admitted starts an agent with one queued recording on a volume with faults. at is called at
// every boundary between steps, unless it is nil.
func admitted(t *testing.T, parts bool, at func(w *ward, boundary string), faults ...fault) *ward {
	t.Helper()
	w := &ward{jumpServer: newJumpServer(t, "4.10.13", parts), stopped: make(chan struct{})}
	w.volume = mountFaulty(t, w.replay())
	var err error
	w.agent, err = newAgent(t.Context(), agentOptions{
		coreURL: w.core.URL, replay: w.volume.Point(), data: w.data(), path: w.path, originals: cleanup.PolicyTrash, log: t.Output(),
		boundary: func(name string) {
			if at != nil {
				at(w, name)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.agent.queue.Close() })
	if err := w.agent.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.volume.Set(faults...)
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(t.Context())
	w.agent.pool.Workers = 2
	go func() { _ = w.agent.pool.Run(ctx); close(w.stopped) }()
	t.Cleanup(func() { w.cancel(); <-w.stopped })
	return w
}

func (w *ward) task() queue.Task {
	w.t.Helper()
	item, err := w.agent.queue.Get(w.t.Context(), session)
	if err != nil {
		w.t.Fatal(err)
	}
	return item
}

// released waits until the task was worked on and its lease released, and returns the task.
func (w *ward) released() (item queue.Task) {
	w.t.Helper()
	waittest.Until(w.t, "it was tried", func() bool { item = w.task(); return item.State != queue.StateQueued && !item.Held() })
	return item
}

// nothingLost asserts that the original is where it was, or that the MP4 is in place and the
// original is in the trash.
func (w *ward) nothingLost() {
	w.t.Helper()
	if w.exists(w.path) {
		return
	}
	trashed := slices.ContainsFunc(w.files(), func(f string) bool {
		return strings.HasPrefix(f, cleanup.TrashName) && strings.HasSuffix(f, filepath.Base(w.path))
	})
	if !trashed || !w.exists(mp4) {
		w.t.Errorf("the original is lost: %v", w.files())
	}
}

// recovers removes the faults, and asserts the only correct final state.
func (w *ward) recovers() {
	w.t.Helper()
	w.volume.Set()
	if item := w.task(); item.State != queue.StateDone {
		if err := w.agent.queue.Retry(w.t.Context(), session); err != nil && !errors.Is(err, queue.ErrActive) {
			w.t.Fatal(err)
		}
	}
	waittest.Until(w.t, "done", func() bool { item := w.task(); return item.State == queue.StateDone && !item.Held() })
	w.checkReplaced()
}

// TestFaultsOfTheVolume: after each fault, the task waits with its class and nothing is lost.
// When the fault is over, the task is done.
func TestFaultsOfTheVolume(t *testing.T) {
	t.Parallel()
	const original, video = session + ".replay.gz", session + ".replay.mp4"
	for name, tc := range map[string]struct {
		fault fault
		class queue.Class
	}{
		"ESTALE when looked at":         {fault{Op: "stat", On: original, Errno: syscall.ESTALE}, task.ClassVolume},
		"ESTALE when opened":            {fault{Op: "open", On: original, Errno: syscall.ESTALE}, task.ClassVolume},
		"EIO when opened":               {fault{Op: "open", On: original, Errno: syscall.EIO}, task.ClassVolume},
		"EACCES when opened":            {fault{Op: "open", On: original, Errno: syscall.EACCES}, task.ClassPermission},
		"EIO when read":                 {fault{Op: "read", On: original, Errno: syscall.EIO}, task.ClassVolume},
		"ESTALE when read again":        {fault{Op: "read", On: original, Errno: syscall.ESTALE, Skip: 2}, task.ClassVolume},
		"EIO when the MP4 is read":      {fault{Op: "read", On: video, Errno: syscall.EIO}, task.ClassVolume},
		"EACCES when the MP4 is read":   {fault{Op: "open", On: video, Errno: syscall.EACCES}, task.ClassPermission},
		"ESTALE at the MP4":             {fault{Op: "stat", On: video, Errno: syscall.ESTALE}, task.ClassVolume},
		"EROFS when the trash is made":  {fault{Op: "mkdir", On: cleanup.TrashName, Errno: syscall.EROFS}, task.ClassReadOnly},
		"ENOSPC in the trash":           {fault{Op: "mkdir", On: cleanup.TrashName, Errno: syscall.ENOSPC}, task.ClassDiskFull},
		"EDQUOT in the trash":           {fault{Op: "mkdir", On: cleanup.TrashName, Errno: syscall.EDQUOT}, task.ClassDiskFull},
		"EDQUOT when retired":           {fault{Op: "rename", On: original, Errno: syscall.EDQUOT}, task.ClassDiskFull},
		"EROFS when retired":            {fault{Op: "rename", On: original, Errno: syscall.EROFS}, task.ClassReadOnly},
		"EACCES when retired":           {fault{Op: "rename", On: original, Errno: syscall.EACCES}, task.ClassPermission},
		"EIO when retired":              {fault{Op: "rename", On: original, Errno: syscall.EIO}, task.ClassVolume},
		"EIO once the original is away": {fault{Op: "list", On: "2024-04-23", Errno: syscall.EIO, Skip: 1}, task.ClassVolume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := admitted(t, false, nil, tc.fault)
			item := w.released()
			if w.volume.Met() == 0 {
				t.Error("the fault was not met")
			}
			if item.State != queue.StateRetrying || item.Reason != tc.class || item.Error == "" {
				t.Errorf("%s (%s): %s", item.State, item.Reason, item.Error)
			}
			w.nothingLost()
			w.recovers()
		})
	}
}

// TestFaultsOfRenamesThatHappened: the original was moved to the trash, although the volume
// returned an error.
func TestFaultsOfRenamesThatHappened(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ESTALE, syscall.ENOENT} {
		for _, parts := range []bool{false, true} {
			t.Run(errno.Error()+map[bool]string{true: " parts"}[parts], func(t *testing.T) {
				t.Parallel()
				w := admitted(t, parts, nil, fault{Op: "rename", On: session, Errno: errno, After: true})
				waittest.Until(t, "done", func() bool { item := w.task(); return item.State == queue.StateDone && !item.Held() })
				if w.volume.Met() == 0 {
					t.Error("the fault was not met")
				}
				w.nothingLost()
				w.checkReplaced()
				if v := task.ViewOf(w.task()); len(v.Originals) != 1 {
					t.Errorf("the task does not know where the original is: %v", v.Originals)
				}
			})
		}
	}
}

// TestTimesThatMayNotBeSet: core's retention period would begin again with the MP4's
// time, so the original stays until that time can be set.
func TestTimesThatMayNotBeSet(t *testing.T) {
	t.Parallel()
	w := admitted(t, false, nil, fault{Op: "change", On: session + ".replay.mp4", Errno: syscall.EPERM})
	if item := w.released(); item.State != queue.StateRetrying || item.Reason != task.ClassPermission {
		t.Errorf("%s (%s): %s", item.State, item.Reason, item.Error)
	}
	w.nothingLost()
	w.recovers()
}

// TestFaultsThatDoNotMatter: a file system may not support copying the original's owner, mode
// and time to the MP4.
func TestFaultsThatDoNotMatter(t *testing.T) {
	t.Parallel()
	w := admitted(t, false, nil, fault{Op: "change", On: session + ".replay.mp4", Errno: syscall.ENOTSUP})
	waittest.Until(t, "done", func() bool { item := w.task(); return item.State == queue.StateDone && !item.Held() })
	if w.volume.Met() == 0 {
		t.Error("the fault was not met")
	}
	w.nothingLost()
	if got := w.served(); got != "mp4" {
		t.Errorf("core serves %s", got)
	}
}

// TestTheMountVanishesInMidTask at every step, and is mounted again: an empty folder is never
// taken as proof that the original or the MP4 was deleted.
func TestTheMountVanishesInMidTask(t *testing.T) {
	t.Parallel()
	for _, parts := range []bool{false, true} {
		for _, step := range []queue.State{queue.StateRendering, queue.StateVerifying, queue.StateUploading, queue.StateConfirming, queue.StateRetiring} {
			t.Run(string(step)+map[bool]string{true: " parts"}[parts], func(t *testing.T) {
				t.Parallel()
				gone := make(chan struct{})
				w := admitted(t, parts, func(w *ward, boundary string) {
					if boundary == string(step) {
						select {
						case <-gone:
						default:
							w.volume.Vanish()
							close(gone)
						}
					}
				})
				<-gone
				item := w.released()
				if item.State != queue.StateRetrying || item.Reason != task.ClassVolume {
					t.Errorf("%s (%s): %s", item.State, item.Reason, item.Error)
				}
				w.nothingLost()
				if err := w.volume.Mount(); err != nil {
					t.Fatal(err)
				}
				w.recovers()
			})
		}
	}
}

// TestAHangingReadBlocksItsOwnWorkerOnly: a read hangs for longer than the lease time. The
// agent keeps the lease, and converts another recording meanwhile. When the volume responds
// again, the task continues.
func TestAHangingReadBlocksItsOwnWorkerOnly(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	w := admitted(t, false, nil, fault{Op: "read", On: session, Hang: answer})
	waittest.Until(t, "the volume hangs", func() bool { return w.task().Held() && w.volume.Met() > 0 })
	before := w.task()

	const second = "11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	w.core.AddSession(devcore.Session{
		ID: second, User: "Lee(lee)", Asset: "win-08(10.3.4.8)", Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
		Start: start, End: start.Add(time.Minute), Finished: true,
	})
	path := "2024-04-23/" + second + ".replay.gz"
	w.write(path, gz(t, dump(2, 1000, 4)))
	st, err := os.Stat(filepath.Join(w.replay(), path))
	if err != nil {
		t.Fatal(err)
	}
	c := watcher.Candidate{Session: second, Date: "2024-04-23", Path: path, Size: st.Size(), ModTime: st.ModTime()}
	if err := w.agent.pool.Found(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the second task is done", func() bool {
		item, err := w.agent.queue.Get(t.Context(), second)
		return err == nil && item.State == queue.StateDone && !item.Held()
	})
	time.Sleep(time.Until(before.Updated.Add(7 * time.Second))) // longer than a lease, which is five seconds
	if now := w.task(); now.Lease != before.Lease || !now.Updated.After(before.Updated) {
		t.Errorf("the lease was not kept: %+v, %+v", before, now)
	}
	close(answer)
	waittest.Until(t, "done", func() bool { item := w.task(); return item.State == queue.StateDone && !item.Held() })
	w.nothingLost()
	if got := w.served(); got != "mp4" {
		t.Errorf("core serves %s", got)
	}
}
