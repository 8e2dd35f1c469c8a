package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFile is in the folder of each upload.
const lockFile = ".lock"

// lock keeps other requests and other agents from changing an upload until unlock.
// It returns [ErrNoTask] if there is no upload with that id.
func (s *Spool) lock(id string) (unlock func(), err error) {
	if !isID(id) {
		return nil, ErrNoTask
	}
	// It locks a file, because folders cannot be locked through NFS.
	f, err := os.OpenFile(filepath.Join(s.folder(id), lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoTask
	}
	if err != nil {
		return nil, spoolError(err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("spool: lock %s: %w", id, err)
	}
	return func() { f.Close() }, nil
}
