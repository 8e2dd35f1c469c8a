package transcode_test

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fault is one kind of trouble with a volume.
type fault struct {
	op    string          // open, read, create, rename, remove, mkdir, list, stat or change
	on    string          // part of the path, below the mount
	errno syscall.Errno   // what the caller is told
	skip  int             // so many calls pass first
	after bool            // it is done all the same
	hang  <-chan struct{} // the call waits until this is closed, and then succeeds unless errno is set
}

// faulty is a folder seen through FUSE that can be told to fail. Like NFS it
// caches nothing here and tells nobody of changes underneath.
type faulty struct {
	t      *testing.T
	below  string
	point  string
	server *fuse.Server

	mu     sync.Mutex
	faults []fault // guarded by mu
	seen   []int   // how often each was met; guarded by mu
}

func mountFaulty(t *testing.T, below string) *faulty {
	t.Helper()
	v := &faulty{t: t, below: below, point: filepath.Join(t.TempDir(), "replay")}
	if err := syscall.Mkdir(v.point, 0o755); err != nil {
		t.Fatal(err)
	}
	v.mount()
	t.Cleanup(v.vanish)
	return v
}

func (v *faulty) mount() {
	v.t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(v.below, &st); err != nil {
		v.t.Fatal(err)
	}
	root := &fs.LoopbackRoot{Path: v.below, Dev: st.Dev}
	node := &faultyNode{LoopbackNode: fs.LoopbackNode{RootData: root}, volume: v}
	root.RootNode = node
	zero := time.Duration(0)
	server, err := fs.Mount(v.point, node, &fs.Options{AttrTimeout: &zero, EntryTimeout: &zero,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "faulty"}})
	if err != nil {
		v.t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	v.server = server
}

// vanish takes the mount away, whoever uses it: what is under the mount point
// shows, which is nothing.
func (v *faulty) vanish() {
	v.set()
	_ = syscall.Unmount(v.point, syscall.MNT_DETACH)
}

// set replaces all faults.
func (v *faulty) set(faults ...fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults, v.seen = faults, make([]int, len(faults))
}

// met counts the calls that suffered.
func (v *faulty) met() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, f := range v.faults {
		n += max(0, v.seen[i]-f.skip)
	}
	return n
}

// suffer does an operation with whatever fault there is for it.
func (v *faulty) suffer(op, on string, do func() syscall.Errno) syscall.Errno {
	v.mu.Lock()
	var hit *fault
	for i, f := range v.faults {
		if f.op == op && strings.Contains(on, f.on) {
			if v.seen[i]++; v.seen[i] > f.skip {
				hit = &v.faults[i]
				break
			}
		}
	}
	v.mu.Unlock()
	if hit == nil {
		return do()
	}
	if hit.hang != nil {
		<-hit.hang
	}
	if hit.errno == 0 {
		return do()
	}
	if hit.after {
		if errno := do(); errno != 0 {
			return errno
		}
	}
	return hit.errno
}

// faultyNode is a file or folder of it.
type faultyNode struct {
	fs.LoopbackNode
	volume *faulty
}

func (n *faultyNode) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &faultyNode{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, volume: n.volume}
}

func (n *faultyNode) path(name string) string { return path.Join(n.Path(nil), name) }

func (n *faultyNode) Open(ctx context.Context, flags uint32) (h fs.FileHandle, out uint32, errno syscall.Errno) {
	on := n.path("")
	errno = n.volume.suffer("open", on, func() (errno syscall.Errno) {
		h, out, errno = n.LoopbackNode.Open(ctx, flags)
		return errno
	})
	if errno != 0 {
		return nil, 0, errno
	}
	return &faultyFile{h, n.volume, on}, out, 0
}

func (n *faultyNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, h fs.FileHandle, f uint32, errno syscall.Errno) {
	on := n.path(name)
	errno = n.volume.suffer("create", on, func() (errno syscall.Errno) {
		inode, h, f, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out)
		return errno
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, &faultyFile{h, n.volume, on}, f, 0
}

func (n *faultyNode) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	return n.volume.suffer("rename", n.path(name), func() syscall.Errno { return n.LoopbackNode.Rename(ctx, name, to, newName, flags) })
}

func (n *faultyNode) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.volume.suffer("remove", n.path(name), func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

func (n *faultyNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, errno syscall.Errno) {
	errno = n.volume.suffer("mkdir", n.path(name), func() (errno syscall.Errno) {
		inode, errno = n.LoopbackNode.Mkdir(ctx, name, mode, out)
		return errno
	})
	return inode, errno
}

func (n *faultyNode) OpendirHandle(ctx context.Context, flags uint32) (h fs.FileHandle, out uint32, errno syscall.Errno) {
	errno = n.volume.suffer("list", n.path(""), func() (errno syscall.Errno) {
		h, out, errno = n.LoopbackNode.OpendirHandle(ctx, flags)
		return errno
	})
	return h, out, errno
}

func (n *faultyNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (inode *fs.Inode, errno syscall.Errno) {
	errno = n.volume.suffer("stat", n.path(name), func() (errno syscall.Errno) {
		inode, errno = n.LoopbackNode.Lookup(ctx, name, out)
		return errno
	})
	return inode, errno
}

func (n *faultyNode) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if f, ok := h.(*faultyFile); ok {
		h = f.FileHandle
	}
	return n.volume.suffer("change", n.path(""), func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, h, in, out) })
}

func (n *faultyNode) Getattr(ctx context.Context, h fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if f, ok := h.(*faultyFile); ok {
		h = f.FileHandle
	}
	return n.LoopbackNode.Getattr(ctx, h, out)
}

// faultyFile is an open file.
type faultyFile struct {
	fs.FileHandle
	volume *faulty
	on     string
}

func (f *faultyFile) Read(ctx context.Context, dest []byte, off int64) (res fuse.ReadResult, errno syscall.Errno) {
	errno = f.volume.suffer("read", f.on, func() (errno syscall.Errno) {
		res, errno = f.FileHandle.(fs.FileReader).Read(ctx, dest, off)
		return errno
	})
	return res, errno
}

func (f *faultyFile) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	return f.FileHandle.(fs.FileWriter).Write(ctx, data, off)
}

func (f *faultyFile) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	return f.FileHandle.(fs.FileFsyncer).Fsync(ctx, flags)
}

func (f *faultyFile) Release(ctx context.Context) syscall.Errno {
	return f.FileHandle.(fs.FileReleaser).Release(ctx)
}
