package destination

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Present implements [Destination].
func (c Core) Present(_ context.Context, d Delivery) ([]Replay, error) {
	return c.volume().present(d)
}

// present returns what core would serve from the volume.
func (v volume) present(d Delivery) (found []Replay, err error) {
	if v.root == "" {
		return nil, nil
	}
	if err := v.mustBeThere(); err != nil { // on a volume that is away, a file may exist although it is not visible
		return nil, err
	}
	refresh(v.root, d.replay().Index())
	shadows, err := v.search().Local(d.replay())
	if err != nil {
		return nil, task.Failf(task.ClassVolume, "%w", err)
	}
	for _, s := range shadows {
		found = append(found, Replay{Name: s.Path, Video: s.Video, Cast: s.Cast, File: s.Path, InPlace: true})
	}
	return found, nil
}

// search returns where core looks on the volume. It uses the rules of all releases,
// and also looks beside the replay folder as older ones do.
func (v volume) search() storage.Search {
	s := storage.Search{Rules: storage.RulesOf(""), Replay: v.root}
	if filepath.Base(v.root) == "replay" {
		s.Media = filepath.Dir(v.root)
	}
	return s
}

// Present implements [Destination]. It downloads what is in the bucket.
func (b Bucket) Present(ctx context.Context, d Delivery) ([]Replay, error) {
	found, err := b.volume().present(d)
	if err != nil {
		return nil, err
	}
	search := b.volume().search()
	search.Home = b.Storage
	keys, err := search.Served(ctx, b.Storage, d.replay())
	if err != nil || len(keys) == 0 {
		return found, err
	}
	dir := filepath.Join(d.Work, "present")
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("work folder: %w", err)
	}
	for _, s := range keys {
		r := Replay{Name: b.Place() + "/" + s.Key, Video: s.Video, Cast: s.Cast, File: abs(dir, s.Key)}
		if err := b.download(ctx, dir, s.Key, s.Key == d.replay().Index()); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// download downloads an object. For the index of a recording in parts, it also
// downloads all objects in its folder.
func (b Bucket) download(ctx context.Context, dir, key string, folder bool) error {
	keys := []string{key}
	if folder {
		keys = nil
		for after := ""; ; {
			page, err := b.Storage.List(ctx, storage.Query{Prefix: path.Dir(key) + "/", After: after})
			if err != nil {
				return err
			}
			for _, o := range page.Objects {
				keys = append(keys, o.Key)
			}
			if after = page.Next; after == "" {
				break
			}
		}
	}
	for _, key := range keys {
		file := abs(dir, key)
		if !filepath.IsLocal(filepath.FromSlash(key)) {
			continue // a part of a recording never has such a name
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fmt.Errorf("work folder: %w", err)
		}
		if _, err := storage.Download(ctx, b.Storage, key, file, spaceReserve); err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
