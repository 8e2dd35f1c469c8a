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
	Checksum string `json:"checksum,omitempty"` // SHA-256 of the bytes as sent, hex; empty = unknown
	Length   int64  `json:"length,omitempty"`   // bytes uncompressed, as announced; 0 = unknown
	Size     int64  `json:"size,omitempty"`     // bytes as stored; 0 = not stored yet, unless Empty
	Empty    bool   `json:"empty,omitempty"`    // it is stored, and it is empty
	Unpacked uint32 `json:"unpacked,omitempty"` // bytes uncompressed, modulo 2³², from gzip's trailer
}

// short returns an error if a stored file does not have the announced length.
// Clients announce the uncompressed length; the size as sent is also accepted.
func (f File) short() error {
	if f.Length <= 0 || uint32(f.Length) == f.Unpacked || f.Length == f.Size { //nolint:gosec // modulo 2³², as gzip has it
		return nil
	}
	return fmt.Errorf("%w: %d bytes were announced, but %d were received, which are %d uncompressed", ErrLength, f.Length, f.Size, f.Unpacked)
}

// Task is an upload.
type Task struct {
	ID        string    `json:"id"`
	Session   string    `json:"session"`
	Component string    `json:"component"` // lion, razor; as the client sends it
	Caller    string    `json:"caller"`    // the account's id in core
	Created   time.Time `json:"created"`
	Files     []File    `json:"files"` // in the order of the client's list
	// InParts means that there is an index.
	InParts bool `json:"in_parts,omitempty"`
	// Index is the .replay.json of a recording in parts, for [Spool.Create], which
	// stores it in a file of its own. Agents of earlier releases stored it in
	// task.json.
	Index    []byte `json:"index,omitempty"`
	Complete bool   `json:"complete"`
	Agent    string `json:"agent,omitempty"` // the agent that began it, in a spool of several
}

// Errors of the spool.
var (
	ErrNoTask   = errors.New("no such upload")
	ErrFull     = errors.New("not enough room for uploads")
	ErrBusy     = errors.New("this file is being uploaded by another request")
	ErrChecksum = errors.New("the checksum does not match")
	ErrLength   = errors.New("the size does not match")
	ErrEmpty    = errors.New("all parts of the recording are empty")
	ErrMany     = errors.New("this account has too many unfinished uploads")
)

// Spool stores uploads in a folder, and finished ones in a folder "done" below it.
// Many goroutines may use it, and several agents may use the folder, also on a
// network. Each change of an upload is made under a lock on a file in its folder.
type Spool struct {
	Dir     string
	Agent   string        // permanent name of this agent if others may use the folder; "" = no other agent does
	Reserve int64         // bytes that stay free on the disk
	Keep    time.Duration // how long incomplete uploads are kept
	KeepOld time.Duration // how long finished uploads are kept; negative = forever
	MaxOpen int           // unfinished uploads of one account; 0 = 1000
	// DropStored deletes uploads at once when they have become a replay in the
	// storage.
	DropStored bool
	// Count, if not nil, is called for each upload that was accepted or refused,
	// and for what became of it later. The reason is one of [Reasons], that of a
	// task, or "".
	Count func(result Result, reason string)

	mu   sync.Mutex
	busy map[string]bool   // task/index being written; guarded by mu
	open map[string]opened // unfinished uploads, by id; guarded by mu

	reading   sync.Mutex // held while a record is read for a request
	last      Task       // the record that was read last; guarded by reading
	lastStamp stamp      // of the record's file; guarded by reading

	knowing sync.Mutex
	seen    map[string]summary // cached state of uploads, by id; guarded by knowing
}

// Create creates a durable folder for an upload.
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

// head is Get without the list of files, which may be long: requests keep the
// result in memory until they end.
func (s *Spool) head(id string) (Task, error) {
	t, _, err := s.entry(id, 0)
	return t, err
}

// entry is head, with the file at an index of the list; the zero File for another
// index. Requests read one after the other, and the last record is not read again if
// it has not changed.
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

// Get reads a task. It returns [ErrNoTask] if no task has that id.
func (s *Spool) Get(id string) (Task, error) {
	if !isID(id) {
		return Task{}, ErrNoTask
	}
	return read(s.folder(id))
}

// isID reports whether a word can be an upload's id: others never become paths.
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
	indexFile   = "index.json" // will become the .replay.json
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

// Commit completes an upload if all its files are stored durably. completed reports
// whether this call did it. It returns [ErrEmpty] if all files are empty.
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
	empty := 0
	for _, f := range t.Files {
		if f.Empty {
			empty++
		} else if f.Size == 0 {
			return t, false, nil
		}
	}
	if empty == len(t.Files) {
		return t, false, ErrEmpty
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

// Path returns the path of a complete task's recording, relative to Dir: a
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

// nameIndex renames the index so that the files become a recording.
func (s *Spool) nameIndex(t Task) error {
	name := filepath.Join(s.folder(t.ID), t.Session+indexSuffix)
	if len(t.Index) > 0 { // begun by an agent of an earlier release
		return spoolError(durable.WriteFile(name, t.Index, 0o600))
	}
	err := os.Rename(filepath.Join(s.folder(t.ID), indexFile), name)
	if _, there := os.Lstat(name); errors.Is(err, fs.ErrNotExist) && there == nil {
		err = nil // an earlier attempt was interrupted after it
	}
	if err == nil {
		err = durable.SyncDir(s.folder(t.ID))
	}
	return spoolError(err)
}

// Drop deletes an upload, unless it is complete: its client may then have had a
// successful response.
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

// spoolError adds where an error comes from, and wraps [ErrFull] if the disk is
// full.
func spoolError(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrFull):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("spool: %w", err)
}
