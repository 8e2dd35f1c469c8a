package job

import (
	"context"
	"errors"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// event sends a lifecycle event to core, at most once per journal: core stores a row for
// every request.
func (j *job) event(ctx context.Context, event coreapi.Event, reason string) error {
	switch j.journal.Events[event] {
	case task.EventSent, task.EventUnsure:
		return nil
	case task.EventSending:
		j.log.Warn("the agent ended while it sent this event; it is not sent again", "event", event)
		return j.markEvent(event, task.EventUnsure)
	}
	j.boundary("before event " + string(event))
	if err := j.markEvent(event, task.EventSending); err != nil {
		return err
	}
	err := j.cfg.Core.Lifecycle(ctx, j.id, event, reason)
	switch {
	case err == nil:
	case errors.Is(err, coreapi.ErrAmbiguous):
		j.log.Warn("core may not have recorded the event; it is not sent again", "event", event, "error", err)
		return j.markEvent(event, task.EventUnsure)
	case errors.Is(err, coreapi.ErrUnsupported), errors.Is(err, coreapi.ErrBadForm):
		// The conversion continues without a row in core's activity log.
		j.log.Debug("core does not accept lifecycle events", "event", event, "error", err)
	default:
		if markErr := j.markEvent(event, ""); markErr != nil {
			return markErr
		}
		return err
	}
	if err := j.markEvent(event, task.EventSent); err != nil {
		return err
	}
	j.boundary("after event " + string(event))
	return nil
}

// markEvent stores the state of an event durably; "" removes it.
func (j *job) markEvent(event coreapi.Event, state task.EventState) error {
	if j.journal.Events == nil {
		j.journal.Events = map[coreapi.Event]task.EventState{}
	}
	if state == "" {
		delete(j.journal.Events, event)
	} else {
		j.journal.Events[event] = state
	}
	return j.note()
}

// reportFailure tells core that a task has failed permanently. It does so in three cases:
// core was told that the task began, the recording is damaged, or core has the recording
// in place of an MP4.
func (j *job) reportFailure(ctx context.Context, class queue.Class, cause error) error {
	reason := string(class) + ": " + oneLine(cause)
	switch {
	case j.journal.Events[coreapi.UploadStart] != "" && j.journal.Reached < task.ReachedMarked && !j.journal.Reached.AsIs():
		return j.event(ctx, coreapi.UploadFailure, reason)
	case j.journal.Video == nil && (class == task.ClassUndecodable || j.journal.Reached.AsIs() || j.journal.Events[coreapi.ConvertStart] != ""):
		if err := j.event(ctx, coreapi.ConvertFailure, reason); err != nil {
			return err
		}
		err := j.cfg.Core.MarkConvertFailed(ctx, j.id)
		if errors.Is(err, coreapi.ErrUnavailable) {
			return err
		}
		if err != nil {
			j.log.Warn("core did not accept the session's error reason", "error", err)
		}
	}
	return nil
}
