package devcore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// External is a replay storage as core's storage library sees it.
type External interface {
	// Exists reports whether core considers the key as present. Core lists azure
	// storages by prefix: any key that begins with this one matches.
	Exists(ctx context.Context, key string) (bool, error)
	// Download writes the object to the path, whose folder exists. If it fails, it
	// may leave a part of the object there.
	Download(ctx context.Context, key, path string) error
}

// Storage is an external storage that an administrator has configured.
type Storage struct {
	Name string
	External
	// Config is the storage in the terminal config of components. The list of
	// storages shows it without secrets. Optional.
	Config map[string]any
	// Broken settings cannot be used at all. Core skips the storage; before v4.0,
	// every lookup in an external storage fails.
	Broken bool
}

// ErrNoReplay means that core finds no replay of the session.
var ErrNoReplay = errors.New("replay not found")

// Replay is what the UI would serve.
type Replay struct {
	Path string // absolute
	URL  string // src in the API's response: /media/replay/…
	// Type decides the player: mp4, guacamole, parts, asciicast or json.
	Type string
	// Downloaded says that the lookup has just fetched it from an external storage;
	// the file stays in the volume.
	Downloaded bool
	// Denied says that nginx may not read the video, because of the mode of the
	// file or a folder, and responds with 403.
	Denied bool
}

// Served returns what the UI would serve as the session's replay now, ignoring
// cached responses. As core does, it downloads a replay that exists only in an
// external storage. Errors: [ErrNoReplay], or the error of a storage.
func (c *Core) Served(ctx context.Context, id string) (Replay, error) {
	s, found := c.Session(id)
	if !found {
		return Replay{}, fmt.Errorf("session %s: not in core", id)
	}
	v := c.rules()
	rel, downloaded, err := c.find(ctx, v, s)
	if err != nil {
		return Replay{}, fmt.Errorf("session %s: %w", id, err)
	}
	return Replay{
		Path: c.abs(rel), URL: mediaURL + rel, Type: playerOf(v, rel, s),
		Downloaded: downloaded, Denied: c.denied(v, rel),
	}, nil
}

// find returns the path of the replay relative to the media folder, after a
// download if necessary.
func (c *Core) find(ctx context.Context, v version, s Session) (rel string, downloaded bool, err error) {
	if rel, found := c.findLocal(v, s); found {
		return rel, false, nil
	}
	storages, err := c.storages(v)
	if err != nil {
		return "", false, err
	}
	groups := [][]Storage{storages}
	if i := slices.IndexFunc(storages, func(x Storage) bool { return x.Name == s.Storage }); v.recorderFirst() && s.Storage != "" && i >= 0 {
		groups = [][]Storage{storages[i : i+1], storages}
	}
	for _, group := range groups {
		for _, suffix := range v.suffixes() {
			if key := s.key(suffix); anyHas(ctx, group, key) {
				rel := path.Join(replayDir, key)
				return rel, true, c.fetch(ctx, group, key, c.abs(rel))
			}
		}
	}
	return "", false, ErrNoReplay
}

// findLocal searches the media folder itself, then the replay folder.
func (c *Core) findLocal(v version, s Session) (rel string, found bool) {
	for _, base := range []string{"", replayDir} {
		for _, suffix := range v.suffixes() {
			rel := path.Join(base, s.key(suffix))
			if suffix == suffixLegacy {
				rel = s.key(suffix) // never below the replay folder
			}
			if _, err := os.Stat(c.abs(rel)); err == nil {
				return rel, true
			}
		}
	}
	return "", false
}

// storages returns the storages that lookups search, in order.
func (c *Core) storages(v version) ([]Storage, error) {
	var list []Storage
	for _, s := range c.opt.External {
		switch {
		case !s.Broken && s.External != nil:
			list = append(list, s)
		case s.Broken && v.oneBreaksAll():
			return nil, fmt.Errorf("storage %s: its settings are not valid", s.Name)
		}
	}
	if c.opt.ServerStorage != nil {
		list = append(list, Storage{External: c.opt.ServerStorage})
	}
	return list, nil
}

// anyHas reports whether one of the storages has the key. A storage that fails
// counts as not having it.
func anyHas(ctx context.Context, storages []Storage, key string) bool {
	return slices.ContainsFunc(storages, func(s Storage) bool { return has(ctx, s, key) })
}

func has(ctx context.Context, s Storage, key string) bool {
	found, err := s.Exists(ctx, key)
	return err == nil && found
}

// fetch downloads the key from the first storage that has it and can deliver it.
func (c *Core) fetch(ctx context.Context, storages []Storage, key, to string) error {
	rel, err := filepath.Rel(c.media, filepath.Dir(to))
	if err != nil {
		return err
	}
	if err := c.mkdir(filepath.ToSlash(rel)); err != nil {
		return err
	}
	err = ErrNoReplay
	for _, s := range storages {
		if !has(ctx, s, key) {
			continue
		}
		if err = s.Download(ctx, key, to); err == nil {
			return nil
		}
	}
	return fmt.Errorf("download %s: %w", key, err)
}

// playerOf returns the player, which core chooses by the file's name, then by the
// session.
func playerOf(v version, rel string, s Session) string {
	switch {
	case strings.HasSuffix(rel, suffixCast):
		return "asciicast"
	case strings.HasSuffix(rel, suffixMP4), v.anyMP4() && strings.HasSuffix(rel, ".mp4"):
		return "mp4"
	case v.hasParts() && strings.HasSuffix(rel, "replay.json"):
		return "parts"
	case s.graphical():
		return "guacamole"
	}
	return "json"
}

// findPart returns the path of a part of a recording in parts, after a download if
// necessary.
func (c *Core) findPart(ctx context.Context, v version, s Session, name string) (string, error) {
	if path.Base(name) != name || name == ".." {
		return "", fmt.Errorf("%s: %w", name, ErrNoReplay)
	}
	key := path.Join(s.dateDir(), s.ID, name)
	rel := path.Join(replayDir, key)
	if _, err := os.Stat(c.abs(rel)); err == nil {
		return rel, nil
	}
	storages, err := c.storages(v)
	if err != nil {
		return "", err
	}
	to := c.abs(rel)
	if v.partTemps() {
		to = partTemp(to, c.opt.Now())
	}
	if err := c.fetch(ctx, storages, key, to); err != nil {
		return "", err
	}
	if to != c.abs(rel) {
		err = os.Rename(to, c.abs(rel))
	}
	return rel, err
}

// denied reports whether nginx, which is neither owner nor group of the file, may
// not read a video.
func (c *Core) denied(v version, rel string) bool {
	if !v.videosByNginx() || !strings.HasSuffix(rel, ".mp4") {
		return false // Django sends it, as root
	}
	st, err := os.Stat(c.abs(rel))
	if err != nil || st.Mode().Perm()&0o004 == 0 {
		return true
	}
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		if st, err := os.Stat(c.abs(dir)); err != nil || st.Mode().Perm()&0o001 == 0 {
			return true
		}
	}
	return false
}

// partTemp returns core's name for a part while it is downloaded (from v4.3 on).
func partTemp(path string, now time.Time) string {
	return path + ".tmp" + strconv.FormatInt(now.Unix(), 10)
}
