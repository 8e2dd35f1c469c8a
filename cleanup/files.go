package cleanup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// ErrReplaced is returned for a file that is not the one any more that was to
// be retired. It is where it was.
var ErrReplaced = errors.New("the file was replaced meanwhile")

// RetireFile is Retire for one file that the caller has open: what is retired is
// that very file, or nothing. It returns [ErrReplaced] when another file has
// taken its name.
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

// RetireFolder is RetireFile for a folder of whose files the caller has seen all,
// by name: it goes in one step, if nothing else is in it.
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

// mustHold makes sure that a folder that was moved to the trash holds these files
// and no others.
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

// Drop removes what a Retire has moved to the trash, and the folders there that
// nothing else is in.
func (t Trash) Drop(trashed string) error {
	if _, err := retiredFrom(trashed); err != nil {
		return err
	}
	root, err := t.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(trashed); err != nil {
		return fmt.Errorf("trash: %w", err)
	}
	for dir := path.Dir(trashed); dir != "."; dir = path.Dir(dir) {
		if root.Remove(dir) != nil {
			break
		}
	}
	return nil
}

// mustBe makes sure that what was moved to the trash is what should be there.
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

// RemoveEmpty removes the folder rel below root if nothing is in it. What keeps
// it from being removed is no error: whatever is in it stays.
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
