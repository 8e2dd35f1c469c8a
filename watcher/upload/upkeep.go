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

// done is where an upload goes that has done its duty.
func (s *Spool) done(id string) string { return filepath.Join(s.Dir, "done", id) }

// Finish notes that an upload has done its duty: it goes after KeepOld.
// [ErrNoTask] when there is none of that id, or when it was finished before.
func (s *Spool) Finish(id string) error { return s.move(id, s.done(id)) }

// KeepForGood is [Spool.Finish], and the upload never goes by itself: it is in
// the folder "kept" until an operator removes it.
func (s *Spool) KeepForGood(id string) error { return s.move(id, filepath.Join(s.Dir, "kept", id)) }

// move takes an upload out of work.
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

// Need is what an upload that is released is still good for.
type Need int

// Needs of uploads.
const (
	NeedNothing Need = iota // its session has a replay in the storage
	NeedUnknown             // core does not know the session
	NeedContent             // its session has a replay, which may not show all of it
)

// Release ends an upload that the agent needs no more. One that has been released
// before is none.
func (s *Spool) Release(id string, need Need) error {
	end := s.Finish
	switch {
	case need == NeedContent:
		end = s.KeepForGood
	case need == NeedNothing && s.DropStored:
		end = s.Remove
	}
	if err := end(id); err != nil && !errors.Is(err, ErrNoTask) {
		return err
	}
	return nil
}

// Remove is [Spool.Finish], and the upload goes at once.
func (s *Spool) Remove(id string) error {
	if err := s.Finish(id); err != nil {
		return err
	}
	return spoolError(os.RemoveAll(s.done(id)))
}

// uploads visits the folders of uploads below dir.
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
			continue // it has just gone
		}
		if err := visit(filepath.Join(dir, e.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

// Recover drops what this agent, which has started at that time, left
// unfinished when it died, and answers how many uploads that were: their clients
// have met a broken connection and gone elsewhere with the recording. What
// others are about is theirs.
func (s *Spool) Recover(started time.Time) (int, error) {
	n := 0
	var unclear error // folders that stay, because they cannot be judged or tidied
	err := uploads(s.Dir, func(folder string, info fs.FileInfo) error {
		t, err := read(folder)
		switch {
		case err != nil && !errors.Is(err, ErrNoTask):
			unclear = errors.Join(unclear, err)
		case err == nil && t.Created.After(started) || err != nil && info.ModTime().After(started): // just begun
		case t.Agent != s.Agent: // another's, or nobody knows whose: it expires
		case t.Complete:
			unclear = errors.Join(unclear, sweep(folder))
		default:
			dropped, err := s.drop(folder)
			if dropped {
				n++
			}
			unclear = errors.Join(unclear, err)
		}
		return nil
	})
	return n, errors.Join(err, unclear)
}

// drop removes an upload, unless it is complete by now.
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

// sweep removes files that were being written.
func sweep(folder string) error {
	left, err := filepath.Glob(filepath.Join(folder, durable.TempPattern))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// touched is when something in a folder was last written: an upload that goes
// on has not been abandoned, however long it takes.
func touched(folder string, last time.Time) time.Time {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// Expire drops uploads that were not completed and to which nothing has come
// for long, and those that are done with, and answers how many.
func (s *Spool) Expire(now time.Time) (int, error) {
	n := 0
	err := uploads(s.Dir, func(folder string, info fs.FileInfo) error {
		known, err := s.summary(filepath.Base(folder))
		switch {
		case err == nil && known.complete:
			return nil
		case err != nil && !errors.Is(err, ErrNoTask): // died before task.json was there
			return nil // what cannot be judged stays
		}
		if now.Sub(touched(folder, info.ModTime())) <= s.Keep {
			return nil
		}
		s.ended(filepath.Base(folder))
		dropped, err := s.drop(folder)
		if dropped {
			n++
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
	if errors.Is(err, fs.ErrNotExist) { // none ever was
		err = nil
	}
	return n, err
}
