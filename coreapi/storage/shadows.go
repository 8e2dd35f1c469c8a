package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Rules are the differences between releases of core in the lookup of a replay. The
// zero value fits no release: see RulesOf.
type Rules struct {
	Legacy        bool // core looks for D/S.gz (up to v4.1)
	Parts         bool // core looks for D/S/S.replay.json (from v4.2)
	RecorderFirst bool // core searches the recording component's storage first (from v4.10.17)
}

// RulesOf returns the rules of a release such as 4.10.13. If the release is
// unknown, they include everything that any release looks for.
func RulesOf(version string) Rules {
	var v [3]int
	if n, _ := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d.%d", &v[0], &v[1], &v[2]); n < 2 {
		return Rules{Legacy: true, Parts: true, RecorderFirst: true}
	}
	parts := slices.Compare(v[:], []int{4, 2, 0}) >= 0
	return Rules{Legacy: !parts, Parts: parts, RecorderFirst: slices.Compare(v[:], []int{4, 10, 17}) >= 0}
}

// Replay names a session's replay.
type Replay struct {
	Date    string // YYYY-MM-DD, of the session's start in UTC
	Session string // lower-case UUID
}

// Video returns the key from which core serves the MP4.
func (r Replay) Video() string { return r.flat(".replay.mp4") }

// Index returns the key of the index of a recording in parts.
func (r Replay) Index() string { return r.Date + "/" + r.Session + "/" + r.Session + ".replay.json" }

func (r Replay) flat(suffix string) string { return r.Date + "/" + r.Session + suffix }

// before returns the keys that core prefers to the video, in the order of its
// lookup.
func (r Replay) before(rules Rules) []string {
	keys := []string{r.flat(".replay.gz"), r.flat(".cast.gz")}
	if rules.Legacy {
		keys = append([]string{r.flat(".gz")}, keys...)
	}
	return keys
}

// Shadow is an object or file that core serves, or tries to serve, instead of the
// video.
type Shadow struct {
	// Storage holds it under Key; nil if it is at Path on the volume.
	Storage Storage
	Key     string
	Path    string // absolute
	Size    int64  // bytes
	// Cast is true for a terminal recording, which the agent must not retire.
	Cast bool
	// Video is true for a local copy of an MP4. Core serves it and never compares
	// it with the one in the bucket. It may be a good copy; see IsCopy.
	Video bool
}

// Search says where core looks for replays, as far as the agent can look there.
type Search struct {
	Rules Rules
	// Replay is core's replay folder as mounted here; "" = no volume. Media is the
	// folder above it, in which core looks first, if it is mounted too.
	Replay, Media string
	// Home is the storage of the video, Others are all others.
	Home   Storage
	Others []Storage
}

// Shadows lists what keeps core from serving the video in Home. Each storage costs
// one request.
func (s Search) Shadows(ctx context.Context, r Replay) ([]Shadow, error) {
	found, err := s.Local(r)
	if err != nil {
		return nil, err
	}
	for _, storage := range append([]Storage{s.Home}, s.Others...) {
		more, err := s.external(ctx, storage, r)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// Local lists what core would serve from the volume, which it searches before
// storages.
func (s Search) Local(r Replay) ([]Shadow, error) {
	if s.Replay == "" {
		return nil, nil
	}
	if st, err := os.Stat(s.Replay); err != nil {
		return nil, fmt.Errorf("core's replay folder cannot be read; check that it is mounted: %w", err)
	} else if !st.IsDir() {
		return nil, fmt.Errorf("core's replay folder %s is not a folder", s.Replay)
	}
	keys := append(r.before(s.Rules), r.Video())
	if s.Rules.Parts {
		keys = append(keys, r.Index())
	}
	var found []Shadow
	for _, base := range []string{s.Media, s.Replay} {
		for _, key := range keys {
			if base == "" || base == s.Replay && key == r.flat(".gz") {
				continue // core looks for this suffix only outside of the replay folder
			}
			path := filepath.Join(base, filepath.FromSlash(key))
			st, err := os.Stat(path)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // D/S may be a file
				continue
			}
			if err != nil {
				return nil, err
			}
			found = append(found, Shadow{Key: key, Path: path, Size: st.Size(), Cast: key == r.flat(".cast.gz"), Video: key == r.Video()})
		}
	}
	return found, nil
}

// Served lists what core would serve from a storage, including the video and the
// index of a recording in parts.
func (s Search) Served(ctx context.Context, storage Storage, r Replay) ([]Shadow, error) {
	return s.list(ctx, storage, r, func(o Object) bool {
		return o.Key == r.Video() || o.Key == r.Index() || slices.ContainsFunc(r.before(s.Rules), matches(storage, o))
	})
}

// external finds the shadows in a storage. The component that recorded the session
// may use any storage but Home.
func (s Search) external(ctx context.Context, storage Storage, r Replay) ([]Shadow, error) {
	return s.list(ctx, storage, r, func(o Object) bool {
		match := matches(storage, o)
		index := s.Rules.Parts && s.Rules.RecorderFirst && storage != s.Home && match(r.Index())
		return index || slices.ContainsFunc(r.before(s.Rules), match)
	})
}

// matches returns a function that reports whether core would find the object when
// it looks for a key.
func matches(storage Storage, o Object) func(key string) bool {
	return func(key string) bool {
		return o.Key == key || storage.MatchesPrefixes() && strings.HasPrefix(o.Key, key)
	}
}

// list returns those objects of a session for which wanted returns true.
func (s Search) list(ctx context.Context, storage Storage, r Replay, wanted func(Object) bool) ([]Shadow, error) {
	var found []Shadow
	for after := ""; ; {
		// Both D/S.… and D/S/… match: a handful of keys.
		page, err := storage.List(ctx, Query{Prefix: r.flat(""), After: after})
		if err != nil {
			return nil, err
		}
		for _, o := range page.Objects {
			if wanted(o) {
				found = append(found, Shadow{
					Storage: storage, Key: o.Key, Size: o.Size, Cast: strings.HasPrefix(o.Key, r.flat(".cast.gz")), Video: o.Key == r.Video(),
				})
			}
		}
		if after = page.Next; after == "" {
			return found, nil
		}
	}
}
