package volumetest

import (
	"context"
	"path"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// node is a file or folder of the volume.
type node struct {
	fs.LoopbackNode
	volume *Volume
}

func (n *node) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, volume: n.volume}
}

func (n *node) path(name string) string { return path.Join(n.Path(nil), name) }

func (n *node) Open(ctx context.Context, flags uint32) (h fs.FileHandle, out uint32, errno syscall.Errno) {
	on := n.path("")
	errno = n.volume.inject("open", on, func() (errno syscall.Errno) {
		h, out, errno = n.LoopbackNode.Open(ctx, flags)
		return errno
	})
	if errno != 0 {
		return nil, 0, errno
	}
	return &file{h, n.volume, on}, out, 0
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, h fs.FileHandle, f uint32, errno syscall.Errno) {
	on := n.path(name)
	errno = n.volume.inject("create", on, func() (errno syscall.Errno) {
		inode, h, f, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out)
		return errno
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, &file{h, n.volume, on}, f, 0
}

func (n *node) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	op := "rename"
	if flags&unix.RENAME_NOREPLACE != 0 {
		op = "renamenew"
	}
	return n.volume.inject(op, n.path(name), func() syscall.Errno { return n.LoopbackNode.Rename(ctx, name, to, newName, flags) })
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (inode *fs.Inode, errno syscall.Errno) {
	errno = n.volume.inject("link", n.path(name), func() (errno syscall.Errno) {
		inode, errno = n.LoopbackNode.Link(ctx, target, name, out)
		return errno
	})
	return inode, errno
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.volume.inject("remove", n.path(name), func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, errno syscall.Errno) {
	errno = n.volume.inject("mkdir", n.path(name), func() (errno syscall.Errno) {
		inode, errno = n.LoopbackNode.Mkdir(ctx, name, mode, out)
		return errno
	})
	return inode, errno
}

func (n *node) OpendirHandle(ctx context.Context, flags uint32) (h fs.FileHandle, out uint32, errno syscall.Errno) {
	errno = n.volume.inject("list", n.path(""), func() (errno syscall.Errno) {
		h, out, errno = n.LoopbackNode.OpendirHandle(ctx, flags)
		return errno
	})
	if listed, ok := h.(folderHandle); ok && errno == 0 {
		h = &folder{listed, n.volume, n.path("")}
	}
	return h, out, errno
}

// folderHandle is an open folder of the real file system.
type folderHandle interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
	fs.FileFsyncdirer
}

// folder is an open folder.
type folder struct {
	folderHandle
	volume *Volume
	on     string
}

func (f *folder) Fsyncdir(ctx context.Context, flags uint32) syscall.Errno {
	return f.volume.inject("syncdir", f.on, func() syscall.Errno { return f.folderHandle.Fsyncdir(ctx, flags) })
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (inode *fs.Inode, errno syscall.Errno) {
	errno = n.volume.inject("stat", n.path(name), func() (errno syscall.Errno) {
		inode, errno = n.LoopbackNode.Lookup(ctx, name, out)
		return errno
	})
	return inode, errno
}

func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if f, ok := h.(*file); ok {
		h = f.FileHandle
	}
	return n.volume.inject("change", n.path(""), func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, h, in, out) })
}

func (n *node) Getattr(ctx context.Context, h fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if f, ok := h.(*file); ok {
		h = f.FileHandle
	}
	return n.LoopbackNode.Getattr(ctx, h, out)
}

// file is an open file.
type file struct {
	fs.FileHandle
	volume *Volume
	on     string
}

func (f *file) Read(ctx context.Context, dest []byte, off int64) (res fuse.ReadResult, errno syscall.Errno) {
	errno = f.volume.inject("read", f.on, func() (errno syscall.Errno) {
		res, errno = f.FileHandle.(fs.FileReader).Read(ctx, dest, off)
		return errno
	})
	return res, errno
}

func (f *file) Write(ctx context.Context, data []byte, off int64) (n uint32, errno syscall.Errno) {
	errno = f.volume.inject("write", f.on, func() (errno syscall.Errno) {
		n, errno = f.FileHandle.(fs.FileWriter).Write(ctx, data, off)
		return errno
	})
	return n, errno
}

func (f *file) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	return f.volume.inject("sync", f.on, func() syscall.Errno { return f.FileHandle.(fs.FileFsyncer).Fsync(ctx, flags) })
}

func (f *file) Release(ctx context.Context) syscall.Errno {
	return f.FileHandle.(fs.FileReleaser).Release(ctx)
}
