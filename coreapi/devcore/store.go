package devcore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	replayDir = "replay"
	mediaURL  = "/media/"
)

// suffixOf is the suffix of an upload by its version.
var suffixOf = map[int]string{2: suffixGuac, 3: suffixCast, 4: suffixMP4}

// abs returns the absolute path of a file in the media folder.
func (c *Core) abs(rel string) string { return filepath.Join(c.media, filepath.FromSlash(rel)) }

// store stores an upload and returns its path relative to the media folder. Before
// v4.8, another name is used if the wanted name is taken.
func (c *Core) store(v version, s Session, f *form) (string, error) {
	key := s.key(suffixOf[f.version])
	if f.version > 4 {
		key = path.Join(s.dateDir(), s.ID, f.name)
	}
	want := path.Join(replayDir, key)
	rel, err := c.write(v, want, f.file)
	if err != nil {
		return "", err
	}
	if c.opt.ServerStorage != nil {
		c.background(func(ctx context.Context) { c.move(ctx, v, s, want, key) })
	}
	return rel, nil
}

// key returns the name of a replay in the replay folder and in external storages.
func (s Session) key(suffix string) string {
	if suffix == suffixIndex {
		return path.Join(s.dateDir(), s.ID, s.ID+suffix)
	}
	return path.Join(s.dateDir(), s.ID+suffix)
}

// write copies a spooled upload to its final name. If that name is taken, it writes
// a random name beside it; from v4.8 on it then renames that file over the existing
// one. Readers see the file grow, as with the real core.
func (c *Core) write(v version, want string, from io.ReadSeeker) (string, error) {
	if err := c.mkdir(path.Dir(want)); err != nil {
		return "", err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	rel := want
	out, err := os.OpenFile(c.abs(rel), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	for errors.Is(err, fs.ErrExist) {
		rel = CollisionName(want)
		out, err = os.OpenFile(c.abs(rel), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return "", err
	}
	// The lock shows others that the file is being written.
	err = syscall.Flock(int(out.Fd()), syscall.LOCK_EX)
	if err == nil {
		_, err = io.Copy(out, from)
	}
	err = errors.Join(err, out.Chmod(0o644), out.Close())
	if err == nil && rel != want && v.replaces() {
		if err = os.Rename(c.abs(rel), c.abs(want)); err == nil {
			rel = want
		}
	}
	return rel, err
}

// mkdir creates folders in the media folder with core's mode.
func (c *Core) mkdir(rel string) error {
	dir := c.abs(rel)
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return nil
	}
	if parent := path.Dir(rel); parent != "." {
		if err := c.mkdir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// CollisionName returns core's name for a file whose name is taken: it has seven
// random characters before the last extension.
func CollisionName(name string) string {
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "_" + randomText(7) + ext
}

// Bucket is a storage that uploads can be moved to.
type Bucket interface {
	External
	// Upload stores the file at path under the key, replacing an existing object.
	Upload(ctx context.Context, key, path string) error
}

// move is the task that follows an upload if SERVER_REPLAY_STORAGE is set.
func (c *Core) move(ctx context.Context, v version, s Session, local, key string) {
	if !sleep(ctx, c.opt.MoveDelay) {
		return
	}
	if !v.movesByName() {
		// Core moves the file that the lookup finds, which is a .replay.gz before
		// the video, and not the uploaded file. It also makes the key from the
		// wrong path.
		local, _ = c.findLocal(v, s)
		if local == "" {
			return
		}
		key = strings.ReplaceAll(filepath.ToSlash(c.abs(local)), replayDir+"/", "")
	}
	if err := c.opt.ServerStorage.Upload(ctx, key, c.abs(local)); err != nil {
		c.log.Warn("move replay to storage", "key", key, "error", err)
		return
	}
	if err := os.Remove(c.abs(local)); err != nil {
		c.log.Warn("remove moved replay", "error", fmt.Errorf("%s: %w", local, err))
	}
}
