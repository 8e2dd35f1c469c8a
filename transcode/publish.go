package transcode

import (
	"context"
	"fmt"
	"os"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// upload publishes the MP4, unless core has it.
func (j *job) upload(ctx context.Context) error {
	if j.journal.Confirmed || j.journal.Reconciled {
		return nil
	}
	if err := j.enter(queue.StateUploading); err != nil {
		return err
	}
	state, err := j.dest.holds(ctx)
	if err != nil {
		return err
	}
	if err := j.event(ctx, coreapi.UploadStart, ""); err != nil {
		return err
	}
	if state == holdsOurs {
		j.log.Info("the MP4 is there already", "storage", j.dest.place())
		return nil
	}
	url, err := j.dest.put(ctx)
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

// confirm makes sure that core can serve the MP4 once the original is away.
func (j *job) confirm(ctx context.Context) error {
	if j.journal.Confirmed {
		return nil
	}
	if err := j.enter(queue.StateConfirming); err != nil {
		return err
	}
	if err := j.dest.confirm(ctx); err != nil {
		return err
	}
	j.journal.Confirmed = true
	return j.note()
}

// retire takes the original out of the way, as the policy says.
func (j *job) retire(ctx context.Context) error {
	j.journal.Retiring = true
	if err := j.enter(queue.StateRetiring); err != nil {
		return err
	}
	if j.moved {
		return nil
	}
	if state, err := j.dest.holds(ctx); err != nil {
		return err
	} else if state != holdsOurs {
		j.journal.Confirmed, j.journal.Retiring = false, false
		return task.Failf(task.ClassNotVisible, "the MP4 is not in place any more; the original stays")
	}
	return j.dest.retire(ctx)
}

// finish tells core that the session has a replay.
func (j *job) finish(ctx context.Context) error {
	if !j.journal.Marked {
		if err := j.Core.MarkReplay(ctx, j.id, j.journal.Video.Size); err != nil {
			return fmt.Errorf("mark the session: %w", err)
		}
		j.journal.Marked = true
		if err := j.note(); err != nil {
			return err
		}
		j.boundary("marked")
	}
	if !j.journal.Reconciled {
		if err := j.event(ctx, coreapi.UploadSuccess, ""); err != nil {
			return err
		}
	}
	j.endSpool()
	if err := os.RemoveAll(j.work()); err != nil {
		j.log.Warn("the work folder stays behind until the next clean-up", "error", err)
	}
	j.boundary("finished")
	j.log.Info("done", "mp4", j.final(), "storage", j.journal.Place, "saved_percent", task.SavedPercent(j.source.Size, j.journal.Video.Size))
	return nil
}
