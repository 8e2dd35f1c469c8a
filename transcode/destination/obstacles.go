package destination

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// obstacles are the objects and files because of which core would not serve the MP4
// in the bucket.
type obstacles struct {
	keys  []string // in the bucket: the original, or copies of it
	files []string // the same on the volume, relative to the replay folder
	stale []string // other MP4s on the volume, likewise
	other []string // what the agent must not remove
	found bool     // the original itself is on the volume
}

func (o obstacles) none() bool {
	return !o.found && len(o.keys)+len(o.files)+len(o.stale)+len(o.other) == 0
}

// unknown returns the failure for the other obstacles, nil without other obstacles.
func (o obstacles) unknown() error {
	if len(o.other) == 0 {
		return nil
	}
	return shadowed(o.other)
}

// obstacles searches all places where core looks, as far as this host can read
// them. Core caches on the volume what is watched from a bucket, so that a
// recording may be in both. A file that holds the same recording as the original is
// treated like the original.
func (b Bucket) obstacles(ctx context.Context, d Delivery) (found obstacles, err error) {
	search := b.volume().search()
	search.Home = b.Storage
	if b.ReplayDir != "" {
		refresh(b.ReplayDir, d.replay().Index())
	}
	shadows, err := search.Shadows(ctx, d.replay())
	var inBucket *storage.Error
	if err != nil && !errors.As(err, &inBucket) {
		return found, task.Failf(task.ClassVolume, "%w", err)
	}
	if err != nil {
		return found, err
	}
	for _, s := range shadows {
		if s.Storage != nil {
			err = b.judgeObject(ctx, d, s, &found)
		} else {
			err = b.judgeFile(ctx, d, s, &found)
		}
		if err != nil {
			return found, err
		}
	}
	return found, context.Cause(ctx) // an interrupted comparison proves nothing
}

func (b Bucket) judgeObject(ctx context.Context, d Delivery, s storage.Shadow, found *obstacles) error {
	twin := d.Source.Bucket != nil && slices.ContainsFunc(d.Source.Bucket.Objects, func(o storage.Object) bool { return o.Key == s.Key })
	if !twin && !s.Cast {
		file := filepath.Join(d.Work, "twin")
		if err := os.MkdirAll(d.Work, 0o700); err != nil {
			return fmt.Errorf("work folder: %w", err)
		}
		defer os.Remove(file)
		if _, err := storage.Download(ctx, b.Storage, s.Key, file, spaceReserve); err != nil {
			return err
		}
		twin = d.SameRecording(ctx, file)
	}
	if twin {
		found.keys = append(found.keys, s.Key)
	} else {
		found.other = append(found.other, b.Place()+"/"+s.Key)
	}
	return nil
}

func (b Bucket) judgeFile(ctx context.Context, d Delivery, s storage.Shadow, found *obstacles) error {
	rel, err := filepath.Rel(b.ReplayDir, s.Path)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	switch index := s.Key == d.replay().Index(); {
	case s.Cast, strings.HasPrefix(rel, "../"): // of a terminal session, or outside of the replay folder
		found.other = append(found.other, s.Path)
	case s.Video:
		sum, _, err := HashFile(ctx, s.Path)
		if err != nil {
			return err
		}
		if sum != d.Video.SHA256 {
			found.stale = append(found.stale, rel)
		}
	case rel == d.Source.Path:
		found.found = true
	case d.SameRecording(ctx, s.Path):
		copies, err := sameFiles(b.ReplayDir, rel)
		if err != nil {
			return err
		}
		found.files = append(found.files, copies...)
	case index && b.isCached(ctx, d, s.Path):
		copies, err := filesIn(path.Dir(rel), filepath.Dir(s.Path))
		if err != nil {
			return err
		}
		found.files = append(found.files, copies...)
	default:
		found.other = append(found.other, s.Path)
	}
	return nil
}

// sameFiles returns the files of the recording at rel, relative to root.
func sameFiles(root, rel string) (rels []string, err error) {
	rec, err := recording.Open(abs(root, rel))
	if err != nil {
		return nil, err
	}
	files, err := FilesOf(root, rel, rec)
	for _, f := range files {
		rels = append(rels, f.Path)
	}
	return rels, err
}

// filesIn returns the files of a recording in parts in its folder, and core's
// download of it. Some of them may not exist.
func filesIn(rel, folder string) (rels []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		switch recording.ParseName(name).Class {
		case recording.ClassIndex:
			rels = append([]string{name}, rels...)
		case recording.ClassPart, recording.ClassDownload:
			rels = append(rels, name)
		}
	}
	return rels, nil
}

// isCached reports whether the index on the volume is the one that core leaves
// there when a recording in parts is watched from the bucket: a copy of the index,
// with copies of the parts that were watched.
func (b Bucket) isCached(ctx context.Context, d Delivery, index string) bool {
	if d.Source.Bucket == nil || !isCopy(ctx, d, index) {
		return false
	}
	entries, err := os.ReadDir(filepath.Dir(index))
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		rel := path.Join(d.Date, d.Session, e.Name())
		return recording.ParseName(rel).Class == recording.ClassPart && !isCopy(ctx, d, abs(b.ReplayDir, rel))
	})
}

// isCopy reports whether a file on the volume is a copy of the source's object with
// that name. It compares the bytes, or the size if the download no longer exists.
func isCopy(ctx context.Context, d Delivery, file string) bool {
	i := slices.IndexFunc(d.Source.Bucket.Objects, func(o storage.Object) bool { return path.Base(o.Key) == filepath.Base(file) })
	st, err := os.Stat(file)
	if i < 0 || err != nil || st.Size() != d.Source.Bucket.Objects[i].Size {
		return false
	}
	want, _, err := HashFile(ctx, abs(d.Fetched, d.Source.Bucket.Objects[i].Key))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	sum, _, sumErr := HashFile(ctx, file)
	return err == nil && sumErr == nil && sum == want
}
