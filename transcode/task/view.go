package task

import (
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// View is a task as people and scripts see it: in task.json, the task API
// and `tasks --json`. Times are UTC.
type View struct {
	ID        string      `json:"id"` // session id
	State     queue.State `json:"state"`
	Progress  float64     `json:"progress"` // of the state, 0 to 1
	Reason    queue.Class `json:"reason,omitempty"`
	Error     string      `json:"error,omitempty"`
	Attempt   int         `json:"attempt"`
	Next      *time.Time  `json:"next,omitempty"` // when it is tried again
	Created   time.Time   `json:"created"`
	Updated   time.Time   `json:"updated"`
	Owner     string      `json:"owner,omitempty"` // the agent at work on it
	Path      string      `json:"path"`            // of the recording: below the replay folder, or with the storage that it is in
	Before    int64       `json:"bytes_before"`
	After     int64       `json:"bytes_after,omitempty"`
	Saved     float64     `json:"saved_percent,omitempty"`
	Duration  int64       `json:"duration_ms,omitempty"`
	Frames    int         `json:"frames,omitempty"`
	Width     int         `json:"width,omitempty"`
	Height    int         `json:"height,omitempty"`
	Seconds   float64     `json:"render_seconds,omitempty"` // 0 also for an MP4 that was in place already
	Speed     float64     `json:"speed,omitempty"`          // × real time
	Originals []string    `json:"originals,omitempty"`
	Warnings  []string    `json:"warnings,omitempty"`
	// Incomplete says what of the recording the MP4 may not show, in words: the
	// original is then kept for good. Of a video that is much shorter than its
	// session it says so.
	Incomplete []string `json:"incomplete,omitempty"`
}

// Converted tells whether the task made an MP4; there may have been one
// before.
func (v View) Converted() bool { return v.State == queue.StateDone && v.Seconds > 0 }

// ViewOf shows a task.
func ViewOf(t queue.Task) View {
	source := SourceOf(t)
	journal := JournalOf(t.Data)
	v := View{
		ID: t.ID, State: t.State, Progress: t.Progress, Reason: t.Reason, Error: t.Error, Attempt: t.Attempt,
		Created: t.Created, Updated: t.Updated, Owner: t.Owner, Path: source.Name(), Before: source.Size,
		Originals: journal.Retired, Warnings: journal.Warnings, Seconds: journal.RenderSeconds,
	}
	if !t.Next.IsZero() {
		v.Next = &t.Next
	}
	if video := journal.Video; video != nil {
		v.After, v.Saved = video.Size, SavedPercent(source.Size, video.Size)
		v.Duration, v.Frames, v.Width, v.Height = video.DurationMS, video.Frames, video.Width, video.Height
		v.Incomplete = video.Missing
		if journal.Short != "" {
			v.Incomplete = append(slices.Clone(v.Incomplete), journal.Short)
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

// UploadEnd is what becomes of an upload's files when its task is done with it.
type UploadEnd int

// Ends of uploads.
const (
	UploadStored  UploadEnd = iota // its session has a replay: they may go as originals do
	UploadUnknown                  // core does not know the session
	UploadKept                     // as UploadStored, but the files may hold more than the MP4 shows: they stay
)

// Observer is told what a pool does, from several goroutines.
type Observer interface {
	// Stage tells that a task has left a state after so long.
	Stage(state queue.State, took time.Duration)
	// Ended tells what a task came to when it was given back.
	Ended(View)
}
