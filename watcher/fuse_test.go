package watcher

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// loopback is a directory tree seen through FUSE. Like NFS it does not tell
// of what is changed underneath. It can be told to fail or to hang.
type loopback struct {
	fs.LoopbackNode
	trouble *trouble
}

type trouble struct {
	errno atomic.Int32
	hang  atomic.Pointer[chan struct{}] // closed to let go
}

func (t *trouble) suffer() syscall.Errno {
	if c := t.hang.Load(); c != nil {
		<-*c
	}
	return syscall.Errno(t.errno.Load())
}

// WrapChild makes all nodes of the tree able to fail.
func (n *loopback) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &loopback{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, trouble: n.trouble}
}

func (n *loopback) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.trouble.suffer(); errno != 0 {
		return nil, 0, errno
	}
	return n.LoopbackNode.OpendirHandle(ctx, flags)
}

func (n *loopback) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if errno := n.trouble.suffer(); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Getattr(ctx, f, out)
}

// mount shows dir at a new mount point.
func mount(t *testing.T, dir string) (point string, tr *trouble, server *fuse.Server) {
	t.Helper()
	tr = &trouble{}
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	root := &fs.LoopbackRoot{Path: dir, Dev: st.Dev}
	node := &loopback{LoopbackNode: fs.LoopbackNode{RootData: root}, trouble: tr}
	root.RootNode = node
	zero := time.Duration(0)
	point = filepath.Join(t.TempDir(), "replay")
	if err := syscall.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := fs.Mount(point, node, &fs.Options{AttrTimeout: &zero, EntryTimeout: &zero,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "loopback", AllowOther: false}})
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = server.Unmount() })
	return point, tr, server
}

func TestRecordingsAreFoundWhereNothingTellsOfThem(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+other+".cast.gz", "x", time.Hour)
	point, _, _ := mount(t, below)
	b := watch(t, point)
	b.until("first poll", func() bool { return !b.w.Status().LastPoll.IsZero() })
	if m := b.w.Status().Mode; m != ModePoll {
		t.Errorf("mode %s on FUSE", m)
	}
	put(t, below, today()+"/"+sid+".replay.gz", "new", 0)
	if got := b.wait(1); got[0].Session != sid || got[0].Size != 3 {
		t.Errorf("%+v", got[0])
	}
	b.stop()
}

func TestModeFollowsTheFileSystem(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	b := watch(t, root)
	b.until("first poll", func() bool { return b.w.Status().Available })
	if m := b.w.Status().Mode; m != ModeNotify {
		t.Errorf("mode %s on a local disk", m)
	}
}

func TestErrorsOfTheVolumeMakeItUnavailableForAWhile(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	point, tr, _ := mount(t, below)
	b := watch(t, point)
	b.wait(1)
	for _, errno := range []syscall.Errno{syscall.ESTALE, syscall.EIO} {
		tr.errno.Store(int32(errno))
		b.until("unavailable", func() bool { s := b.w.Status(); return !s.Available && s.Reason != "" })
		tr.errno.Store(0)
		b.until("available", func() bool { return b.w.Status().Available })
	}
	put(t, below, today()+"/"+other+".replay.gz", "x", time.Hour)
	b.wait(2)
	b.quiet(2)
	b.stop()
}

func TestAHangingVolumeHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	point, tr, _ := mount(t, below)
	b := watch(t, point, func(w *Watcher) { w.Patience = 300 * time.Millisecond })
	b.wait(1)
	gate := make(chan struct{})
	tr.hang.Store(&gate)
	b.until("unavailable", func() bool { return !b.w.Status().Available })
	tr.hang.Store(nil)
	close(gate)
	b.until("available", func() bool { return b.w.Status().Available })
	put(t, below, today()+"/"+other+".replay.gz", "x", time.Hour)
	b.wait(2)

	second := make(chan struct{})
	tr.hang.Store(&second)
	b.until("unavailable", func() bool { return !b.w.Status().Available })
	b.stop() // ends although the volume hangs
	tr.hang.Store(nil)
	close(second)
}

func TestTheMountVanishesAndComesBack(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	point, _, server := mount(t, below)
	b := watch(t, point)
	b.wait(1)
	// Unmounting waits until the watcher's directory handles are closed.
	b.until("unmount", func() bool { return server.Unmount() == nil })
	b.until("unavailable", func() bool { s := b.w.Status(); return !s.Available && s.Reason != "" })
	put(t, below, today()+"/"+other+".replay.gz", "x", time.Hour)
	b.quiet(1)
	if err := syscall.Mount(below, point, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("bind mounts are not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(point, 0) })
	b.wait(2)
	b.quiet(2)
	b.stop()
}
