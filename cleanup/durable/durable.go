// Package durable writes files so that they survive a crash of the program or of
// the machine. At any time, a file is either the old one or the whole new one.
// After a function has returned without an error, content and name are on the disk.
//
// A file that is being written has a temporary name in the same folder
// ([TempPattern]). Only a crash leaves such a file behind.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// TempPattern matches the names of files that are being written, as for
// [filepath.Glob].
const TempPattern = ".writing-*"

// WriteFile replaces the file at path, or creates it. Its permissions are perm,
// whatever the umask is. After an error, the file is the old one or the new one.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file that is being written. It ends with Commit or Abort. It is
// used by one goroutine at a time.
type File struct {
	*os.File        // with its temporary name
	path     string // its final name
	ended    bool   // committed or aborted
}

// Create opens a file that gets the name path when it is committed; an existing
// file is replaced. Its permissions are perm, whatever the umask is.
func Create(path string, perm fs.FileMode) (*File, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), TempPattern)
	if err != nil {
		return nil, err
	}
	f := &File{File: temp, path: path}
	if err := f.setPermissions(perm.Perm()); err != nil {
		f.Abort()
		return nil, err
	}
	return f, nil
}

// setPermissions changes the permissions only if they differ: some file systems
// cannot change them.
func (f *File) setPermissions(perm fs.FileMode) error {
	st, err := f.Stat()
	if err != nil || st.Mode().Perm() == perm {
		return err
	}
	return f.Chmod(perm)
}

// Commit writes the file to the disk and gives it its name. After an error the
// temporary file no longer exists, and path is the old file or the new one.
func (f *File) Commit() error {
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		f.Abort()
		return err
	}
	f.ended = true
	return SyncDir(filepath.Dir(f.path))
}

// Abort removes the file. After Commit it does nothing, so that it can be
// deferred.
func (f *File) Abort() {
	if f.ended {
		return
	}
	f.ended = true
	f.Close()
	os.Remove(f.Name())
}

// SyncDir writes the entries of a folder to the disk: new files, renames and
// removals then survive a crash of the machine. It does nothing on file systems
// that cannot sync folders.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpenDir(d)
}

// SyncDirIn is [SyncDir] of a folder below root.
func SyncDirIn(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpenDir(d)
}

// syncOpenDir syncs a folder. It ignores the errors with which file systems say
// that they cannot sync folders.
func syncOpenDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBADF) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
