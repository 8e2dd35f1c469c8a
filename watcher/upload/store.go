package upload

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/coreapi/ctxio"
)

// Store takes the bytes of the file at an index of the task's list, durably,
// after check has looked at them. The same file again replaces the one before
// as long as the task is not complete; afterwards it is only compared. A
// checksum that was announced decides; without one the size does.
//
// Errors: [ErrNoTask], [ErrBusy], [ErrChecksum], [ErrLength], [ErrFull], and
// those of r, of check and of the disk; none leaves anything behind.
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
	if t.Complete { // the answer was lost, and the client asks again
		return file, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return File{}, spoolError(err)
	}
	if err := check(file.Name, f); err != nil {
		return File{}, err
	}
	return s.stored(f, id, index, file)
}

// copy writes a file and compares it with what was announced.
func (s *Spool) copy(to *durable.File, from io.Reader, file File) (File, error) {
	hash := sha256.New()
	var err error
	if file.Size, err = io.Copy(&roomWriter{s: s, w: io.MultiWriter(to, hash)}, from); err != nil {
		return file, err
	}
	announced := file.Checksum
	file.Checksum, file.Unpacked = hex.EncodeToString(hash.Sum(nil)), unpacked(to, file.Size)
	switch {
	case file.Size == 0:
		return file, fmt.Errorf("%w: no bytes", ErrChecksum)
	case announced == "":
		return file, file.short()
	case !strings.EqualFold(announced, file.Checksum):
		return file, fmt.Errorf("%w: %.100s was announced and %s has come", ErrChecksum, announced, file.Checksum)
	}
	return file, nil
}

// unpacked is what the end of a gzip file says of its length uncompressed.
func unpacked(f io.ReaderAt, size int64) uint32 {
	var last [4]byte
	if _, err := f.ReadAt(last[:], size-int64(len(last))); err != nil {
		return 0
	}
	return binary.LittleEndian.Uint32(last[:])
}

// stored puts a file in its place and notes it. The upload may have become
// complete meanwhile, by another request or agent: then it is left as it is.
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

// claim keeps two requests from writing one file.
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

// Room answers [ErrFull] when less than the reserve would be left after so
// many bytes more; a negative number of them is not known.
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

// roomWriter looks at the free space now and then.
type roomWriter struct {
	s    *Spool
	w    io.Writer
	left int64 // bytes until the next look
}

const lookEvery = 4 << 20 // times all uploads at once, far less than the reserve

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
