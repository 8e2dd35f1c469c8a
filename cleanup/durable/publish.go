package durable

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Publish writes the file temp, which another function has written, to the disk and
// renames it to path on the same file system. With replace, it replaces an existing
// file. Otherwise it returns [io/fs.ErrExist] if path exists, and both files stay
// as they are.
func Publish(temp, path string, replace bool) error {
	f, err := os.Open(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if replace {
		err = os.Rename(temp, path)
	} else {
		err = renameNew(temp, path)
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// renameNew renames a file to a name that does not exist. On NFS, only a hard link
// can do that.
func renameNew(temp, path string) error {
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return &os.LinkError{Op: "rename", Old: temp, New: path, Err: err}
	}
	err = os.Link(temp, path)
	if errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		return claim(temp, path)
	}
	if err != nil {
		return err
	}
	return os.Remove(temp)
}

// claim is renameNew for file systems without hard links: it first creates an empty
// file with the name. A crash in between leaves that empty file.
func claim(temp, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if err := os.Rename(temp, path); err != nil {
		// On a network file system, the rename may have succeeded although it
		// returned an error.
		if _, gone := os.Lstat(temp); gone == nil {
			os.Remove(path)
		}
		return err
	}
	return nil
}
