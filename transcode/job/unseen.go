package job

import (
	"context"
	"fmt"
	"slices"

	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// presentUnseen is present for a destination that the agent cannot read. It relies on
// core's record of the session, and on what this agent has uploaded before. If these do not
// say what core has, it returns hasOther.
func (j *job) presentUnseen(ctx context.Context, content string) (is presence, what string, err error) {
	session, err := j.cfg.Core.Session(ctx, j.id) // the response that admit got may be hours old
	b := j.journal.Before
	switch {
	case err != nil:
		return hasNothing, "", err
	case j.sent():
		return hasNothing, "", nil
	case j.sentBefore(content):
		return hasSame, "", nil
	case b != nil && b.Place == j.dest.Place():
		return hasOther, "that of another recording, which this agent has uploaded", nil
	case session.ReplayUnknown:
		return hasOther, "perhaps: core does not report whether it has one, and without REPLAY_DIR the agent cannot see it", nil
	case session.HasReplay:
		return hasOther, "core reports one, and without REPLAY_DIR the agent cannot see it", nil
	}
	return hasNothing, "", nil
}

// sent reports whether this task has uploaded a file.
func (j *job) sent() bool { return j.journal.Uploaded != "" || len(j.journal.Stored) > 0 }

// sentBefore reports whether core has the recording with this content, or its MP4, from an
// earlier task.
func (j *job) sentBefore(content string) bool {
	b := j.journal.Before
	return b != nil && b.Source == content && b.Place == j.dest.Place()
}

// wasPublished is reconcile for a destination that the agent cannot read. If core has
// confirmed the MP4 of this recording to an earlier task, that MP4 is kept.
func (j *job) wasPublished(plan *render.Plan) (done bool, err error) {
	if b := j.journal.Before; j.journal.Again || b == nil || b.Video == nil || !j.sentBefore(plan.Source) {
		return false, nil
	}
	j.log.Info("an earlier task has uploaded the MP4 of this recording", "path", j.served())
	video := *j.journal.Before.Video
	video.InPlace = true
	j.journal.Video = &video
	return true, j.note()
}

// noteTry returns the delivery for sending a file. If the agent cannot read the destination,
// it first stores in the journal that the file is sent.
func (j *job) noteTry(name string) (destination.Delivery, error) {
	d := j.delivery()
	d.Tried = slices.Contains(j.journal.Tried, name)
	if d.Tried || j.dest.Visible() {
		return d, nil
	}
	j.journal.Tried = append(j.journal.Tried, name)
	return d, j.note()
}

// noteDoubt puts into the journal why core may serve something other than what was sent.
func (j *job) noteDoubt(why string) {
	j.journal.Doubt = why
	j.log.Warn("core may serve another file than the one that was uploaded; the upload is kept permanently", "detail", why)
}

// mark tells core that the session has a replay of a size in bytes. If the agent cannot read
// the destination, core's record must then have that replay.
func (j *job) mark(ctx context.Context, size int64) error {
	if err := j.cfg.Core.MarkReplay(ctx, j.id, size); err != nil {
		return fmt.Errorf("mark the session: %w", err)
	}
	if j.dest.Visible() {
		return nil
	}
	session, err := j.cfg.Core.Session(ctx, j.id)
	switch {
	case err != nil:
		return fmt.Errorf("read core's record of the session: %w", err)
	case !session.HasReplay:
		return task.Failf(task.ClassCore, "core was told that the session has a replay, but does not report one")
	case session.ReplaySize != 0 && session.ReplaySize != size:
		return task.Failf(task.ClassCore, "core reports a replay of %d bytes for the session, but was sent one of %d", session.ReplaySize, size)
	}
	return nil
}
