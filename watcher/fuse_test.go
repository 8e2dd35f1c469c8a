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

// loopback is a directory tree behind FUSE. Like NFS it does not report changes
// that are made to the real tree. A test can make it fail or hang.
type loopback struct {
	fs.LoopbackNode
	trouble *trouble
}

type trouble struct {
	errno atomic.Int32
	hang  atomic.Pointer[chan struct{}] // closed to continue
}

func (t *trouble) inject() syscall.Errno {
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
	if errno := n.trouble.inject(); errno != 0 {
		return nil, 0, errno
	}
	return n.LoopbackNode.OpendirHandle(ctx, flags)
}

func (n *loopback) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if errno := n.trouble.inject(); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Getattr(ctx, f, out)
}

// mount mounts dir at a new mount point.
func mount(t *testing.T, dir string) (point string, tr *trouble, server *fuse.Server) {
	t.Helper()
	point = filepath.Join(t.TempDir(), "replay")
	if err := syscall.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	tr, server = mountAt(t, dir, point)
	return point, tr, server
}

// mountAt mounts dir at point.
func mountAt(t *testing.T, dir, point string) (tr *trouble, server *fuse.Server) {
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
	server, err := fs.Mount(point, node, &fs.Options{AttrTimeout: &zero, EntryTimeout: &zero,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "loopback", AllowOther: false}})
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = server.Unmount() })
	return tr, server
}

func TestRecordingsAreFoundWhereNothingTellsOfThem(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+other+".cast.gz", "x", time.Hour)
	point, _, _ := mount(t, below)
	r := watch(t, point)
	r.Until("first poll", func() bool { return !r.w.Status().LastPoll.IsZero() })
	if m := r.w.Status().Mode; m != ModePoll {
		t.Errorf("mode %s on FUSE", m)
	}
	put(t, below, today()+"/"+sid+".replay.gz", "new", 0)
	if got := r.wait(1); got[0].Session != sid || got[0].Size != 3 {
		t.Errorf("%+v", got[0])
	}
	r.Stop()
}

func TestModeFollowsTheFileSystem(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	r := watch(t, root)
	r.Until("first poll", func() bool { return r.w.Status().Available })
	if m := r.w.Status().Mode; m != ModeNotify {
		t.Errorf("mode %s on a local disk", m)
	}
}

func TestErrorsOfTheVolumeMakeItUnavailableForAWhile(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	point, tr, _ := mount(t, below)
	r := watch(t, point)
	r.wait(1)
	for _, errno := range []syscall.Errno{syscall.ESTALE, syscall.EIO} {
		tr.errno.Store(int32(errno))
		r.Until("unavailable", func() bool { s := r.w.Status(); return !s.Available && s.Reason != "" })
		tr.errno.Store(0)
		r.Until("available", func() bool { return r.w.Status().Available })
	}
	put(t, below, today()+"/"+other+".replay.gz", "x", time.Hour)
	r.wait(2)
	r.quiet(2)
	r.Stop()
}

func TestAHangingVolumeHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	point, tr, _ := mount(t, below)
	r := watch(t, point, func(w *Watcher) { w.Patience = 300 * time.Millisecond })
	r.wait(1)
	gate := make(chan struct{})
	tr.hang.Store(&gate)
	r.Until("unavailable", func() bool { return !r.w.Status().Available })
	tr.hang.Store(nil)
	close(gate)
	r.Until("available", func() bool { return r.w.Status().Available })
	put(t, below, today()+"/"+other+".replay.gz", "x", time.Hour)
	r.wait(2)

	second := make(chan struct{})
	tr.hang.Store(&second)
	r.Until("unavailable", func() bool { return !r.w.Status().Available })
	r.Stop() // returns although the volume hangs
	tr.hang.Store(nil)
	close(second)
}

func TestTheMountVanishesAndComesBack(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	point, _, server := mount(t, below)
	r := watch(t, point)
	r.wait(1)
	// Unmounting waits until the watcher's directory handles are closed.
	r.Until("unmount", func() bool { return server.Unmount() == nil })
	r.Until("unavailable", func() bool { s := r.w.Status(); return !s.Available && s.Reason != "" })
	put(t, below, today()+"/"+other+".replay.gz", "x", time.Hour)
	r.quiet(1)
	if err := syscall.Mount(below, point, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("bind mounts are not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(point, 0) })
	r.wait(2)
	r.quiet(2)
	r.Stop()
}
