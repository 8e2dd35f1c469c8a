package job

import (
	"context"
	"errors"

	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// locate determines where the MP4 goes. Core's settings may change during a task, and a
// volume may be mounted.
func (j *job) locate(context.Context) error {
	if j.cfg.Storage != nil {
		var err error
		if j.bucket, err = j.cfg.Storage(); err != nil {
			return err
		}
	}
	look := j.cfg.Mount.Look
	if errors.Is(look(), watcher.ErrNoVolume) {
		j.cfg.ReplayDir = ""
	}
	switch {
	case j.bucket != nil:
		j.dest = destination.Bucket{Storage: j.bucket, ReplayDir: j.cfg.ReplayDir, Look: look, Originals: j.cfg.Originals, PlayCache: j.cfg.PlayCache}
	case j.cfg.ReplayDir == "":
		j.dest = destination.Unseen{Client: j.cfg.Core}
	default:
		j.dest = destination.Core{Client: j.cfg.Core, ReplayDir: j.cfg.ReplayDir, Look: look, Originals: j.cfg.Originals}
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
		// The original was retired because the MP4 was in place. Core searches all
		// storages that it is set up with, and so finds the MP4 there.
		j.log.Warn("core's replay storage has changed; the MP4 stays where it is", "mp4", was, "storage", j.journal.Place)
		j.journal.Place, j.moved = was, true
		return nil
	}
	j.log.Info("core's replay storage has changed", "was", was, "storage", j.journal.Place)
	j.journal.Uploaded, j.journal.Stored, j.journal.Tried, j.journal.Doubt = "", nil, nil, ""
	if j.journal.Reached >= task.ReachedConfirmed { // in the other storage
		j.journal.Reached = task.ReachedNothing
	}
	if j.journal.Video != nil {
		j.journal.Video.InPlace = false
	}
	return nil
}

// originalGone reports whether an earlier attempt has retired the original.
func (j *job) originalGone() (bool, error) {
	if j.journal.Reached < task.ReachedRetiring {
		return false, nil
	}
	there, err := destination.Exists(j.firstFile())
	if err == nil && !there && j.source.OnVolume() {
		err = destination.MustMount(j.cfg.ReplayDir)
	}
	return !there, err
}
