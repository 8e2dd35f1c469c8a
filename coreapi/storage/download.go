package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// Download writes an object to the file at path. Until it is complete, the file has
// a temporary name in the same folder. If the connection is cut, the download
// continues where it was. The file gets the object's modification time. keep is how
// many bytes must remain free on the disk; if the object would leave less, Download
// writes nothing and returns ENOSPC. If the object changes meanwhile, it returns
// ErrUnavailable.
func Download(ctx context.Context, s Storage, key, path string, keep int64) (Object, error) {
	o, err := s.Stat(ctx, key)
	if err != nil {
		return o, err
	}
	if o.Archived {
		return o, &Error{Op: "get", Place: s.Place(), Key: key, Kind: ErrArchived}
	}
	if err := NeedSpace(filepath.Dir(path), o.Size+keep); err != nil {
		return o, fmt.Errorf("download %s: %w", key, err)
	}
	f, err := durable.Create(path, 0o600)
	if err != nil {
		return o, err
	}
	defer f.Abort()
	n, err := read(ctx, s, key, f, 0)
	if err != nil {
		return o, err
	}
	now, err := s.Stat(ctx, key)
	if err != nil {
		return o, err
	}
	if n != o.Size || now.Size != o.Size || now.ETag != o.ETag {
		return o, &Error{Op: "get", Place: s.Place(), Key: key, Kind: ErrUnavailable, Err: errors.New("it changed while it was read")}
	}
	if err := os.Chtimes(f.Name(), o.ModTime, o.ModTime); err != nil {
		return o, err
	}
	return o, f.Commit()
}

// NeedSpace returns ENOSPC if the filesystem of dir has fewer than bytes free.
func NeedSpace(dir string, bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < bytes {
		return fmt.Errorf("%s has %d MB free and %d MB are needed: %w", dir, free>>20, bytes>>20, syscall.ENOSPC)
	}
	return nil
}
