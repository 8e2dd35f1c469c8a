package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// makeVideo leaves a verified MP4 of the recording in the work folder, or
// finds the one that is in place already.
func (j *job) makeVideo(ctx context.Context) error {
	if j.moved {
		return nil
	}
	if j.journal.Video != nil {
		have, err := j.haveVideo(ctx)
		if err != nil {
			return err
		}
		if have {
			return j.converted(ctx)
		}
		j.log.Info("the MP4 made before is gone; making it again")
		j.journal.Video = nil
	}
	if err := j.enter(queue.StateRendering); err != nil {
		return err
	}
	rec, err := j.open(ctx)
	if err != nil {
		return err
	}
	plan, err := render.Scan(ctx, rec, render.ScanOptions{Strict: true, Pace: j.pacer()})
	if err != nil {
		return err
	}
	if done, err := j.reconcile(ctx, plan); done || err != nil {
		return err
	}
	plan.Started = j.started
	if err := j.event(ctx, coreapi.ConvertStart, ""); err != nil {
		return err
	}
	if err := j.render(ctx, plan); err != nil {
		return err
	}
	return j.converted(ctx)
}

// converted tells core of the conversion, if it was one.
func (j *job) converted(ctx context.Context) error {
	if j.journal.Video.InPlace {
		return nil
	}
	return j.event(ctx, coreapi.ConvertSuccess, "")
}

// haveVideo reports whether the journal's MP4 still exists, here or in place.
func (j *job) haveVideo(ctx context.Context) (bool, error) {
	sum, _, err := destination.HashFile(ctx, j.mp4())
	if err == nil && sum == j.journal.Video.SHA256 {
		return true, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	state, err := j.dest.Holds(ctx, j.delivery())
	return state == destination.HoldsOurs, err
}

func (j *job) render(ctx context.Context, plan *render.Plan) error {
	if err := j.clearWork(); err != nil {
		return err
	}
	// The MP4 is smaller than the recording in all but freak cases.
	if err := storage.NeedSpace(j.work(), j.source.Size+64<<20); err != nil {
		return err
	}
	width, height := plan.Size()
	j.log.Info("rendering", "path", j.source.Name(), "size_mb", megabytes(j.source.Size), "width", width, "height", height,
		"length", plan.Duration().Round(time.Millisecond))
	start := time.Now()
	options := j.cfg.Render
	options.Pace = j.pacer()
	made, err := plan.Encode(ctx, j.mp4(), options, func(p render.Progress) {
		j.lease.Progress(p.Fraction())
	})
	if err != nil {
		return err
	}
	if err := j.enter(queue.StateVerifying); err != nil {
		return err
	}
	if err := made.Verify(ctx); err != nil {
		return err
	}
	sum, size, err := destination.HashFile(ctx, j.mp4())
	if err != nil {
		return err
	}
	j.journal.Video = &task.VideoFacts{
		SHA256: sum, Size: size, Frames: made.Frames, DurationMS: made.Duration.Milliseconds(),
		Width: made.Width, Height: made.Height, Source: plan.Source,
	}
	j.journal.Warnings = made.Warnings
	j.journal.RenderSeconds = time.Since(start).Seconds()
	for _, warning := range made.Warnings {
		j.log.Warn("the video may not show everything", "detail", warning)
	}
	j.log.Info("rendered and verified", "frames", made.Frames, "size_mb", megabytes(size),
		"saved_percent", task.SavedPercent(j.source.Size, size), "seconds", j.journal.RenderSeconds)
	return j.note()
}

// clearWork leaves nothing in the work folder but a recording that was
// downloaded.
func (j *job) clearWork() error {
	if err := os.MkdirAll(j.work(), 0o700); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	entries, err := os.ReadDir(j.work())
	for _, e := range entries {
		if path := filepath.Join(j.work(), e.Name()); path != j.fetched() {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	if err != nil {
		return fmt.Errorf("empty the work folder: %w", err)
	}
	return nil
}

// pacer is the governor's for this task; nil without one.
func (j *job) pacer() throttle.Pacer {
	if j.cfg.Governor == nil {
		return nil
	}
	return j.cfg.Governor.Pacer(j.lease.Task().Date)
}

// reconcile looks at an MP4 that is in place already. One that was made from
// this very recording is verified and kept; one that is not ours, or holds
// less, is replaced; one that holds as much of something else makes the task
// fail, because nobody but a human can tell which is right.
func (j *job) reconcile(ctx context.Context, plan *render.Plan) (done bool, err error) {
	path, err := j.dest.Current(ctx, j.delivery())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := j.cfg.Render.Tool.Probe(ctx, path)
	if err != nil {
		j.log.Warn("the MP4 in place cannot be read; it is replaced", "path", j.served(), "error", err)
		return false, nil
	}
	mark, err := render.ParseMark(info.Metadata["comment"])
	if err != nil || mark.Session != j.id {
		j.log.Warn("the MP4 in place was made by something else; it is replaced", "path", j.served())
		return false, nil //nolint:nilerr // replaced, not failed
	}
	if mark.Source != plan.Source {
		if plan.Duration() > info.Duration+time.Second {
			j.log.Warn("the MP4 in place holds less than this recording; it is replaced", "mp4", info.Duration, "recording", plan.Duration())
			return false, nil
		}
		return false, task.Failf(task.ClassDiffers, "an MP4 of %s is in place, made from another recording of this session than %s (%s); compare them and remove one",
			info.Duration.Round(time.Second), j.source.Name(), plan.Duration().Round(time.Second))
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
	return true, j.note()
}
