package upload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// File is one file of an upload.
type File struct {
	Name     string `json:"name"`
	Checksum string `json:"checksum,omitempty"` // SHA-256 of the bytes as sent, hex; empty = not told
	Length   int64  `json:"length,omitempty"`   // bytes uncompressed, as announced; 0 = not told
	Size     int64  `json:"size,omitempty"`     // bytes as stored; 0 = not there yet
	Unpacked uint32 `json:"unpacked,omitempty"` // bytes uncompressed, modulo 2³², as gzip's trailer says
}

// short is an error when a stored file is not as long as was announced.
// Clients announce what it is uncompressed; the size as sent will do, too.
func (f File) short() error {
	if f.Length <= 0 || uint32(f.Length) == f.Unpacked || f.Length == f.Size { //nolint:gosec // modulo 2³², as gzip has it
		return nil
	}
	return fmt.Errorf("%w: %d bytes were announced, and %d as sent, %d uncompressed, have come", ErrLength, f.Length, f.Size, f.Unpacked)
}

// Task is an upload.
type Task struct {
	ID        string    `json:"id"`
	Session   string    `json:"session"`
	Component string    `json:"component"` // lion, razor; as the client says
	Caller    string    `json:"caller"`    // the account's id at core
	Created   time.Time `json:"created"`
	Files     []File    `json:"files"` // in the order of the client's list
	// InParts says that there is an index.
	InParts bool `json:"in_parts,omitempty"`
	// Index is the .replay.json of a recording in parts, for [Spool.Create], which
	// gives it a file of its own. In task.json agents of earlier releases left it.
	Index    []byte `json:"index,omitempty"`
	Complete bool   `json:"complete"`
	Agent    string `json:"agent,omitempty"` // who began it, in a folder of several
}

// Errors of the spool.
var (
	ErrNoTask   = errors.New("no such upload")
	ErrFull     = errors.New("not enough room for uploads")
	ErrBusy     = errors.New("this file is being uploaded by another request")
	ErrChecksum = errors.New("the checksum does not agree")
	ErrLength   = errors.New("the size does not agree")
	ErrMany     = errors.New("too many uploads of this account are not finished")
)

// Spool keeps uploads in a folder, and those that are done with in a folder
// "done" below it. It may be used by many goroutines, and the folder by several
// agents, also on a network: each change of an upload is made under a lock on
// a file in its folder.
type Spool struct {
	Dir     string
	Agent   string        // names this agent for good, when others may use the folder; "" = nobody else does
	Reserve int64         // bytes that stay free on the disk
	Keep    time.Duration // of uploads that are not completed
	KeepOld time.Duration // of those that have done their duty; negative = for good
	MaxOpen int           // unfinished uploads of one account; 0 = 1000
	// DropStored: uploads that have become a replay in the storage go at once.
	DropStored bool

	mu   sync.Mutex
	busy map[string]bool   // task/index being written; guarded by mu
	open map[string]opened // unfinished uploads, by id; guarded by mu

	reading   sync.Mutex // held while a record is read for a request
	last      Task       // the record that was read last; guarded by reading
	lastStamp stamp      // of its file; guarded by reading

	knowing sync.Mutex
	seen    map[string]summary // what is known of uploads, by id; guarded by knowing
}

// Create makes a durable folder for an upload.
func (s *Spool) Create(t Task) (Task, error) {
	if err := s.Room(0); err != nil {
		return Task{}, err
	}
	t.ID, t.Created, t.Complete, t.Agent = uuid.NewString(), time.Now().UTC(), false, s.Agent
	if err := s.begin(t); err != nil {
		return Task{}, err
	}
	err := os.Mkdir(s.folder(t.ID), 0o700)
	if err == nil && len(t.Index) > 0 {
		err = durable.WriteFile(filepath.Join(s.folder(t.ID), indexFile), t.Index, 0o600)
		t.InParts, t.Index = true, nil
	}
	if err == nil {
		err = errors.Join(s.write(t), durable.SyncDir(s.Dir))
	}
	if err != nil {
		s.ended(t.ID)
		os.RemoveAll(s.folder(t.ID))
		return Task{}, spoolError(err)
	}
	return t, nil
}

func (s *Spool) folder(id string) string { return filepath.Join(s.Dir, id) }

