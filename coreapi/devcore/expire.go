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

// Expire does what core does each night. It deletes sessions that began more than
// KeepDays ago. It deletes files in the replay folder whose modification is longer
// ago (on v3 in whole days), if this version knows their extension. It then deletes
// empty folders, including the replay folder itself. It returns the deleted files,
// relative to the media folder.
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
		age := now.Sub(info.ModTime())
		stays := int(age/(24*time.Hour)) <= c.opt.KeepDays // find's -mtime +N: more than N whole days
		if v.expiresToTheSecond() {
			stays = age < time.Duration(c.opt.KeepDays)*24*time.Hour
		}
		if stays {
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

// FinishOrphans does what core does every ten minutes: it marks sessions as
// finished if their component has sent no heartbeat for three minutes. Their
// recorders may still be recording.
func (c *Core) FinishOrphans() (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, s := range c.sessions {
		if p := c.componentNamed(s.Terminal); !s.Finished && (p == nil || !c.online(p)) {
			s.Finished, s.End = true, c.opt.Now()
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
