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

// Download writes an object to the file at path, under a temporary name in
// the same folder until it is whole. It goes on after a cut connection. Its
// modification time is the object's. Keep is what must stay free on the disk,
// in bytes; when the object leaves less, nothing is downloaded and the error
// is ENOSPC. An object that changes meanwhile is ErrUnavailable.
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

// NeedSpace answers ENOSPC when the filesystem of dir has less than bytes free.
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