// head is Get without the list of files, which may be long: requests keep it
// for as long as they last.
func (s *Spool) head(id string) (Task, error) {
	t, _, err := s.entry(id, 0)
	return t, err
}

// entry is head, and the file at an index of the list; the zero File when there
// is none. Requests read one after the other, and a record that is the last one
// still is not read again.
func (s *Spool) entry(id string, index int) (t Task, file File, err error) {
	if !isID(id) {
		return Task{}, File{}, ErrNoTask
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	info, err := os.Lstat(filepath.Join(s.folder(id), taskFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Task{}, File{}, ErrNoTask
	case err != nil:
		return Task{}, File{}, fmt.Errorf("spool: %w", err)
	case s.last.ID != id || s.lastStamp != stampOf(info):
		if t, err = s.Get(id); err != nil {
			return Task{}, File{}, err
		}
		s.last, s.lastStamp = t, stampOf(info)
	}
	if t = s.last; index >= 0 && index < len(t.Files) {
		file = t.Files[index]
	}
	t.Files, t.Index = nil, nil
	return t, file, nil
}

// Get reads a task. [ErrNoTask] when there is none of that id.
func (s *Spool) Get(id string) (Task, error) {
	if !isID(id) {
		return Task{}, ErrNoTask
	}
	return read(s.folder(id))
}

// isID tells whether a word may be an upload's id: no others become paths.
func isID(id string) bool {
	return uuid.Validate(id) == nil && strings.ToLower(id) == id && len(id) == 36
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

const (
	taskFile    = "task.json"
	indexFile   = "index.json" // what will be the .replay.json
	indexSuffix = ".replay.json"
)

// write replaces task.json durably.
func (s *Spool) write(t Task) error {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return spoolError(durable.WriteFile(filepath.Join(s.folder(t.ID), taskFile), data, 0o600))
}

// Commit completes an upload if all its files are there, durably. It answers
// whether it was this call that did.
func (s *Spool) Commit(id string) (t Task, completed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.lock(id)
	if err != nil {
		return Task{}, false, err
	}
	defer unlock()
	if t, err = s.Get(id); err != nil || t.Complete {
		return t, false, err
	}
	for _, f := range t.Files {
		if f.Size == 0 {
			return t, false, nil
		}
	}
	if t.inParts() {
		if err := s.nameIndex(t); err != nil {
			return t, false, err
		}
	}
	t.InParts, t.Index, t.Complete = t.inParts(), nil, true
	if err := s.write(t); err != nil {
		return t, false, err
	}
	delete(s.open, id)
	return t, true, nil
}

// Path is where the recording of a complete task lies, relative to Dir: a
// .replay.gz, another single dump, or the .replay.json of a recording in parts.
func (s *Spool) Path(t Task) string {
	name := t.Files[0].Name
	if t.inParts() {
		name = t.Session + indexSuffix
	}
	return filepath.Join(t.ID, name)
}

// inParts reports whether the recording is in parts, with an index.
func (t Task) inParts() bool { return t.InParts || len(t.Index) > 0 }

// nameIndex gives the index the name that makes the files a recording.
func (s *Spool) nameIndex(t Task) error {
	name := filepath.Join(s.folder(t.ID), t.Session+indexSuffix)
	if len(t.Index) > 0 { // begun by an agent of an earlier release
		return spoolError(durable.WriteFile(name, t.Index, 0o600))
	}
	err := os.Rename(filepath.Join(s.folder(t.ID), indexFile), name)
	if _, there := os.Lstat(name); errors.Is(err, fs.ErrNotExist) && there == nil {
		err = nil // an attempt before this one broke off after it
	}
	if err == nil {
		err = durable.SyncDir(s.folder(t.ID))
	}
	return spoolError(err)
}

// Drop removes an upload, unless it is complete: then its client may have been
// told so.
func (s *Spool) Drop(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := s.Get(id)
	if err != nil {
		return err
	}
	delete(s.open, id)
	if t.Complete {
		return nil
	}
	return spoolError(os.RemoveAll(s.folder(id)))
}

// spoolError says where an error comes from, and that it is [ErrFull] if so.
func spoolError(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrFull):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("spool: %w", err)
}
