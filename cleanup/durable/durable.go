// Package durable writes files that must survive a crash of the program and
// of the machine. Under its name, a file is always either the old one or the
// whole new one, and a function that has returned without an error has put
// content and name on the disk.
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

// WriteFile replaces the file at path, or creates it. Its permissions are
// perm, whatever the umask is. After an error the file is the old one or the
// new one.
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
	*os.File        // under its temporary name
	path     string // the name that it takes
	ended    bool   // committed or aborted
}

// Create opens a file that takes the name path when it is committed, also if
// there is one of that name. Its permissions are perm, whatever the umask is.
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

// setPermissions changes them only when needed: some file systems cannot.
func (f *File) setPermissions(perm fs.FileMode) error {
	st, err := f.Stat()
	if err != nil || st.Mode().Perm() == perm {
		return err
	}
	return f.Chmod(perm)
}

// Commit puts the file on the disk and gives it its name. After an error the
// temporary file is gone, and the name stands for the old file or the new one.
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

// SyncDir puts the names in a folder on the disk: new files, renames and
// removals survive a crash of the machine. It does nothing on file systems
// that have no such operation.
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

// syncOpenDir knows how file systems say that folders cannot be synced.
func syncOpenDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBADF) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
