package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// File is one file of an upload.
type File struct {
	Name     string `json:"name"`
	Checksum string `json:"checksum,omitempty"` // SHA-256 of the bytes as sent, hex; empty = not told
	Size     int64  `json:"size,omitempty"`     // bytes as stored; 0 = not there yet
}

// Task is an upload.
type Task struct {
	ID        string    `json:"id"`
	Session   string    `json:"session"`
	Component string    `json:"component"` // lion, razor; as the client says
	Caller    string    `json:"caller"`    // the account's id at core
	Created   time.Time `json:"created"`
	Files     []File    `json:"files"`           // in the order of the client's list
	Index     []byte    `json:"index,omitempty"` // .replay.json for a recording in parts
	Complete  bool      `json:"complete"`
}

// Errors of the spool.
var (
	ErrNoTask   = errors.New("no such upload")
	ErrFull     = errors.New("not enough room for uploads")
	ErrBusy     = errors.New("this file is being uploaded by another request")
	ErrChecksum = errors.New("the checksum does not agree")
)

// Spool keeps uploads in a folder, and those that are done with in a folder
// "done" below it. It may be used by many goroutines.
type Spool struct {
	Dir     string
	Reserve int64         // bytes that stay free on the disk
	Keep    time.Duration // of uploads that are not completed
	KeepOld time.Duration // of those whose MP4 is in place

	mu   sync.Mutex
	busy map[string]bool // task/index being written
}

// Create makes a durable folder for an upload.
func (s *Spool) Create(t Task) (Task, error) {
	if err := s.Room(); err != nil {
		return Task{}, err
	}
	t.ID, t.Created, t.Complete = uuid.NewString(), time.Now().UTC(), false
	if err := os.Mkdir(s.folder(t.ID), 0o700); err != nil {
		return Task{}, fmt.Errorf("spool: %w", err)
	}
	if err := errors.Join(s.write(t), syncDir(s.Dir)); err != nil {
		os.RemoveAll(s.folder(t.ID))
		return Task{}, err
	}
	return t, nil
}

func (s *Spool) folder(id string) string { return filepath.Join(s.Dir, id) }

// Get reads a task. [ErrNoTask] when there is none of that id.
func (s *Spool) Get(id string) (Task, error) {
	if uuid.Validate(id) != nil || strings.ToLower(id) != id || len(id) != 36 {
		return Task{}, ErrNoTask
	}
	return read(s.folder(id))
}

// read reads the task of a folder.
func read(folder string) (Task, error) {
	data, err := os.ReadFile(filepath.Join(folder, taskFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Task{}, ErrNoTask
	}
	if err != nil {
		return Task{}, fmt.Errorf("spool: %w", err)
	}
	var t Task
	if err := json.Unmarshal(data, &t); err != nil {
		return Task{}, fmt.Errorf("spool: %s: %w", folder, err)
	}
	return t, nil
}

const taskFile = "task.json"

// write replaces task.json durably.
func (s *Spool) write(t Task) error {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return s.put(s.folder(t.ID), taskFile, data)
}

// put writes a small file durably.
func (s *Spool) put(dir, name string, data []byte) error {
	f, err := os.CreateTemp(dir, ".writing-")
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	_, err = f.Write(data)
	return s.seal(f, err, filepath.Join(dir, name))
}

// seal makes a file durable under its name, or removes it.
func (s *Spool) seal(f *os.File, err error, path string) error {
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Store takes the bytes of the file at an index of the task's list, durably.
// The same file again replaces the one before as long as the task is not
// complete; afterwards it is only compared. It answers the task as it is then.
//
// Errors: [ErrNoTask], [ErrBusy], [ErrChecksum], [ErrFull], and those of r and
// of the disk; none leaves anything behind.
func (s *Spool) Store(ctx context.Context, id string, index int, r io.Reader) (Task, error) {
	t, err := s.Get(id)
	if err != nil {
		return Task{}, err
	}
	if index < 0 || index >= len(t.Files) {
		return Task{}, fmt.Errorf("%w: it has %d files, not one at %d", ErrNoTask, len(t.Files), index)
	}
	release, err := s.claim(id, index)
	if err != nil {
		return Task{}, err
	}
	defer release()
	f, err := os.CreateTemp(s.folder(id), ".writing-")
	if err != nil {
		return Task{}, fmt.Errorf("spool: %w", err)
	}
	hash := sha256.New()
	size, err := io.Copy(&roomWriter{s: s, w: io.MultiWriter(f, hash)}, contextReader{ctx, r})
	sum := hex.EncodeToString(hash.Sum(nil))
	want := t.Files[index]
	switch {
	case err == nil && size == 0:
		err = fmt.Errorf("%w: no bytes", ErrChecksum)
	case err == nil && want.Checksum != "" && !strings.EqualFold(want.Checksum, sum):
		err = fmt.Errorf("%w: %s was announced and %s has come", ErrChecksum, want.Checksum, sum)
	case err == nil && t.Complete: // the answer was lost, and the client asks again
		if want.Size != size {
			err = fmt.Errorf("%w: %d bytes came before and %d now", ErrChecksum, want.Size, size)
		}
		f.Close()
		os.Remove(f.Name())
		return t, err
	}
	if err := s.seal(f, err, filepath.Join(s.folder(id), want.Name)); err != nil {
		return Task{}, err
	}
	return s.stored(id, index, size, sum)
}

// stored notes a file, and completes the task with the last.
func (s *Spool) stored(id string, index int, size int64, sum string) (Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.Get(id)
	if err != nil {
		return Task{}, err
	}
	t.Files[index].Size, t.Files[index].Checksum = size, sum
	t.Complete = true
	for _, f := range t.Files {
		t.Complete = t.Complete && f.Size > 0
	}
	if t.Complete && len(t.Index) > 0 {
		if err := s.put(s.folder(id), t.Session+".replay.json", t.Index); err != nil {
			return Task{}, err
		}
	}
	return t, s.write(t)
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

func (s *Spool) open(t Task, index int) (*os.File, error) {
	f, err := os.Open(filepath.Join(s.folder(t.ID), t.Files[index].Name))
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return f, nil
}

// Path is where the recording of a complete task lies, relative to Dir: a
// .replay.gz, another single dump, or the .replay.json of a recording in parts.
func (s *Spool) Path(t Task) string {
	if len(t.Index) > 0 {
		return filepath.Join(t.ID, t.Session+".replay.json")
	}
	return filepath.Join(t.ID, t.Files[0].Name)
}

// Drop removes an upload.
func (s *Spool) Drop(id string) error {
	if _, err := s.Get(id); err != nil {
		return err
	}
	return os.RemoveAll(s.folder(id))
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

const lookEvery = 32 << 20

func (r *roomWriter) Write(p []byte) (int, error) {
	if r.left -= int64(len(p)); r.left < 0 {
		if err := r.s.room(int64(len(p))); err != nil {
			return 0, err
		}
		r.left = lookEvery
	}
	n, err := r.w.Write(p)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	return n, err
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
