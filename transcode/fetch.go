package transcode

import (
	"errors"
	"path/filepath"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// spaceReserve is what downloads leave free on the disk, in bytes.
const spaceReserve = 1 << 30

// fetched is the folder below which a recording from a bucket is downloaded.
func (j *job) fetched() string { return filepath.Join(j.work(), "original") }

// fetch downloads the recording when it is in a bucket. What an earlier
// attempt has downloaded is kept.
func (j *job) fetch() error {
	d, ok := j.dest.(*remote)
	if j.source.Bucket == nil || !ok {
		return nil
	}
	from := j.source.Bucket
	_, err := bucket.Fetch(j.lease.Context(), bucket.Candidate{
		Storage: d.in, Session: j.id, Key: from.Key, Objects: from.Objects, Size: j.source.Size, ModTime: j.source.ModTime,
	}, j.fetched(), spaceReserve)
	if errors.Is(err, storage.ErrNotFound) {
		return task.Failf(task.ClassGone, "the recording is not in the storage any more: %w", err)
	}
	return err
}
