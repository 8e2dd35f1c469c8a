package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// presence is what core has for a session, compared with the recording of a job.
type presence int

const (
	hasNothing presence = iota // nothing, or nothing that can be played
	hasSame                    // the same recording, or its MP4
	hasOther                   // something else
)

// present compares everything that core would serve for the session with this recording,
// whose uncompressed content has the SHA-256 content. plan is nil if the recording cannot be
// converted. For hasOther, what names the first thing that differs.
func (j *job) present(ctx context.Context, content string, plan *render.Plan) (is presence, what string, err error) {
	if !j.dest.Visible() {
		return j.presentUnseen(ctx, content)
	}
	found, err := j.dest.Present(ctx, j.delivery())
	if err != nil {
		return hasNothing, "", err
	}
	for _, r := range found {
		one, err := j.compare(ctx, r, content, plan)
		if err != nil {
			return hasNothing, "", err
		}
		if one == hasOther {
			return hasOther, r.Name, nil
		}
		is = max(is, one)
	}
	ours := j.sent() || j.journal.Again && j.sentBefore(content)
	if is == hasNothing && j.marked && !ours {
		// Lion marks sessions whose recordings it has stored itself, and only those.
		return hasOther, "core reports one that this agent cannot see", nil
	}
	return is, "", nil
}

// compare compares one file that core would serve with the recording.
func (j *job) compare(ctx context.Context, r destination.Replay, content string, plan *render.Plan) (presence, error) {
	switch {
	case r.Cast:
		return hasOther, nil
	case r.Video:
		return j.compareVideo(ctx, r.File, content, plan)
	}
	rec, err := recording.Open(r.File)
	if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
		return hasNothing, nil
	}
	var have string
	if err == nil {
		have, err = render.Content(ctx, rec)
	}
	switch {
	case ctx.Err() != nil:
		return hasOther, context.Cause(ctx)
	case err == nil && have == content:
		return hasSame, nil
	case j.unsettled(r):
		return hasOther, task.FailAs(task.ClassChanged, task.Settles, "another recording of the session has just changed and is compared again later: %s", r.Name)
	default: // this recording can be read, so that one is another
		return hasOther, nil
	}
}

// unsettled reports whether a recording may still be written: Lion puts it into core's
// storage itself if the answer to its upload is lost.
func (j *job) unsettled(r destination.Replay) bool {
	if !r.InPlace {
		return false
	}
	st, err := os.Lstat(r.File)
	if err != nil {
		return false
	}
	changed := st.ModTime()
	if rec, err := recording.OpenIncomplete(r.File); err == nil {
		changed = rec.ModTime // of its newest part
	}
	age := time.Since(changed)
	return age >= 0 && age < j.cfg.Settle
}

// compareVideo compares an MP4 that core would serve with the recording.
func (j *job) compareVideo(ctx context.Context, file, content string, plan *render.Plan) (presence, error) {
	if v := j.journal.Video; v != nil {
		if sum, _, err := destination.HashFile(ctx, file); err == nil && sum == v.SHA256 {
			return hasSame, nil // from an earlier attempt
		}
	}
	info, err := j.cfg.Render.Tool.Probe(ctx, file)
	if err != nil {
		return playable(ctx, err)
	}
	if mark, sealed := j.markOf(ctx, file, info); sealed {
		if mark.Source == content {
			return hasSame, nil
		}
		if mark.Incomplete && plan != nil {
			if begins, err := plan.BeginsWith(ctx, mark); err != nil || begins {
				return hasNothing, err // the more complete MP4 may replace it
			}
		}
	}
	return playable(ctx, j.cfg.Render.Tool.WithPace(j.pacer()).DecodeAll(ctx, file, info))
}

// playable returns the presence of another MP4, of which err is the result of reading it:
// hasOther if it can be played, hasNothing if it is damaged or no longer exists.
func playable(ctx context.Context, err error) (presence, error) {
	var damaged *video.VerifyError
	switch {
	case err == nil:
		return hasOther, nil
	case ctx.Err() != nil:
		return hasOther, context.Cause(ctx)
	case errors.As(err, &damaged), errors.Is(err, fs.ErrNotExist):
		return hasNothing, nil
	default:
		return hasOther, err
	}
}

// markOf returns the mark of an MP4 with its origin, and whether the mark is for this session
// and has this agent's valid seal.
func (j *job) markOf(ctx context.Context, file string, info video.Info) (render.Mark, bool) {
	mark, err := render.ParseMark(info.Metadata["comment"])
	if err != nil || mark.Session != j.id {
		return render.Mark{}, false
	}
	return mark, render.Sealed(ctx, file, j.cfg.Render.Seal) == nil
}

// contains reports whether an MP4 has this agent's seal and was made from this recording or a
// part of it.
func (j *job) contains(ctx context.Context, file string) bool {
	info, err := j.cfg.Render.Tool.Probe(ctx, file)
	if err != nil {
		return false
	}
	mark, sealed := j.markOf(ctx, file, info)
	if !sealed || j.journal.Video == nil {
		return false
	}
	if mark.Source == j.journal.Video.Source || j.plan == nil {
		return mark.Source == j.journal.Video.Source
	}
	begins, err := j.plan.BeginsWith(ctx, mark)
	return err == nil && begins
}

// mustHideNothing returns an error for an upload if core would serve anything other than the
// same recording for its session: only an operator can decide which one is right.
func (j *job) mustHideNothing(ctx context.Context, content string, plan *render.Plan) error {
	if !j.source.Spooled() {
		return nil
	}
	is, what, err := j.present(ctx, content, plan)
	if err != nil {
		return fmt.Errorf("look for other replays of the session: %w", err)
	}
	if is == hasOther {
		return differs(what)
	}
	return nil
}

// differs returns the error for an upload whose session has another replay, what.
func differs(what string) error {
	return task.Failf(task.ClassDiffers, "the session already has another replay, which an upload never replaces: %s; the upload stays in the spool", what)
}
