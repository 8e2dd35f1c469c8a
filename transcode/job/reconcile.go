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

// reconcile looks at an MP4 that is in place already. One that this agent has
// sealed, and that was made from this very recording, is verified and kept. One
// that this agent has not made is replaced, whatever it claims, and stays in the
// trash for good; so does one that holds less of something else. One that this
// agent made of as much of something else makes the task fail, because nobody but
// a human can tell which is right. For uploads mustHideNothing has said so before.
func (j *job) reconcile(ctx context.Context, plan *render.Plan) (done bool, err error) {
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
	if err := j.cfg.Render.Tool.Paced(j.pacer()).Verify(ctx, path, video.Report{Frames: info.Frames, Duration: info.Duration}); err != nil {
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
	j.tellShort(info.Duration)
	return true, j.note()
}

// mustHoldMore fails unless the recording holds more than the MP4 in place.
func (j *job) mustHoldMore(ctx context.Context, plan *render.Plan, mark render.Mark, length time.Duration) error {
	begins, err := plan.BeginsWith(ctx, mark)
	if err != nil {
		return err
	}
	if begins || plan.Duration() > length+time.Second {
		j.log.Warn("the MP4 in place holds less than this recording; it is replaced", "mp4", length, "recording", plan.Duration(), "part_of_it", begins)
		return nil
	}
	return task.Failf(task.ClassDiffers, "an MP4 of %s is in place, made from another recording of this session than %s (%s); compare them and remove one",
		length.Round(time.Second), j.source.Name(), plan.Duration().Round(time.Second))
}

// mustNotBeElsewhere leaves a recording alone that was replaced before, and
// whose MP4 is not there any more: core has moved it to another storage, as
// SERVER_REPLAY_STORAGE has it do, and this is core's copy of the original.
func (j *job) mustNotBeElsewhere(plan *render.Plan) error {
	if b := j.journal.Before; b == nil || b.Left || b.Source != plan.Source || b.Place != j.dest.Place() {
		return nil
	}
	j.journal.Before.Left = true
	return task.Failf(task.ClassElsewhere, "this very recording was replaced by its MP4, which is not in %s any more: core has SERVER_REPLAY_STORAGE, or the MP4 was removed. "+
		"Name that storage as this component's replay storage in JumpServer. If the MP4 was removed, retry", j.dest.Place())
}

// mustNotBeCached leaves a recording on the volume alone that comes again and
// again while its MP4 is in the bucket. Once is a client that sends what it has
// kept; more often it is core's copy of an original in a storage that this agent
// does not see, which core would fetch for each viewer anew.
func (j *job) mustNotBeCached(plan *render.Plan) error {
	b := j.journal.Before
	if j.bucket == nil || !j.source.OnVolume() || b == nil || b.Left || b.Again == 0 || b.Source != plan.Source || b.Place != j.dest.Place() {
		return nil
	}
	j.journal.Before.Left = true
	return task.Failf(task.ClassElsewhere, "core has fetched this recording again after it was replaced: its original lies in another storage than %s, which core plays first. "+
		"Give all components one replay storage in JumpServer", j.dest.Place())
}
