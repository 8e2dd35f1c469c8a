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

// minSize is the uncompressed size in bytes below which Lion discards recordings. It is
// uncompressed because a blank screen compresses to less.
const minSize = 1024

// spaceReserve is the free space on the disk that downloads leave, in bytes.
const spaceReserve = 1 << 30

// open opens the recording, and returns an error if it differs from the one that was
// found.
func (j *job) open(ctx context.Context) (*recording.Recording, error) {
	if err := j.fetch(ctx); err != nil {
		return nil, err
	}
	open := recording.Open
	if j.acceptsIncomplete() {
		open = recording.OpenIncomplete
	}
	rec, err := open(j.original())
	if errors.Is(err, fs.ErrNotExist) && j.source.Spooled() {
		return nil, task.Failf(task.ClassGone, "the upload no longer exists in the spool: %w", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := destination.MustMount(j.cfg.ReplayDir); err != nil {
			return nil, err
		}
		return nil, task.Failf(task.ClassGone, "the recording no longer exists on the volume: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if size, err := rec.Plain(minSize); err != nil {
		return nil, err
	} else if size < minSize {
		return nil, task.Failf(task.ClassTooSmall, "the recording has only %d bytes uncompressed", size)
	}
	if now := j.source.Seen(rec.Size, rec.ModTime); now.Fingerprint() != j.source.Fingerprint() {
		return nil, &task.ChangedError{Now: now, What: "the recording has changed since it was found"}
	}
	return rec, nil
}

// acceptsIncomplete reports whether an operator has requested an MP4 of this recording
// although it is incomplete.
func (j *job) acceptsIncomplete() bool { return j.journal.Accepted == j.source.Fingerprint() }

// fetch downloads the recording if it is in a bucket. Files that an earlier attempt has
// downloaded are used again.
func (j *job) fetch(ctx context.Context) error {
	if j.source.Bucket == nil {
		return nil
	}
	from := j.source.Bucket
	_, err := bucket.Fetch(ctx, bucket.Candidate{
		Storage: j.bucket, Session: j.id, Key: from.Key, Objects: from.Objects, Size: j.source.Size, ModTime: j.source.ModTime,
	}, j.fetched(), spaceReserve)
	if errors.Is(err, storage.ErrNotFound) {
		return task.Failf(task.ClassGone, "the recording no longer exists in the storage: %w", err)
	}
	return err
}
