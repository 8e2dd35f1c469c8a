package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Store takes the bytes of the file at an index of the task's list, durably,
// after check has looked at them. The same file again replaces the one before
// as long as the task is not complete; afterwards it is only compared.
//
// Errors: [ErrNoTask], [ErrBusy], [ErrChecksum], [ErrFull], and those of r, of
// check and of the disk; none leaves anything behind.
func (s *Spool) Store(ctx context.Context, id string, index int, r io.Reader, check func(name string, r io.Reader) error) error {
	t, err := s.Get(id)
	if err != nil {
		return err
	}
	if index < 0 || index >= len(t.Files) {
		return fmt.Errorf("%w: it has %d files, not one at %d", ErrNoTask, len(t.Files), index)
	}
	release, err := s.claim(id, index)
	if err != nil {
		return err
	}
	defer release()
	f, err := os.CreateTemp(s.folder(id), ".writing-")
	if err != nil {
		return spoolError(err)
	}
	hash := sha256.New()
	size, err := io.Copy(&roomWriter{s: s, w: io.MultiWriter(f, hash)}, contextReader{ctx, r})
	sum := hex.EncodeToString(hash.Sum(nil))
	want := t.Files[index]
	switch {
	case err != nil:
	case size == 0:
		err = fmt.Errorf("%w: no bytes", ErrChecksum)
	case want.Checksum != "" && !strings.EqualFold(want.Checksum, sum):
		err = fmt.Errorf("%w: %s was announced and %s has come", ErrChecksum, want.Checksum, sum)
	case t.Complete: // the answer was lost, and the client asks again
		f.Close()
		os.Remove(f.Name())
		return nil
	default:
		if _, err = f.Seek(0, io.SeekStart); err == nil {
			err = check(want.Name, f)
		}
	}
	if err := s.seal(f, err, filepath.Join(s.folder(id), want.Name)); err != nil {
		return err
	}
	return s.stored(id, index, size, sum)
}

// stored notes a file.
func (s *Spool) stored(id string, index int, size int64, sum string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.Get(id)
	if err != nil {
		return err
	}
	t.Files[index].Size, t.Files[index].Checksum = size, sum
	return s.write(t)
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

// Room answers [ErrFull] when there is no room for another upload.
func (s *Spool) Room() error { return s.room(0) }

// room answers ErrFull when less than the reserve would be left.
func (s *Spool) room(bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.Dir, &st); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free-bytes < s.Reserve {
		return fmt.Errorf("%w: %d MB are free in %s and %d MB stay free", ErrFull, free>>20, s.Dir, s.Reserve>>20)
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
		if err := r.s.room(int64(len(p))); err != nil {
			return 0, err
		}
		r.left = lookEvery
	}
	n, err := r.w.Write(p)
	return n, spoolError(err)
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
