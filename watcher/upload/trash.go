package upload

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"
)

// Trashed is a finished upload that still exists.
type Trashed struct {
	ID      string // of the upload
	Session string // id
	Path    string // of its folder, relative to the spool's folder
	Source  string // of the recording once it is restored, relative to the spool's folder
	Day     string // on which it was finished, YYYY-MM-DD
	Kept    bool   // it does not expire
	Size    int64  // bytes as stored, all files together
}

// Trashed calls visit for the finished uploads: first those that expire, then those
// that are kept. It skips what cannot be read. An error of visit ends it.
func (s *Spool) Trashed(visit func(Trashed) error) error {
	for _, base := range []string{"done", "kept"} {
		err := uploads(filepath.Join(s.Dir, base), func(folder string, info fs.FileInfo) error {
			t, err := read(folder)
			if err != nil {
				return nil //nolint:nilerr // it was just removed, or is damaged
			}
			item := Trashed{
				ID: t.ID, Session: t.Session, Path: filepath.ToSlash(filepath.Join(base, t.ID)), Source: s.Path(t),
				Day: info.ModTime().UTC().Format(time.DateOnly), Kept: base == "kept",
			}
			for _, f := range t.Files {
				item.Size += f.Size
			}
			return visit(item)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
