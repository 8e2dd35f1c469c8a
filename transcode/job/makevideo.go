package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// makeVideo makes a verified MP4 of the recording in the work folder, unless there is one
// there or in place already.
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
		j.log.Info("the MP4 made earlier no longer exists; making it again")
		j.journal.Video = nil
	}
	if err := j.enter(queue.StateRendering); err != nil {
		return err
	}
	rec, plan, err := j.read(ctx)
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

// read opens the recording and reads it once. If it was found soon after its last change,
// every part must have the end of a gzip file; after any error, the task then settles and
// the recording is read again later.
func (j *job) read(ctx context.Context) (*recording.Recording, *render.Plan, error) {
	early := j.source.Early
	j.source.Early = false // the next attempt is after the settle time
	rec, plan, err := j.scan(ctx, early)
	if err != nil && early {
		if _, verdict := classify(err); verdict == task.Fails || verdict == task.Skips || verdict == task.Retries {
			err = task.FailAs(task.ClassIncomplete, task.Settles, "the recording changed a moment ago and is read again later: %w", err)
		}
	}
	return rec, plan, err
}

// scan is read without the treatment of errors.
func (j *job) scan(ctx context.Context, early bool) (*recording.Recording, *render.Plan, error) {
	rec, err := j.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, part := range rec.Parts {
		if !early {
			break
		}
		if compressed, err := part.Compressed(); err != nil {
			return nil, nil, err
		} else if !compressed {
			return nil, nil, task.FailAs(task.ClassIncomplete, task.Settles, "%s is not compressed, so that its end is not recognizable", part.Name)
		}
	}
	plan, err := render.Scan(ctx, rec, render.ScanOptions{Strict: early || !j.acceptsIncomplete(), Pace: j.pacer()})
	return rec, plan, err
}

// converted reports the conversion to core, unless the MP4 was in place before.
func (j *job) converted(ctx context.Context) error {
	if j.journal.Video.InPlace {
		return nil
	}
	return j.event(ctx, coreapi.ConvertSuccess, "")
}

// haveVideo reports whether the journal's MP4 still exists, in the work folder or in place.
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

// render makes the MP4 in the work folder, verifies it, and stores its facts in the journal.
func (j *job) render(ctx context.Context, plan *render.Plan) error {
	if err := j.clearWork(); err != nil {
		return err
	}
	// The MP4 is smaller than the recording, except for very short ones.
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
	if j.cfg.Ledger != nil { // here, so that the steps that publish the MP4 do not wait for it
		if j.journal.Video.Pictures, err = j.pictures(ctx); err != nil {
			return err
		}
	}
	j.journal.Warnings = made.Warnings
	j.noteShort(made.Duration)
	j.journal.RenderSeconds = time.Since(start).Seconds()
	for _, warning := range made.Warnings {
		if slices.Contains(made.Missing, warning) {
			j.log.Warn("the video may not show everything", "detail", warning)
		} else {
			j.log.Warn("something is wrong with the recording", "detail", warning)
		}
	}
	j.log.Info("rendered and verified", "frames", made.Frames, "size_mb", megabytes(size),
		"saved_percent", task.SavedPercent(j.source.Size, size), "seconds", j.journal.RenderSeconds)
	return j.note()
}

// clearWork creates the work folder, and removes everything in it but a recording that was
// downloaded.
func (j *job) clearWork() error {
	if err := os.MkdirAll(j.work(), 0o700); err != nil {
		return fmt.Errorf("create the work folder: %w", err)
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

// pacer returns the governor's pacer for this task; nil without a governor.
func (j *job) pacer() throttle.Pacer {
	if j.cfg.Governor == nil {
		return nil
	}
	return j.cfg.Governor.Pacer(j.lease.Task().Date)
}

// noteFiles puts the files of the volume that were read into the journal: only these are
// retired when the MP4 is in place.
func (j *job) noteFiles(rec *recording.Recording) error {
	if !j.source.OnVolume() {
		return nil
	}
	files, err := destination.FilesOf(j.cfg.ReplayDir, j.source.Path, rec)
	j.journal.Files = files
	return err
}

// noteShort puts into the journal that the video is much shorter than its session, if it
// is: the recording may have been truncated. The limits allow for the seconds of
// connecting, in which nothing is drawn.
func (j *job) noteShort(length time.Duration) {
	j.journal.Short = ""
	if missing := j.lasted - length; missing > 10*time.Second+j.lasted/5 {
		j.journal.Short = fmt.Sprintf("the video lasts %s, and the session lasted %s", length.Round(time.Second), j.lasted.Round(time.Second))
		j.log.Warn("the video is much shorter than the session", "video", length.Round(time.Second), "session", j.lasted.Round(time.Second))
	}
}
