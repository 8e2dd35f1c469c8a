package transcode

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// minSize is the size in bytes below which Lion itself throws recordings away.
const minSize = 1024

// admit asks core whether the session is over and ours to convert.
func (j *job) admit(ctx context.Context) error {
	if j.journal.Confirmed {
		return nil // the original may be gone already
	}
	session, err := j.session(ctx, j.id)
	if err == nil || errors.Is(err, coreapi.ErrNotFound) {
		j.answered()
	}
	if errors.Is(err, coreapi.ErrNotFound) {
		return task.Failf(task.ClassSession, "core does not know the session: %w", err)
	}
	if err != nil {
		return err
	}
	if !session.IsFinished {
		return task.Failf(task.ClassSessionActive, "core says that the session is not over")
	}
	if !session.Graphical() {
		return task.Failf(task.ClassNotGraphical, "%s sessions recorded by %s have no Guacamole recording", session.Protocol, session.Terminal.Type)
	}
	j.journal.Date, j.started = session.DateDir(), session.DateStart
	lies := j.source.Path
	if j.source.Bucket != nil {
		lies = j.source.Bucket.Key
	}
	if dir, _, _ := strings.Cut(lies, "/"); dir != j.journal.Date && !j.spooled() {
		return task.Failf(task.ClassMisplaced, "core looks for this session's replay in %s and the recording is in %s", j.journal.Date, dir)
	}
	return j.dest.ready(ctx)
}

// open opens the recording and makes sure that it is the one that was found.
func (j *job) open() (*recording.Recording, error) {
	if err := j.fetch(); err != nil {
		return nil, err
	}
	rec, err := recording.Open(j.original())
	if errors.Is(err, fs.ErrNotExist) && j.spooled() {
		return nil, task.Failf(task.ClassGone, "the upload is not in the spool any more: %w", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := mustMount(j.ReplayDir); err != nil {
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
	if now := j.sourceOf(rec); now.Fingerprint() != j.source.Fingerprint() {
		j.source = now
		return nil, task.Failf(task.ClassChanged, "the recording has changed since it was found")
	}
	return rec, nil
}

func (j *job) sourceOf(rec *recording.Recording) task.Source {
	if j.source.Bucket != nil {
		return j.source // its objects tell, not the files here
	}
	return task.Source{Path: j.source.Path, Spool: j.source.Spool, Size: rec.Size, ModTime: rec.ModTime}
}
