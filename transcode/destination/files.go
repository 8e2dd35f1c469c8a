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

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/coreapi/ctxio"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// openFile opens a regular file for reading. Anyone who can write the folder may
// have put something else there: it does not follow a link, and refuses a FIFO or
// device without blocking.
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

// HashFile returns the hex SHA-256 of a regular file, and its size in bytes.
func HashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	f, err := openFile(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return hashOpen(ctx, f)
}

// hashOpen is HashFile for an open file.
func hashOpen(ctx context.Context, f *os.File) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, ctxio.NewReader(ctx, f))
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// likeness is what an MP4 takes over from its original.
type likeness struct {
	owner fs.FileInfo // a file with the owner
	time  time.Time   // the modification time, from which core's retention counts
}

// takeOver sets the mode that core's web server needs, and owner and time of the
// original, on an open MP4. It changes exactly the open file, whatever has its name
// meanwhile. If the time may not be set, it returns an error, because core's
// retention would count from today. If the owner cannot be set, or the file system
// does not store the time, it returns a warning, because the file can be served.
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
		err := rights.SetTime(f, like.time)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			return warning, fmt.Errorf("core's retention would count from today for this MP4, because its time cannot be set: %w", err)
		}
		if err != nil {
			warning = "core's retention counts from today for this MP4, because its time could not be set: " + err.Error()
		}
	}
	return warning, nil
}

// Exists reports whether there is a file or folder at path.
func Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// MustMount returns an error if the volume is away: an empty or missing replay
// folder must never be taken for a deletion of recordings.
func MustMount(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return task.Failf(task.ClassVolume, "the replay volume does not exist: %w", err)
	}
	if len(entries) == 0 {
		return task.Failf(task.ClassVolume, "the replay volume at %s is empty: is it mounted?", root)
	}
	return nil
}

// owns reports whether a name, relative to the replay folder or a key, belongs to
// the session. Everything that is retired, overwritten or deleted is checked here,
// so that no record of the queue and no bug can affect another session's files.
func (d Delivery) owns(name string) bool {
	rest, ok := strings.CutPrefix(name, d.Date+"/"+d.Session)
	return ok && (rest == "" || strings.ContainsRune("./_", rune(rest[0]))) && !strings.Contains(rest, "..")
}

// ErrForeign means that a task names files of another session.
var ErrForeign = errors.New("the task names files that are not its session's")

// mustOwn returns an error if owns returns false.
func (d Delivery) mustOwn(name string) error {
	if !d.owns(name) {
		return task.FailAs(task.ClassInternal, task.Fails, "%w: %s", ErrForeign, name)
	}
	return nil
}
