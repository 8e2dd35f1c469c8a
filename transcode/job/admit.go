package job

import (
	"context"
	"errors"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// admit asks core about the session, and returns an error unless the recording may be
// converted now: the session has ended and is graphical, and the destination is ready.
func (j *job) admit(ctx context.Context) error {
	if j.journal.Reached >= task.ReachedConfirmed {
		return nil // the original may have been moved already
	}
	session, err := j.host.Session(ctx, j.id)
	if err == nil || errors.Is(err, coreapi.ErrNotFound) {
		j.host.CoreAnswered()
	}
	if errors.Is(err, coreapi.ErrNotFound) {
		return task.Failf(task.ClassSession, "core does not know the session")
	}
	if err != nil {
		return err
	}
	j.journal.Session = nil
	if j.cfg.KeepNames {
		j.journal.Session = task.SessionOf(session)
	}
	if !session.IsFinished {
		return task.Failf(task.ClassSessionActive, "core reports that the session has not ended")
	}
	if !session.Graphical() {
		return task.Failf(task.ClassNotGraphical, "%s sessions recorded by %s have no Guacamole recording", session.Protocol, session.Terminal.Type)
	}
	j.journal.Date, j.started, j.marked = session.DateDir(), session.DateStart, session.HasReplay
	if !session.DateEnd.IsZero() {
		j.lasted = session.DateEnd.Sub(session.DateStart)
		j.journal.Ended = session.DateEnd.UTC()
	}
	place := j.source.Path
	if j.source.Bucket != nil {
		place = j.source.Bucket.Key
	}
	if dir, _, _ := strings.Cut(place, "/"); dir != j.journal.Date && !j.source.Spooled() {
		return task.Failf(task.ClassMisplaced, "core looks for this session's replay in %s, but the recording is in %s", j.journal.Date, dir)
	}
	if err := j.dest.Ready(ctx, j.delivery()); err != nil {
		return err
	}
	return j.mayRetire(ctx)
}

// mayRetire returns an error if the agent lacks the permissions to retire the original, so
// that nothing is rendered and uploaded in vain.
func (j *job) mayRetire(ctx context.Context) error {
	if j.cfg.Rights == nil || !j.source.OnVolume() {
		return nil
	}
	return j.cfg.Rights.Check(ctx, j.source.Path)
}
