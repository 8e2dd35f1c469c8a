package job

import (
	"context"
	"errors"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// admit asks core whether the session is over and ours to convert.
func (j *job) admit(ctx context.Context) error {
	if j.journal.Reached >= task.ReachedConfirmed {
		return nil // the original may be gone already
	}
	session, err := j.host.Session(ctx, j.id)
	if err == nil || errors.Is(err, coreapi.ErrNotFound) {
		j.host.CoreAnswered()
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
	j.journal.Date, j.started, j.marked = session.DateDir(), session.DateStart, session.HasReplay
	if !session.DateEnd.IsZero() {
		j.lasted = session.DateEnd.Sub(session.DateStart)
	}
	place := j.source.Path
	if j.source.Bucket != nil {
		place = j.source.Bucket.Key
	}
	if dir, _, _ := strings.Cut(place, "/"); dir != j.journal.Date && !j.source.Spooled() {
		return task.Failf(task.ClassMisplaced, "core looks for this session's replay in %s and the recording is in %s", j.journal.Date, dir)
	}
	return j.dest.Ready(ctx, j.delivery())
}
