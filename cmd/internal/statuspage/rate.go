package statuspage

import (
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Rate is how fast work has gone within the last hour, while there was any.
type Rate struct {
	Tasks int     `json:"tasks"` // done within the hour
	Bytes float64 `json:"bytes"` // of recordings, a second
	Speed float64 `json:"speed"` // × real time
	// ETA is when all that is open will be done at this rate, in seconds
	// from now; null if nobody can tell.
	ETA *float64 `json:"eta"`
}

// window collects what was done from one moment to another.
type window struct {
	from, to time.Time
	tasks    int
	bytes    float64 // that fall into the window
	seconds  float64 // of video that fall into it
	spans    []span
}

// span is a time in which a task was worked on.
type span struct{ from, to time.Time }

// add counts a task that is done. One that began before the window counts
// with the part of it that lies within.
func (w *window) add(v task.View) {
	w.tasks++
	if v.Seconds <= 0 {
		return // the MP4 was in place: nothing was rendered
	}
	took := time.Duration(v.Seconds * float64(time.Second))
	s := span{v.Updated.Add(-took), v.Updated}
	part := 1.0
	if s.from.Before(w.from) {
		s.from = w.from
		part = float64(s.to.Sub(s.from)) / float64(took)
	}
	w.bytes += part * float64(v.Before)
	w.seconds += part * float64(v.Duration) / 1000
	w.spans = append(w.spans, s)
}

// busy is how long at least one task was worked on.
func (w *window) busy() time.Duration {
	slices.SortFunc(w.spans, func(a, b span) int { return a.from.Compare(b.from) })
	var sum time.Duration
	var end time.Time
	for _, s := range w.spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			sum, end = sum+s.to.Sub(s.from), s.to
		}
	}
	return sum
}

// rate is the window's, with the time that so many bytes more will take.
func (w *window) rate(left float64) Rate {
	r := Rate{Tasks: w.tasks}
	busy := w.busy().Seconds()
	if busy <= 0 {
		return r
	}
	r.Bytes, r.Speed = w.bytes/busy, w.seconds/busy
	if left > 0 && r.Bytes > 0 {
		eta := left / r.Bytes
		r.ETA = &eta
	}
	return r
}
