package destination

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/coreapi/ctxio"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// openFile opens a regular file for reading. Whoever can write the folder may
// have put something else there: a link is not followed, and a FIFO or device
// is refused at once instead of being waited for.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, notRegular(path)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = notRegular(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func notRegular(path string) error {
	return task.Failf(task.ClassShadowed, "%s is no file but a link, a folder or a device: look what it is, and remove it", path)
}

// HashFile returns the hex SHA-256 of a regular file's bytes, and their number.
func HashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	f, err := openFile(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return hashOpen(ctx, f)
}

// hashOpen is HashFile for a file that is open.
func hashOpen(ctx context.Context, f *os.File) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, ctxio.NewReader(ctx, f))
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// likeness is what an MP4 gets from its original.
type likeness struct {
	owner fs.FileInfo // whose owner it gets
	time  time.Time   // its modification time: core's retention counts from it
}

// takeOver gives an open MP4 the mode that core's web server needs, and owner
// and time of the original. All of it is done to the file that is open, whatever
// has its name meanwhile. What the agent is not allowed to change is returned as
// a warning, not an error: the file can be served as it is.
func takeOver(f *os.File, like likeness) (warning string, err error) {
	now, err := f.Stat()
	if err != nil {
		return "", err
	}
	if now.Mode().Perm() != 0o644 {
		if err := f.Chmod(0o644); err != nil && now.Mode().Perm()&0o004 == 0 {
			return "", fmt.Errorf("make the MP4 readable for core's web server: %w", err)
		}
	}
	was, ok1 := like.owner.Sys().(*syscall.Stat_t)
	is, ok2 := now.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && (was.Uid != is.Uid || was.Gid != is.Gid) {
		if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
			warning = "the MP4 keeps the owner that core gave it: " + err.Error()
		}
	}
	if !now.ModTime().Equal(like.time) {
		if err := setTime(f, like.time); err != nil {
			warning = "core's retention counts from today for this MP4, because its time could not be set: " + err.Error() +
				"; run the agent under the owner of core's files"
		}
	}
	return warning, nil
}

// setTime sets an open file's times, to the nanosecond.
func setTime(f *os.File, t time.Time) error {
	spec := unix.NsecToTimespec(t.UnixNano())
	times := [2]unix.Timespec{spec, spec}
	// utimensat without a path is futimens, which x/sys/unix does not have.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0) //nolint:gosec // as above
	if errno != 0 {
		return &fs.PathError{Op: "utimensat", Path: f.Name(), Err: errno}
	}
	return nil
}

// Exists reports whether a file or folder is at path.
func Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// MustMount tells a recording that is gone from a volume that is away: an
// empty or missing replay folder is never taken for a deletion.
func MustMount(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return task.Failf(task.ClassVolume, "the replay volume is not there: %w", err)
	}
	if len(entries) == 0 {
		return task.Failf(task.ClassVolume, "the replay volume at %s is empty: is it mounted?", root)
	}
	return nil
}

// owns reports whether a name, relative to the replay folder or a key, is the
// session's: all that is retired, overwritten or deleted goes through here, so
// that no record of the queue and no bug can reach another session's files.
func (d Delivery) owns(name string) bool {
	rest, ok := strings.CutPrefix(name, d.Date+"/"+d.Session)
	return ok && (rest == "" || strings.ContainsRune("./_", rune(rest[0]))) && !strings.Contains(rest, "..")
}

// ErrForeign means that a task is about files that are not its session's.
var ErrForeign = errors.New("the task names files that are not its session's")

// mustOwn is owns as an error.
func (d Delivery) mustOwn(name string) error {
	if !d.owns(name) {
		return task.FailAs(task.ClassInternal, task.Fails, "%w: %s", ErrForeign, name)
	}
	return nil
}
