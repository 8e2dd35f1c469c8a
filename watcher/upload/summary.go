package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/uuid"
)

// Waiting is a complete upload that has not been finished yet.
type Waiting struct {
	ID      string // of the upload
	Session string // id
	Path    string // of the recording, relative to the spool's folder; see [Spool.Path]
}

// summary is the cached state of an upload: its record is read again only if its
// file was replaced.
type summary struct {
	stamp
	Waiting
	complete bool
}

// stamp identifies a version of a record. Records are only replaced as a whole,
// never written to.
type stamp struct {
	inode       uint64
	size, mtime int64
}

func stampOf(info fs.FileInfo) stamp {
	st := stamp{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.inode = sys.Ino
	}
	return st
}

// Complete lists the complete uploads that have not been finished yet. It checks
// each upload, and reads those that have changed since the last call.
func (s *Spool) Complete() ([]Waiting, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var all []Waiting
	there := map[string]bool{}
	for _, e := range entries {
		id := e.Name()
		if uuid.Validate(id) != nil {
			continue
		}
		known, err := s.summary(id)
		if there[id] = !errors.Is(err, ErrNoTask); err == nil && known.complete {
			all = append(all, known.Waiting)
		}
	}
	s.knowing.Lock()
	defer s.knowing.Unlock()
	maps.DeleteFunc(s.seen, func(id string, _ summary) bool { return !there[id] })
	return all, nil
}

// summary returns the cached state of an upload. It returns [ErrNoTask] if the
// upload or its record does not exist.
func (s *Spool) summary(id string) (summary, error) {
	info, err := os.Lstat(filepath.Join(s.folder(id), taskFile))
	if errors.Is(err, fs.ErrNotExist) {
		return summary{}, ErrNoTask
	}
	if err != nil {
		return summary{}, fmt.Errorf("spool: %w", err)
	}
	s.knowing.Lock()
	known, ok := s.seen[id]
	s.knowing.Unlock()
	if ok && known.stamp == stampOf(info) {
		return known, nil
	}
	t, err := read(s.folder(id))
	if err != nil {
		return summary{}, err // not cached: the error may be temporary
	}
	known = summary{stamp: stampOf(info), Waiting: Waiting{ID: id, Session: t.Session}}
	if known.complete = t.Complete && len(t.Files) > 0; known.complete {
		known.Path = s.Path(t)
	}
	s.knowing.Lock()
	defer s.knowing.Unlock()
	if s.seen == nil {
		s.seen = map[string]summary{}
	}
	s.seen[id] = known
	return known, nil
}
