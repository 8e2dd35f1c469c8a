package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// done returns the folder of a finished upload.
func (s *Spool) done(id string) string { return filepath.Join(s.Dir, "done", id) }

// Finish moves an upload that is no longer needed to the folder "done"; it is
// deleted after KeepOld. It returns [ErrNoTask] if no upload has that id, or
// if it was finished before.
func (s *Spool) Finish(id string) error { return s.move(id, s.done(id)) }

// KeepForGood is like [Spool.Finish], but the upload never expires: it is in the
// folder "kept" until an operator deletes it.
func (s *Spool) KeepForGood(id string) error { return s.move(id, s.kept(id)) }

// kept returns the folder of an upload that never expires.
func (s *Spool) kept(id string) string { return filepath.Join(s.Dir, "kept", id) }

// InTrash reports whether a finished upload still exists. It returns false for a
// text that is not an id.
func (s *Spool) InTrash(id string) (bool, error) {
	if !isID(id) {
		return false, nil
	}
	for _, folder := range []string{s.done(id), s.kept(id)} {
		if _, err := read(folder); err == nil {
			return true, nil
		} else if !errors.Is(err, ErrNoTask) {
			return false, err
		}
	}
	return false, nil
}

// Restore moves a finished upload back. If it is back already, nothing changes; if
// it no longer exists, Restore returns [ErrNoTask].
func (s *Spool) Restore(id string) error {
	if !isID(id) {
		return ErrNoTask
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.Get(id); !errors.Is(err, ErrNoTask) {
		return err
	}
	for _, folder := range []string{s.done(id), s.kept(id)} {
		err := os.Rename(folder, s.folder(id))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = durable.SyncDir(s.Dir)
		}
		return spoolError(err)
	}
	return ErrNoTask
}

// move moves an upload to another folder.
func (s *Spool) move(id, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := s.Get(id); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	now := time.Now()
	err = errors.Join(os.Chtimes(s.folder(id), now, now), os.Rename(s.folder(id), to))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Need says what a released upload may still be needed for.
type Need int

// Needs of uploads.
const (
	NeedNothing Need = iota // nothing: its session has a replay in the storage
	NeedUnknown             // core does not know the session
	NeedContent             // its session has a replay, which may be incomplete
	NeedAgain               // its session has a replay, according to core
)

// Release ends an upload that the agent no longer needs, and counts its result. If
// it has been released before, Release does nothing.
func (s *Spool) Release(id string, need Need, result Result) error {
	end := s.Finish
	switch {
	case need == NeedContent:
		end = s.KeepForGood
	case need == NeedNothing && s.DropStored:
		end = s.Remove
	}
	err := end(id)
	if errors.Is(err, ErrNoTask) {
		return nil
	}
	if err == nil {
		s.count(result, "")
	}
	return err
}

// Remove is like [Spool.Finish], but deletes the upload at once.
func (s *Spool) Remove(id string) error {
	if err := s.Finish(id); err != nil {
		return err
	}
	return spoolError(os.RemoveAll(s.done(id)))
}

// uploads visits the folders of uploads in dir.
func uploads(dir string, visit func(folder string, info fs.FileInfo) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	for _, e := range entries {
		if uuid.Validate(e.Name()) != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it was just removed
		}
		if err := visit(filepath.Join(dir, e.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

// Recover deletes the uploads that this agent, which started at that time, left
// unfinished when it died. It returns how many there were. The connections of their
// clients were cut, and the clients have used their fallback. Uploads of other
// agents stay.
func (s *Spool) Recover(started time.Time) (int, error) {
	n := 0
	var unclear error // errors of folders that stay, because they cannot be read or cleaned up
	err := uploads(s.Dir, func(folder string, info fs.FileInfo) error {
		t, err := read(folder)
		switch {
		case err != nil && !errors.Is(err, ErrNoTask):
			unclear = errors.Join(unclear, err)
		case err == nil && t.Created.After(started) || err != nil && info.ModTime().After(started): // just begun
		case t.Agent != s.Agent: // another agent's, or an unknown one's: it expires
		case t.Complete:
			unclear = errors.Join(unclear, sweep(folder))
		default:
			dropped, err := s.drop(folder)
			if dropped {
				n++
				s.count(Abandoned, reasonRestart)
			}
			unclear = errors.Join(unclear, err)
		}
		return nil
	})
	return n, errors.Join(err, unclear)
}

// drop deletes an upload, unless it is complete by now.
func (s *Spool) drop(folder string) (bool, error) {
	unlock, err := s.lock(filepath.Base(folder))
	if errors.Is(err, ErrNoTask) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unlock()
	if t, err := read(folder); err == nil && t.Complete {
		return false, nil
	}
	return true, spoolError(os.RemoveAll(folder))
}

// sweep deletes files that were being written.
func sweep(folder string) error {
	left, err := filepath.Glob(filepath.Join(folder, durable.TempPattern))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// touched returns when something in a folder was last written: an upload that makes
// progress is not abandoned, however long it takes.
func touched(folder string, last time.Time) time.Time {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// Expire deletes incomplete uploads that have received nothing for a long time, and
// finished ones whose time is over. It returns how many.
func (s *Spool) Expire(now time.Time) (int, error) {
	n := 0
	err := uploads(s.Dir, func(folder string, info fs.FileInfo) error {
		known, err := s.summary(filepath.Base(folder))
		switch {
		case err == nil && known.complete:
			return nil
		case err != nil && !errors.Is(err, ErrNoTask): // the agent died before it wrote task.json
			return nil // it cannot be read, and stays
		}
		if now.Sub(touched(folder, info.ModTime())) <= s.Keep {
			return nil
		}
		s.ended(filepath.Base(folder))
		dropped, err := s.drop(folder)
		if dropped {
			n++
			s.count(Abandoned, reasonExpired)
		}
		return err
	})
	if err != nil {
		return n, err
	}
	if s.KeepOld < 0 {
		return n, nil
	}
	err = uploads(filepath.Join(s.Dir, "done"), func(folder string, info fs.FileInfo) error {
		if now.Sub(info.ModTime()) <= s.KeepOld {
			return nil
		}
		n++
		return spoolError(os.RemoveAll(folder))
	})
	if errors.Is(err, fs.ErrNotExist) { // the folder never existed
		err = nil
	}
	return n, err
}
