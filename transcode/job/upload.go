package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// standing is what core has for a session beside the upload at hand.
type standing int

const (
	hasNothing standing = iota // or nothing that can be played
	hasSame                    // the very recording, or its MP4
	hasOther                   // something else
)

// present compares all that core would serve for the session with this
// recording, whose content has a hash. plan is nil when it cannot be converted.
// what names the first thing that is something else.
func (j *job) present(ctx context.Context, content string, plan *render.Plan) (is standing, what string, err error) {
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
	if is == hasNothing && j.marked && j.journal.Uploaded == "" && len(j.journal.Stored) == 0 {
		// Lion says so of what it stored itself, and never of what it hands over.
		return hasOther, "a replay that this agent cannot see, which core has noted", nil
	}
	return is, "", nil
}

// compare compares one thing that core would serve with the recording.
func (j *job) compare(ctx context.Context, r destination.Replay, content string, plan *render.Plan) (standing, error) {
	switch {
	case r.Cast:
		return hasOther, nil
	case r.Video:
		return j.compareVideo(ctx, r.File, content, plan)
	}
	rec, err := recording.Open(r.File)
	if errors.Is(err, fs.ErrNotExist) { // taken away since it was seen
		return hasNothing, nil
	}
	if err != nil {
		return hasOther, nil //nolint:nilerr // whatever it is, it is not this recording
	}
	have, err := render.Content(ctx, rec)
	switch {
	case ctx.Err() != nil:
		return hasOther, context.Cause(ctx)
	case err == nil && have == content:
		return hasSame, nil
	default:
		return hasOther, nil
	}
}

func (j *job) compareVideo(ctx context.Context, file, content string, plan *render.Plan) (standing, error) {
	if v := j.journal.Video; v != nil {
		if sum, _, err := destination.HashFile(ctx, file); err == nil && sum == v.SHA256 {
			return hasSame, nil // put there by an earlier attempt
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
				return hasNothing, err // it may be replaced by what holds more
			}
		}
	}
	return playable(ctx, j.cfg.Render.Tool.Paced(j.pacer()).Decodes(ctx, file, info))
}

// playable returns what an MP4 counts for after an attempt to read it.
func playable(ctx context.Context, err error) (standing, error) {
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

// markOf returns what an MP4 says of its origin, and whether that is proven: by
// this agent's seal, for this session.
func (j *job) markOf(ctx context.Context, file string, info video.Info) (render.Mark, bool) {
	mark, err := render.ParseMark(info.Metadata["comment"])
	if err != nil || mark.Session != j.id {
		return render.Mark{}, false
	}
	return mark, render.Sealed(ctx, file, j.cfg.Render.Seal) == nil
}

// contains reports whether an MP4 was made by this agent of this very recording
// or of a part of it.
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

// mustHideNothing fails for an upload when core would serve something for its
// session that is not the same recording: which is right a human must tell.
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

func differs(what string) error {
	return task.Failf(task.ClassDiffers, "the session has another replay already, which an upload never replaces: %s; the upload stays in the spool", what)
}
