package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// upload publishes the MP4, unless it is in place already.
func (j *job) upload(ctx context.Context) error {
	if j.journal.Reached >= task.ReachedConfirmed || j.journal.Video.InPlace {
		return nil
	}
	if err := j.enter(queue.StateUploading); err != nil {
		return err
	}
	state, err := j.dest.Holds(ctx, j.delivery())
	if err != nil {
		return err
	}
	if err := j.event(ctx, coreapi.UploadStart, ""); err != nil {
		return err
	}
	if state == destination.HoldsOurs {
		j.log.Info("the MP4 is already in place", "storage", j.dest.Place())
		return nil
	}
	if err := j.mustHideNothing(ctx, j.journal.Video.Source, nil); err != nil { // rendering may have taken hours
		return err
	}
	d, err := j.noteTry(path.Base(j.served()))
	if err != nil {
		return err
	}
	url, err := j.dest.Put(ctx, d)
	if err != nil {
		return j.cleanUpIfLate(fmt.Errorf("upload: %w", err))
	}
	j.boundary("uploaded")
	j.journal.Uploaded = url
	j.log.Info("uploaded", "url", url)
	if err := j.note(); err != nil {
		return j.cleanUpIfLate(err)
	}
	return nil
}

// cleanUpIfLate has the destination clean up after an upload during which the lease was
// lost. It returns err.
func (j *job) cleanUpIfLate(err error) error {
	if errors.Is(err, queue.ErrLeaseLost) || j.lease.Context().Err() != nil {
		j.dest.CleanUpLate(j.delivery())
	}
	return err
}

// confirm verifies that core can serve the MP4 after the original is retired.
func (j *job) confirm(ctx context.Context) error {
	if j.journal.Reached >= task.ReachedConfirmed {
		return nil
	}
	if err := j.enter(queue.StateConfirming); err != nil {
		return err
	}
	if err := j.dest.Confirm(ctx, j.delivery()); err != nil {
		return err
	}
	j.journal.Reached, j.journal.Unseen = task.ReachedConfirmed, !j.dest.Visible()
	return j.note()
}

// retire removes the original according to the policy for originals.
func (j *job) retire(ctx context.Context) error {
	if err := j.noteLostOriginal(); err != nil {
		return err
	}
	j.journal.Reached = max(j.journal.Reached, task.ReachedRetiring)
	if err := j.enter(queue.StateRetiring); err != nil {
		return err
	}
	if j.moved {
		return nil
	}
	if state, err := j.dest.Holds(ctx, j.delivery()); err != nil {
		return err
	} else if state != destination.HoldsOurs {
		j.journal.Reached = task.ReachedNothing
		return task.Failf(task.ClassNotVisible, "the MP4 is no longer in place; the original stays")
	}
	moved, err := j.dest.Retire(ctx, j.delivery())
	j.journal.Retired = append(j.journal.Retired, moved...)
	if err != nil {
		return err
	}
	if err := j.record(ctx); err != nil {
		return err
	}
	return j.note()
}

// noteLostOriginal puts into the journal that the original no longer exists, although this
// task has not retired it.
func (j *job) noteLostOriginal() error {
	if j.journal.Reached >= task.ReachedRetiring || !j.source.OnVolume() {
		return nil
	}
	there, err := destination.Exists(j.firstFile())
	if err == nil && !there {
		err = destination.MustMount(j.cfg.ReplayDir)
		j.journal.Lost = err == nil
	}
	return err
}

// finish tells core that the session has a replay.
func (j *job) finish(ctx context.Context) error {
	if j.journal.Reached < task.ReachedMarked {
		if err := j.mark(ctx, j.journal.Video.Size); err != nil {
			return err
		}
		j.journal.Reached = task.ReachedMarked
		if err := j.note(); err != nil {
			return err
		}
		j.boundary("marked")
	}
	if !j.journal.Video.InPlace {
		if err := j.event(ctx, coreapi.UploadSuccess, ""); err != nil {
			return err
		}
	}
	j.endUpload()
	if err := os.RemoveAll(j.work()); err != nil {
		j.log.Warn("cannot remove the work folder; it stays until the next clean-up", "error", err)
	}
	j.boundary("finished")
	j.log.Info("done", "mp4", j.served(), "storage", j.journal.Place, "saved_percent", task.SavedPercent(j.source.Size, j.journal.Video.Size))
	return nil
}
