package rights

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
)

// try does with a file of its own what the agent does with originals and MP4s of a
// day. It creates the file beside original, sets its time and owner to those of
// original, renames it to the trash and deletes it there.
func (p *Prober) try(original string) error {
	root, err := os.OpenRoot(p.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	name := dayOf(original)
	if path.Base(original) == "?" {
		original = someFile(root, name)
	}
	file, trashed := path.Join(name, p.name), path.Join(cleanup.TrashName, p.name)
	for _, left := range []string{file, trashed} { // left by a crash
		_ = root.Remove(left)
	}
	var f *os.File
	err = retryUncached(root, func() (err error) {
		f, err = root.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	}, name)
	if err != nil {
		return p.denied(name, "make a file in its folder", err)
	}
	defer func() {
		f.Close()
		_ = root.Remove(file) // unless it was moved
	}()
	if folder := path.Dir(original); original != "" && folder != name { // moving a folder also changes that folder
		inside := path.Join(folder, p.name)
		_ = root.Remove(inside)
		err := retryUncached(root, func() error {
			g, err := root.OpenFile(inside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err == nil {
				err = g.Close()
			}
			return err
		}, folder)
		if err != nil {
			return p.denied(name, "make a file in "+folder, err)
		}
		if err := root.Remove(inside); err != nil {
			return p.denied(name, "remove a file in "+folder, err)
		}
	}
	if original != "" && (p.Times == nil || p.Times()) {
		if err := tryTimes(root, f, original); err != nil {
			return p.denied(name, "set the time of core's files, from which core's retention counts", err)
		}
	}
	err = retryUncached(root, func() error { return root.Mkdir(cleanup.TrashName, 0o700) }, ".")
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return p.denied(name, "make the trash, "+cleanup.TrashName, err)
	}
	if st, err := root.Lstat(cleanup.TrashName); err != nil || !st.IsDir() {
		return err // a link or a file is reported when something is to be retired
	}
	if err := retryUncached(root, func() error { return root.Rename(file, trashed) }, cleanup.TrashName); err != nil {
		return p.denied(name, "rename a file to the trash", err)
	}
	return p.denied(name, "remove a file from the trash", root.Remove(trashed))
}

// retryUncached calls do, and once more if the NFS client of the folder only remembered that
// it was not allowed. The client asks the server again if the folder has changed,
// and it always asks whether the folder's time may be set. So retryUncached sets the
// folder's time to the present value.
func retryUncached(root *os.Root, do func() error, folder string) error {
	err := do()
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	st, failed := root.Lstat(folder)
	if failed != nil || root.Chtimes(folder, time.Time{}, st.ModTime()) != nil { // the folder may not even be readable
		return err
	}
	return do()
}

// denied returns an [*Error] for something that is not allowed. It returns nil for
// a full disk, which is not a matter of permissions, and other errors unchanged.
func (p *Prober) denied(day, what string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return &Error{Day: day, What: what, Err: err, Fix: p.fix(err)}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return nil
	}
	return err
}

// someFile returns a regular file in a day's folder that core made, relative to
// root; "" if there is no such file among the first.
func someFile(root *os.Root, day string) string {
	dir, err := root.Open(day)
	if err != nil {
		return ""
	}
	defer dir.Close()
	entries, err := dir.ReadDir(100)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			return path.Join(day, e.Name())
		}
	}
	return ""
}

// tryTimes checks whether the times of core's files can be set; f is a file that
// this process has just created. The owner of a file may set its times. For files
// of others, a process needs to be able to give f to core, or a capability.
func tryTimes(root *os.Root, f *os.File, original string) error {
	was, err := root.Lstat(original)
	if err != nil || !was.Mode().IsRegular() {
		return nil //nolint:nilerr // there is nothing to compare with, which its task finds out
	}
	is, err := f.Stat()
	if err != nil {
		return err
	}
	core, ok1 := was.Sys().(*syscall.Stat_t)
	ours, ok2 := is.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || core.Uid == ours.Uid {
		return nil
	}
	if f.Chown(int(core.Uid), int(core.Gid)) == nil {
		return SetTime(f, was.ModTime())
	}
	// Without CAP_CHOWN there may be CAP_FOWNER. This sets the original's time to
	// the present value.
	o, err := root.OpenFile(original, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer o.Close()
	if was, err = o.Stat(); err != nil {
		return err
	}
	return SetTime(o, was.ModTime())
}

// SetTime sets the modification time of an open file, to the nanosecond. The access
// time stays.
func SetTime(f *os.File, t time.Time) error {
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(t.UnixNano())}
	// utimensat without a path is futimens, which x/sys/unix does not have.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0) //nolint:gosec // as above
	if errno != 0 {
		return &fs.PathError{Op: "utimensat", Path: f.Name(), Err: errno}
	}
	return nil
}
