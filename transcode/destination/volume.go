package destination

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// HashFile returns the hex SHA-256 of a file's bytes, and their number.
func HashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, ctxReader{ctx, f})
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// ctxReader stops reading when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// takeOver gives the file at path the mode that core's web server needs, and
// the owner and modification time of the original: core's retention counts
// from the latter. What the agent is not allowed to change is returned as a
// warning, not an error: the file can be served as it is.
func takeOver(path string, original fs.FileInfo) (warning string, err error) {
	now, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if now.Mode().Perm() != 0o644 {
		if err := os.Chmod(path, 0o644); err != nil && now.Mode().Perm()&0o004 == 0 {
			return "", fmt.Errorf("make the MP4 readable for core's web server: %w", err)
		}
	}
	was, ok1 := original.Sys().(*syscall.Stat_t)
	is, ok2 := now.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && (was.Uid != is.Uid || was.Gid != is.Gid) {
		if err := os.Chown(path, int(was.Uid), int(was.Gid)); err != nil {
			warning = "the MP4 keeps the owner that core gave it: " + err.Error()
		}
	}
	if !now.ModTime().Equal(original.ModTime()) {
		if err := os.Chtimes(path, original.ModTime(), original.ModTime()); err != nil {
			warning = "core's retention counts from today for this MP4, because its time could not be set: " + err.Error() +
				"; run the agent under the owner of core's files"
		}
	}
	return warning, nil
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
