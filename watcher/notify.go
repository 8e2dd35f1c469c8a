package watcher

import (
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// remote lists file systems that do not report changes that other hosts make.
var remote = map[int64]string{
	unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.SMB2_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs",
	unix.FUSE_SUPER_MAGIC: "fuse", unix.V9FS_MAGIC: "9p", unix.CEPH_SUPER_MAGIC: "ceph", unix.AFS_SUPER_MAGIC: "afs",
	0x0BD00BD0: "lustre", 0x47504653: "gpfs", 0x01161970: "gfs2", 0x7461636F: "ocfs2",
}

// notifier turns events into hints. A nil notifier does nothing.
type notifier struct {
	events  *fsnotify.Watcher
	watched map[string]bool
	log     *slog.Logger
	done    chan struct{}
}

// remoteKind returns the kind of the file system of dir if it is one of [remote],
// or else "".
func remoteKind(dir string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return remote[st.Type], nil
}

// notify starts to listen for events, depending on the mode and on the remoteKind
// of the file system.
func (w *Watcher) notify(kind string, hints chan<- struct{}) *notifier {
	mode := w.Mode
	if mode == ModeAuto {
		mode = ModeNotify
		if kind != "" {
			mode = ModePoll
			w.Log.Debug("the file system does not report changes by other hosts; polling", "type", kind)
		}
	}
	var n *notifier
	if mode == ModeNotify {
		events, err := fsnotify.NewWatcher()
		if err != nil {
			w.Log.Warn("no events from the file system; polling", "error", err)
			mode = ModePoll
		} else {
			n = &notifier{events: events, watched: map[string]bool{}, log: w.Log, done: make(chan struct{})}
			go n.pass(hints)
		}
	}
	w.mu.Lock()
	w.status.Mode = mode
	w.mu.Unlock()
	return n
}

// pass turns events into hints.
func (n *notifier) pass(hints chan<- struct{}) {
	defer close(n.done)
	for {
		select {
		case _, ok := <-n.events.Events:
			if !ok {
				return
			}
			select {
			case hints <- struct{}{}:
			default: // a hint is waiting already
			}
		case err, ok := <-n.events.Errors:
			if !ok {
				return
			}
			n.log.Debug("event lost", "error", err)
		}
	}
}

// watch listens to the root and the folders of recent days, and to no others.
func (n *notifier) watch(root string, days []string) {
	if n == nil {
		return
	}
	want := map[string]bool{root: true}
	for _, day := range days {
		want[filepath.Join(root, day)] = true
	}
	for dir := range n.watched {
		if !want[dir] {
			_ = n.events.Remove(dir)
			delete(n.watched, dir)
		}
	}
	for dir := range want {
		if !n.watched[dir] && n.events.Add(dir) == nil {
			n.watched[dir] = true
		}
	}
}

func (n *notifier) close() {
	if n == nil {
		return
	}
	_ = n.events.Close()
	<-n.done
}
