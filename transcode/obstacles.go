package transcode

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

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// obstacles are what keeps core from serving the MP4 in the bucket.
type obstacles struct {
	keys  []string // in the bucket: the original, or the same recording
	files []string // on the volume likewise, relative to the replay folder
	stale []string // MP4s on the volume that are not this one, likewise
	other []string // what is not ours to take away
}

func (o obstacles) none() bool { return len(o.keys)+len(o.files)+len(o.stale)+len(o.other) == 0 }

// unknown is the failure that the other obstacles mean, if there are any.
func (o obstacles) unknown() error {
	if len(o.other) == 0 {
		return nil
	}
	return shadowed(o.other)
}

// obstacles looks everywhere core looks, as far as we can. Core caches on the
// volume whatever somebody watches of a bucket, so that a recording may be in
// both: what holds the same recording as the original is treated like it.
func (d *remote) obstacles(ctx context.Context) (found obstacles, err error) {
	search := storage.Search{Rules: storage.RulesOf(""), Home: d.in, Replay: d.ReplayDir}
	if filepath.Base(d.ReplayDir) == "replay" {
		search.Media = filepath.Dir(d.ReplayDir)
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
			err = d.judgeObject(ctx, s, &found)
		} else {
			err = d.judgeFile(ctx, s, &found)
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

func (d *remote) judgeObject(ctx context.Context, s storage.Shadow, found *obstacles) error {
	twin := d.source.Bucket != nil && slices.ContainsFunc(d.source.Bucket.Objects, func(o storage.Object) bool { return o.Key == s.Key })
	if !twin && !s.Cast {
		file := filepath.Join(d.work(), "twin")
		if err := os.MkdirAll(d.work(), 0o700); err != nil {
			return fmt.Errorf("work folder: %w", err)
		}
		defer os.Remove(file)
		if _, err := storage.Download(ctx, d.in, s.Key, file, spaceReserve); err != nil {
			return err
		}
		twin = d.isTwin(file)
	}
	if twin {
		found.keys = append(found.keys, s.Key)
	} else {
		found.other = append(found.other, d.place()+"/"+s.Key)
	}
	return nil
}

func (d *remote) judgeFile(ctx context.Context, s storage.Shadow, found *obstacles) error {
	rel, err := filepath.Rel(d.ReplayDir, s.Path)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	switch index := s.Key == d.replay().Index(); {
	case s.Cast, strings.HasPrefix(rel, "../"): // a terminal session's, or older than the replay folder
		found.other = append(found.other, s.Path)
	case s.Video:
		sum, _, err := hashFile(ctx, s.Path)
		if err != nil {
			return err
		}
		if sum != d.journal.Video.SHA256 {
			found.stale = append(found.stale, rel)
		}
	case rel == d.source.Path || d.isTwin(s.Path) || index && d.isCached(s.Path):
		if index {
			rel = path.Dir(rel)
		}
		found.files = append(found.files, rel)
	default:
		found.other = append(found.other, s.Path)
	}
	return nil
}

// isCached tells whether the index on the volume is what core leaves there
// when somebody watches a recording in parts that is in the bucket: a copy of
// the index, and copies of those parts that were watched.
func (d *remote) isCached(index string) bool {
	if d.source.Bucket == nil || !d.isCopy(index) {
		return false
	}
	entries, err := os.ReadDir(filepath.Dir(index))
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		rel := path.Join(d.journal.Date, d.id, e.Name())
		return recording.ParseName(rel).Class == recording.ClassPart && !d.isCopy(abs(d.ReplayDir, rel))
	})
}

// isCopy tells whether a file on the volume is a copy of the source's object
// of that name: by its bytes, or when the download is gone by its size.
func (d *remote) isCopy(file string) bool {
	i := slices.IndexFunc(d.source.Bucket.Objects, func(o storage.Object) bool { return path.Base(o.Key) == filepath.Base(file) })
	st, err := os.Stat(file)
	if i < 0 || err != nil || st.Size() != d.source.Bucket.Objects[i].Size {
		return false
	}
	ctx := d.lease.Context()
	want, _, err := hashFile(ctx, abs(d.fetched(), d.source.Bucket.Objects[i].Key))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	sum, _, sumErr := hashFile(ctx, file)
	return err == nil && sumErr == nil && sum == want
}

// retire takes the original in the bucket away before the copies on the
// volume: core would make new ones of it, for whoever watches the session in
// between. What it has made all the same is taken away in another round.
func (d *remote) retire(ctx context.Context) error {
	for range 3 {
		found, err := d.obstacles(ctx)
		if err != nil {
			return err
		}
		if err := found.unknown(); err != nil {
			return err
		}
		for _, rel := range found.stale {
			to, err := d.trash().Retire(rel)
			if err != nil {
				return fmt.Errorf("move the stale MP4 away: %w", err)
			}
			d.log.Info("moved a stale MP4 on the volume to the trash", "to", to)
		}
		if d.Originals == cleanup.PolicyKeep {
			d.log.Info("the original stays, as ORIGINALS=keep says; core may go on serving it", "path", d.source.Name())
			return nil
		}
		if err := d.retireAll(ctx, found); err != nil {
			return err
		}
		if found.none() {
			return d.note()
		}
	}
	return task.FailAs(task.ClassShadowed, task.Retries, "core fetches the original as often as it is taken away: somebody watches the session")
}

func (d *remote) retireAll(ctx context.Context, found obstacles) error {
	keys := found.keys
	if d.source.Bucket != nil {
		if err := d.unchanged(ctx); err != nil {
			return err
		}
		for _, o := range d.source.Bucket.Objects {
			if !slices.Contains(keys, o.Key) {
				keys = append(keys, o.Key)
			}
		}
	}
	for _, key := range keys {
		if err := d.retireKey(ctx, key); err != nil {
			return err
		}
		d.boundary("retired from the bucket " + path.Base(key))
	}
	if d.onVolume() {
		if err := d.retireFromVolume(); err != nil {
			return err
		}
	}
	if d.ReplayDir == "" {
		return d.note()
	}
	for _, rel := range append(found.files, path.Join(d.journal.Date, d.id+".tar")) {
		if err := d.retireOne(rel); err != nil {
			return err
		}
		d.boundary("retired copy " + path.Base(rel))
	}
	return d.note()
}

// unchanged makes sure that the objects are those that were converted, or
// gone.
func (d *remote) unchanged(ctx context.Context) error {
	for _, was := range d.source.Bucket.Objects {
		o, err := d.in.Stat(ctx, was.Key)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if o.Size != was.Size || o.ETag != was.ETag {
			return task.Failf(task.ClassChanged, "%s changed while it was converted; it stays and is converted again", was.Key)
		}
	}
	return nil
}

func (d *remote) retireKey(ctx context.Context, key string) error {
	if d.Originals == cleanup.PolicyDelete {
		if err := d.in.Delete(ctx, key); err != nil {
			return err
		}
		d.log.Info("deleted the original", "path", d.place()+"/"+key)
		return nil
	}
	to, err := d.bin().Retire(ctx, key)
	if err != nil || to == "" {
		return err
	}
	d.journal.Retired = append(d.journal.Retired, d.place()+"/"+to)
	d.log.Info("moved the original to the trash", "path", d.place()+"/"+key, "to", to)
	return nil
}
