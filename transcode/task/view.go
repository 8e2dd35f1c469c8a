package task

import (
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// View is a task as it is shown to people and scripts: in task.json, the task API and
// `tasks --json`. Times are UTC.
type View struct {
	ID        string      `json:"id"` // session id
	State     queue.State `json:"state"`
	Progress  float64     `json:"progress"` // of the state, 0 to 1
	Reason    queue.Class `json:"reason,omitempty"`
	Error     string      `json:"error,omitempty"`
	Attempt   int         `json:"attempt"`
	Next      *time.Time  `json:"next,omitempty"` // when it is retried
	Created   time.Time   `json:"created"`
	Updated   time.Time   `json:"updated"`
	Owner     string      `json:"owner,omitempty"`         // the agent that works on it
	Session   *Session    `json:"session,omitempty"`       // nil until core was asked, and if names are hidden
	Path      string      `json:"path"`                    // of the recording, as [Source.Name] returns it
	Before    int64       `json:"bytes_before"`            // size of the recording
	After     int64       `json:"bytes_after,omitempty"`   // size of the MP4
	Saved     float64     `json:"saved_percent,omitempty"` // see [SavedPercent]
	Duration  int64       `json:"duration_ms,omitempty"`
	Frames    int         `json:"frames,omitempty"`
	Width     int         `json:"width,omitempty"`
	Height    int         `json:"height,omitempty"`
	Seconds   float64     `json:"render_seconds,omitempty"` // 0 for an MP4 that was in place before the task began
	Speed     float64     `json:"speed,omitempty"`          // seconds of video per second of rendering
	Ended     *time.Time  `json:"session_ended,omitempty"`  // as core reports it
	Originals []string    `json:"originals,omitempty"`      // where the originals were moved
	Warnings  []string    `json:"warnings,omitempty"`
	// Incomplete says what the MP4 may lack, in sentences: contents of the recording,
	// whose original is then kept permanently, or a part of the session, if the video is
	// much shorter.
	Incomplete []string `json:"incomplete,omitempty"`
}

// Converted reports whether the task has made the MP4 itself; otherwise the MP4 was in
// place before the task began, or there is none.
func (v View) Converted() bool { return v.State == queue.StateDone && v.Seconds > 0 }

// freshFor is how long after the end of its session a recording is found, at most, if the
// agent was running then.
const freshFor = 24 * time.Hour

// SinceSession returns the time from the end of the session until its MP4 was in place.
// ok is false for a task that has made no MP4, and for a recording that was found more
// than a day after the session: the agent did not cause that delay.
func (v View) SinceSession() (took time.Duration, ok bool) {
	if !v.Converted() || v.Ended == nil || v.Created.Sub(*v.Ended) > freshFor {
		return 0, false
	}
	return max(0, v.Updated.Sub(*v.Ended)), true
}

// ViewOf returns the view of a task.
func ViewOf(t queue.Task) View {
	source := SourceOf(t)
	journal := JournalOf(t.Data)
	v := View{
		ID: t.ID, State: t.State, Progress: t.Progress, Reason: t.Reason, Error: t.Error, Attempt: t.Attempt,
		Created: t.Created, Updated: t.Updated, Owner: t.Owner, Path: source.Name(), Before: source.Size,
		Session: journal.Session, Originals: journal.Retired, Warnings: journal.Warnings, Seconds: journal.RenderSeconds,
	}
	if journal.Doubt != "" {
		v.Incomplete = append(v.Incomplete, journal.Doubt)
	}
	if !t.Next.IsZero() {
		v.Next = &t.Next
	}
	if !journal.Ended.IsZero() {
		v.Ended = &journal.Ended
	}
	if video := journal.Video; video != nil {
		v.After, v.Saved = video.Size, SavedPercent(source.Size, video.Size)
		v.Duration, v.Frames, v.Width, v.Height = video.DurationMS, video.Frames, video.Width, video.Height
		v.Incomplete = slices.Concat(video.Missing, v.Incomplete)
		if journal.Short != "" {
			v.Incomplete = append(v.Incomplete, journal.Short)
		}
		if v.Seconds > 0 {
			v.Speed = float64(video.DurationMS) / 1000 / v.Seconds
		}
	}
	return v
}

// SavedPercent returns how much smaller an MP4 of after bytes is than its
// recording of before bytes, in percent of before, with one decimal place.
func SavedPercent(before, after int64) float64 {
	if before == 0 {
		return 0
	}
	return float64(1000*(before-after)/before) / 10
}

// UploadEnd is the result of an upload's task, which decides what happens to the upload's
// files.
type UploadEnd int

// Ends of uploads.
const (
	UploadStored  UploadEnd = iota // the session has a replay: the files are treated like originals
	UploadUnknown                  // core does not know the session
	UploadKept                     // the session has a replay, but the files may contain more: they are kept permanently
	UploadUnseen                   // the session has a replay according to core only: the files are kept for some time, for another try
)

// Observer is notified of what a pool does. Its methods are called from several
// goroutines.
type Observer interface {
	// Stage is called when a task leaves a state, with the time it spent in it.
	Stage(state queue.State, took time.Duration)
	// Ended is called with the result of a task when its lease is released.
	Ended(View)
}
