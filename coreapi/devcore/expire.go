package devcore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Expire does what core does each night: sessions that began more than
// KeepDays ago go from the table, and files below the replay folder whose
// modification is longer ago (in whole days) from the volume, if their
// extension is one that this version knows; then folders that are empty, the
// replay folder itself not excepted. It returns the files removed, below the
// media folder.
func (c *Core) Expire() ([]string, error) {
	now := c.opt.Now()
	v := c.rules()
	c.mu.Lock()
	for id, s := range c.sessions {
		if s.Start.Before(now.AddDate(0, 0, -c.opt.KeepDays)) {
			delete(c.sessions, id)
		}
	}
	c.mu.Unlock()

	var removed, dirs []string
	err := filepath.WalkDir(c.abs(replayDir), func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, name)
			return nil
		case !slices.ContainsFunc(v.expiring(), func(ext string) bool { return strings.HasSuffix(name, ext) }):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		// find's -mtime +N: more than N whole days.
		if int(now.Sub(info.ModTime())/(24*time.Hour)) <= c.opt.KeepDays {
			return nil
		}
		rel, err := filepath.Rel(c.media, name)
		if err != nil {
			return err
		}
		removed = append(removed, filepath.ToSlash(rel))
		return os.Remove(name)
	})
	if err != nil {
		return removed, err
	}
	slices.Reverse(dirs) // the innermost first
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return removed, err
		}
		if len(entries) == 0 {
			if err := os.Remove(dir); err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}
