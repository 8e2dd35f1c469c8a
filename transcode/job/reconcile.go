package job

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// reconcile examines an MP4 that is in place already. done reports whether it is kept.
//
//   - An MP4 with this agent's seal, made from the same recording, is verified and kept.
//   - One without the seal is replaced, whatever its mark says, and stays in the trash
//     permanently.
//   - One with the seal that shows a part of this recording is replaced.
//   - A shorter one with the seal, made from another recording, is replaced and stays in
//     the trash permanently.
//   - Any other MP4 with the seal makes the task fail, because only an operator can decide
//     which one is right. For uploads, mustHideNothing has returned that error before.
func (j *job) reconcile(ctx context.Context, plan *render.Plan) (done bool, err error) {
	if !j.dest.Visible() {
		return j.wasPublished(plan)
	}
	path, err := j.dest.Current(ctx, j.delivery())
	if errors.Is(err, fs.ErrNotExist) {
		return false, j.mustNotBeElsewhere(plan)
	}
	if err != nil {
		return false, err
	}
	info, err := j.cfg.Render.Tool.Probe(ctx, path)
	if err != nil {
		j.log.Warn("the MP4 in place cannot be read; it is replaced", "path", j.served(), "error", err)
		return false, nil
	}
	mark, sealed := j.markOf(ctx, path, info)
	switch {
	case !sealed:
		j.log.Warn("the MP4 in place was not made by this agent; it is replaced, and kept in the trash", "path", j.served())
		return false, nil
	case mark.Source != plan.Source:
		return false, j.mustHoldMore(ctx, plan, mark, info.Duration)
	}
	if err := j.mustNotBeCached(plan); err != nil {
		return false, err
	}
	if err := j.cfg.Render.Tool.WithPace(j.pacer()).Verify(ctx, path, video.Report{Frames: info.Frames, Duration: info.Duration}); err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		j.log.Warn("the MP4 in place is damaged; it is made again", "path", j.served(), "error", err)
		return false, nil //nolint:nilerr // replaced, not failed
	}
	sum, size, err := destination.HashFile(ctx, path)
	if err != nil {
		return false, err
	}
	j.log.Info("a good MP4 of this recording is in place", "path", j.served())
	j.journal.Video = &task.VideoFacts{
		SHA256: sum, Size: size, Frames: info.Frames, DurationMS: info.Duration.Milliseconds(),
		Width: info.Width, Height: info.Height, Source: mark.Source, InPlace: true,
	}
	if mark.Incomplete {
		j.journal.Video.Missing = []string{"the MP4 in place does not show everything"}
	}
	j.noteShort(info.Duration)
	return true, j.note()
}

// mustHoldMore returns an error unless the recording contains more than the MP4 in place.
func (j *job) mustHoldMore(ctx context.Context, plan *render.Plan, mark render.Mark, length time.Duration) error {
	begins, err := plan.BeginsWith(ctx, mark)
	if err != nil {
		return err
	}
	if begins || plan.Duration() > length+time.Second {
		j.log.Warn("the MP4 in place shows less than this recording; it is replaced", "mp4", length, "recording", plan.Duration(), "part_of_it", begins)
		return nil
	}
	return task.Failf(task.ClassDiffers, "an MP4 of %s is in place, made from another recording of this session than %s (%s); compare them and remove one",
		length.Round(time.Second), j.source.Name(), plan.Duration().Round(time.Second))
}

// mustNotBeElsewhere returns an error for a recording that was replaced before and whose MP4
// no longer exists. Core has then moved the MP4 to another storage, as it does with
// SERVER_REPLAY_STORAGE, and the recording is core's copy of the original.
func (j *job) mustNotBeElsewhere(plan *render.Plan) error {
	if b := j.journal.Before; b == nil || b.Left || b.AsIs || j.journal.Again || b.Source != plan.Source || b.Place != j.dest.Place() {
		return nil
	}
	j.journal.Before.Left = true
	return task.Failf(task.ClassElsewhere, "this recording was replaced by its MP4, which is no longer in %s: core uses SERVER_REPLAY_STORAGE, or the MP4 was removed. "+
		"Make that storage this component's replay storage in JumpServer. If the MP4 was removed, retry", j.dest.Place())
}

// mustNotBeCached returns an error for a recording that appears on the volume repeatedly
// while its MP4 is in the bucket. The first time, it may come from a client that sends what
// it has stored. After that, it is core's copy of an original in a storage that this agent
// does not see, and core would fetch it again for each viewer.
func (j *job) mustNotBeCached(plan *render.Plan) error {
	b := j.journal.Before
	if j.bucket == nil || !j.source.OnVolume() || b == nil || b.Left || b.Again == 0 || b.Source != plan.Source || b.Place != j.dest.Place() {
		return nil
	}
	j.journal.Before.Left = true
	return task.Failf(task.ClassElsewhere, "core has fetched this recording again after it was replaced: its original is in another storage than %s, and core plays it first. "+
		"Give all components one replay storage in JumpServer", j.dest.Place())
}
