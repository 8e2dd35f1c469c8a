package job

import (
	"context"

	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// locate finds out where the MP4 goes: core's settings may change while a
// task is under way.
func (j *job) locate(context.Context) error {
	if j.cfg.Storage != nil {
		var err error
		if j.bucket, err = j.cfg.Storage(); err != nil {
			return err
		}
	}
	if j.bucket == nil {
		j.dest = destination.Core{Client: j.cfg.Core, ReplayDir: j.cfg.ReplayDir, Originals: j.cfg.Originals}
	} else {
		j.dest = destination.Bucket{Storage: j.bucket, ReplayDir: j.cfg.ReplayDir, Originals: j.cfg.Originals, PlayCache: j.cfg.PlayCache}
	}
	if b := j.source.Bucket; b != nil && b.Place != j.dest.Place() {
		return task.Failf(task.ClassStorageChanged, "the recording is in %s, and core's replay storage is now %s", b.Place, j.dest.Place())
	}
	was := j.journal.Place
	if j.journal.Place = j.dest.Place(); was == "" || was == j.journal.Place {
		return nil
	}
	if gone, err := j.originalGone(); err != nil {
		return err
	} else if gone {
		// It has gone because the MP4 is in place. Core looks into every
		// storage that it is set up with, this one or that.
		j.log.Warn("core's replay storage has changed; the MP4 stays where it is", "mp4", was, "storage", j.journal.Place)
		j.journal.Place, j.moved = was, true
		return nil
	}
	j.log.Info("core's replay storage has changed", "was", was, "storage", j.journal.Place)
	j.journal.Uploaded, j.journal.Stored = "", nil
	if j.journal.Reached >= task.ReachedConfirmed { // of the other place
		j.journal.Reached = task.ReachedNothing
	}
	if j.journal.Video != nil {
		j.journal.Video.InPlace = false
	}
	return nil
}

// originalGone reports whether an earlier attempt has taken the original away.
func (j *job) originalGone() (bool, error) {
	if j.journal.Reached < task.ReachedRetiring {
		return false, nil
	}
	there, err := destination.Exists(j.original())
	if err == nil && !there && j.source.OnVolume() {
		err = destination.MustMount(j.cfg.ReplayDir)
	}
	return !there, err
}
