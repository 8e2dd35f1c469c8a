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
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
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
	j.plan = plan
	if err := j.noteFiles(rec); err != nil {
		return err
	}
	if err := j.mustHideNothing(ctx, plan.Source, plan); err != nil {
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
	options.Pace, options.Session = j.pacer(), j.id
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
		Width: made.Width, Height: made.Height, Source: plan.Source, Missing: made.Missing,
	}
	j.journal.Warnings = made.Warnings
	j.tellShort(made.Duration)
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

// noteFiles notes which files of the volume were read: these and no others go
// when the MP4 is in place.
func (j *job) noteFiles(rec *recording.Recording) error {
	if !j.source.OnVolume() {
		return nil
	}
	files, err := destination.FilesOf(j.cfg.ReplayDir, j.source.Path, rec)
	j.journal.Files = files
	return err
}

// tellShort notes a video that is much shorter than its session: the recording
// may have been cut. Connecting takes some seconds, in which nothing is drawn.
func (j *job) tellShort(length time.Duration) {
	j.journal.Short = ""
	if missing := j.lasted - length; missing > 10*time.Second+j.lasted/5 {
		j.journal.Short = fmt.Sprintf("the video lasts %s, and the session lasted %s", length.Round(time.Second), j.lasted.Round(time.Second))
		j.log.Warn("the video is much shorter than the session", "video", length.Round(time.Second), "session", j.lasted.Round(time.Second))
	}
}
