package upload

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/coreapi/ctxio"
)

// Store stores the bytes of the file at an index of the task's list durably.
// Before, check inspects the content; if it returns errEmptyPart, the file is
// stored as empty. The same file again replaces the earlier one until the task is
// complete; afterwards it is only compared. If a checksum was announced, it
// decides; otherwise the size does.
//
// Errors: [ErrNoTask], [ErrBusy], [ErrChecksum], [ErrLength], [ErrFull], and those
// of r, of check and of the disk; after any of them, nothing is left behind.
func (s *Spool) Store(ctx context.Context, id string, index int, r io.Reader, check func(name string, r io.Reader) error) (File, error) {
	t, announced, err := s.entry(id, index)
	if err != nil {
		return File{}, err
	}
	if announced.Name == "" {
		return File{}, fmt.Errorf("%w: it has no file at %d", ErrNoTask, index)
	}
	release, err := s.claim(id, index)
	if err != nil {
		return File{}, err
	}
	defer release()
	f, err := durable.Create(filepath.Join(s.folder(id), announced.Name), 0o600)
	if err != nil {
		return File{}, spoolError(err)
	}
	defer f.Abort()
	file, err := s.copy(f, ctxio.NewReader(ctx, r), announced)
	if err != nil {
		return File{}, err
	}
	if t.Complete { // the response was lost, and the client retries
		return file, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return File{}, spoolError(err)
	}
	err = check(file.Name, f)
	if file.Empty = errors.Is(err, errEmptyPart); err != nil && !file.Empty {
		return File{}, err
	}
	return s.stored(f, id, index, file)
}

// copy writes a file and compares it with the announcement.
func (s *Spool) copy(to *durable.File, from io.Reader, file File) (File, error) {
	hash := sha256.New()
	var err error
	if file.Size, err = io.Copy(&roomWriter{s: s, w: io.MultiWriter(to, hash)}, from); err != nil {
		return file, err
	}
	announced := file.Checksum
	file.Checksum, file.Unpacked = hex.EncodeToString(hash.Sum(nil)), unpacked(to, file.Size)
	switch {
	case announced == "":
		return file, file.short()
	case !strings.EqualFold(announced, file.Checksum):
		return file, fmt.Errorf("%w: %.100s was announced, but %s was received", ErrChecksum, announced, file.Checksum)
	}
	return file, nil
}

// unpacked returns the uncompressed length from the end of a gzip file.
func unpacked(f io.ReaderAt, size int64) uint32 {
	var last [4]byte
	if _, err := f.ReadAt(last[:], size-int64(len(last))); err != nil {
		return 0
	}
	return binary.LittleEndian.Uint32(last[:])
}

// stored renames a file to its final name and records it. If another request or
// agent has completed the upload meanwhile, nothing changes.
func (s *Spool) stored(f *durable.File, id string, index int, file File) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.lock(id)
	if err != nil {
		return File{}, err
	}
	defer unlock()
	t, err := s.Get(id)
	if err != nil {
		return File{}, err
	}
	if t.Complete {
		return file, nil
	}
	if err := f.Commit(); err != nil {
		return File{}, spoolError(err)
	}
	t.Files[index] = file
	return file, s.write(t)
}

// claim keeps two requests from writing the same file.
func (s *Spool) claim(id string, index int) (release func(), err error) {
	key := fmt.Sprint(id, "/", index)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[key] {
		return nil, ErrBusy
	}
	if s.busy == nil {
		s.busy = map[string]bool{}
	}
	s.busy[key] = true
	return func() {
		s.mu.Lock()
		delete(s.busy, key)
		s.mu.Unlock()
	}, nil
}

// Room returns [ErrFull] if less than the reserve would be left after that many
// more bytes; a negative number means unknown.
func (s *Spool) Room(bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.Dir, &st); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free-max(bytes, 0) < s.Reserve {
		return fmt.Errorf("%w: %d MB are free in %s, and %d MB have to stay free", ErrFull, free>>20, s.Dir, s.Reserve>>20)
	}
	return nil
}

// roomWriter checks the free space from time to time.
type roomWriter struct {
	s    *Spool
	w    io.Writer
	left int64 // bytes until the next check
}

const lookEvery = 4 << 20 // even for all uploads at once, this is far less than the reserve

func (r *roomWriter) Write(p []byte) (int, error) {
	if r.left -= int64(len(p)); r.left < 0 {
		if err := r.s.Room(int64(len(p))); err != nil {
			return 0, err
		}
		r.left = lookEvery
	}
	n, err := r.w.Write(p)
	return n, spoolError(err)
}
