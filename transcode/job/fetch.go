package job

import (
	"context"
	"errors"
	"io/fs"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// minSize is the size in bytes below which Lion itself throws recordings away.
const minSize = 1024

// spaceReserve is what downloads leave free on the disk, in bytes.
const spaceReserve = 1 << 30

// open opens the recording and makes sure that it is the one that was found.
func (j *job) open(ctx context.Context) (*recording.Recording, error) {
	if err := j.fetch(ctx); err != nil {
		return nil, err
	}
	rec, err := recording.Open(j.original())
	if errors.Is(err, fs.ErrNotExist) && j.source.Spooled() {
		return nil, task.Failf(task.ClassGone, "the upload is not in the spool any more: %w", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := destination.MustMount(j.cfg.ReplayDir); err != nil {
			return nil, err
		}
		return nil, task.Failf(task.ClassGone, "the recording is not on the volume any more: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if rec.Size < minSize {
		return nil, task.Failf(task.ClassTooSmall, "%d bytes are too few for a recording", rec.Size)
	}
	if now := j.source.Seen(rec.Size, rec.ModTime); now.Fingerprint() != j.source.Fingerprint() {
		return nil, &task.ChangedError{Now: now, What: "the recording has changed since it was found"}
	}
	return rec, nil
}

// fetch downloads the recording when it is in a bucket. What an earlier
// attempt has downloaded is kept.
func (j *job) fetch(ctx context.Context) error {
	if j.source.Bucket == nil {
		return nil
	}
	from := j.source.Bucket
	_, err := bucket.Fetch(ctx, bucket.Candidate{
		Storage: j.bucket, Session: j.id, Key: from.Key, Objects: from.Objects, Size: j.source.Size, ModTime: j.source.ModTime,
	}, j.fetched(), spaceReserve)
	if errors.Is(err, storage.ErrNotFound) {
		return task.Failf(task.ClassGone, "the recording is not in the storage any more: %w", err)
	}
	return err
}
