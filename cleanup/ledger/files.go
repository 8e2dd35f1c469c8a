package ledger

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// writeTemp durably writes a file with a temporary name beside file.
func writeTemp(file string, data io.Reader, perm fs.FileMode) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".writing-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, data)
	if err := errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// writeFile replaces a file, or creates it.
func writeFile(file string, data io.Reader, perm fs.FileMode) error {
	temp, err := writeTemp(file, data, perm)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, file); err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(file))
}

// syncDir writes the entries of a folder to the disk, if the file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EBADF) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
