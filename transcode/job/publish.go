package job

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// upload publishes the MP4, unless core has it.
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
		j.log.Info("the MP4 is there already", "storage", j.dest.Place())
		return nil
	}
	if err := j.mustHideNothing(ctx, j.journal.Video.Source, nil); err != nil { // rendering may have taken hours
		return err
	}
	url, err := j.dest.Put(ctx, j.delivery())
	if err != nil {
		return j.tooLate(fmt.Errorf("upload: %w", err))
	}
	j.boundary("uploaded")
	j.journal.Uploaded = url
	j.log.Info("uploaded", "url", url)
	if err := j.note(); err != nil {
		return j.tooLate(err)
	}
	return nil
}

// tooLate has the destination cleaned up after an upload during which the
// lease was lost.
func (j *job) tooLate(err error) error {
	if errors.Is(err, queue.ErrLeaseLost) || j.lease.Context().Err() != nil {
		j.dest.CleanUpLate(j.delivery())
	}
	return err
}

// confirm makes sure that core can serve the MP4 once the original is away.
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
	j.journal.Reached = task.ReachedConfirmed
	return j.note()
}

// retire takes the original out of the way, as the policy says.
func (j *job) retire(ctx context.Context) error {
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
		return task.Failf(task.ClassNotVisible, "the MP4 is not in place any more; the original stays")
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

// finish tells core that the session has a replay.
func (j *job) finish(ctx context.Context) error {
	if j.journal.Reached < task.ReachedMarked {
		if err := j.cfg.Core.MarkReplay(ctx, j.id, j.journal.Video.Size); err != nil {
			return fmt.Errorf("mark the session: %w", err)
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
	j.endSpool()
	if err := os.RemoveAll(j.work()); err != nil {
		j.log.Warn("the work folder stays behind until the next clean-up", "error", err)
	}
	j.boundary("finished")
	j.log.Info("done", "mp4", j.served(), "storage", j.journal.Place, "saved_percent", task.SavedPercent(j.source.Size, j.journal.Video.Size))
	return nil
}
