package cleanup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// ErrReplaced is returned if the file that the caller wanted to retire was replaced
// by another one. The other file stays where it is.
var ErrReplaced = errors.New("the file was replaced meanwhile")

// RetireFile is Retire for one file that the caller has open: it retires exactly
// that file, or nothing. It returns [ErrReplaced] if another file has its name.
func (t Trash) RetireFile(rel string, is fs.FileInfo) (string, error) {
	to, err := t.Retire(rel)
	if err != nil {
		return "", err
	}
	if err := t.mustBe(to, is); err != nil {
		return "", errors.Join(err, t.Restore(to))
	}
	return to, nil
}

// RetireFolder is RetireFile for a folder. The caller knows all its files, by name.
// The folder moves in one step, if it holds no other files.
func (t Trash) RetireFolder(rel string, files map[string]fs.FileInfo) (string, error) {
	to, err := t.Retire(rel)
	if err != nil {
		return "", err
	}
	if err := t.mustHold(to, files); err != nil {
		return "", errors.Join(err, t.Restore(to))
	}
	return to, nil
}

// mustHold returns an error unless a folder that was moved to the trash holds
// exactly these files.
func (t Trash) mustHold(trashed string, files map[string]fs.FileInfo) error {
	root, err := t.open()
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), trashed)
	if err != nil {
		return fmt.Errorf("trash: %w", err)
	}
	for _, e := range entries {
		st, err := root.Lstat(path.Join(trashed, e.Name()))
		if err != nil {
			return fmt.Errorf("trash: %w", err)
		}
		if is := files[e.Name()]; is == nil || !os.SameFile(st, is) {
			return fmt.Errorf("trash: %s/%s: %w", trashed, e.Name(), ErrReplaced)
		}
	}
	return nil
}

// Drop deletes what a Retire has moved to the trash, and then its folders there if
// they are empty. If a process on this host has a file open, an NFS client does not
// remove it, but renames it to a name that begins with ".nfs". A folder with such a
// file stays until its day expires.
func (t Trash) Drop(trashed string) error {
	if _, err := retiredFrom(trashed); err != nil {
		return err
	}
	root, err := t.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(trashed); err != nil && !onlyOpenIn(root, trashed) {
		return fmt.Errorf("trash: %w", err)
	}
	for dir := path.Dir(trashed); dir != "."; dir = path.Dir(dir) {
		if root.Remove(dir) != nil {
			break
		}
	}
	return nil
}

// onlyOpenIn reports whether a folder holds nothing but files that NFS keeps
// because a process had them open when they were removed.
func onlyOpenIn(root *os.Root, dir string) bool {
	entries, err := fs.ReadDir(root.FS(), dir)
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".nfs") })
}

// mustBe returns an error unless the file that was moved to the trash is the
// expected one.
func (t Trash) mustBe(trashed string, is fs.FileInfo) error {
	root, err := t.open()
	if err != nil {
		return err
	}
	defer root.Close()
	st, err := root.Lstat(trashed)
	if err != nil {
		return fmt.Errorf("trash: %w", err)
	}
	if !os.SameFile(st, is) {
		return fmt.Errorf("trash: %s: %w", trashed, ErrReplaced)
	}
	return nil
}

// RemoveEmpty removes the folder rel below root if it is empty. A folder that is
// not empty is not an error.
func RemoveEmpty(rootDir, rel string) error {
	if err := local(rel); err != nil {
		return err
	}
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	defer root.Close()
	st, err := root.Lstat(rel)
	if err != nil || !st.IsDir() {
		return nil //nolint:nilerr // it is gone, or no folder
	}
	switch err := root.Remove(rel); {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.EBUSY):
		return nil
	default:
		return fmt.Errorf("delete: %w", err)
	}
}
