package statuspage

import (
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Rate is the rate of conversions in the last hour, counting only times with work.
type Rate struct {
	Tasks int     `json:"tasks"` // done within the hour
	Bytes float64 `json:"bytes"` // of recordings, per second
	Speed float64 `json:"speed"` // × real time
	// ETA is the time until all open tasks are done at this rate, in seconds; null if
	// unknown.
	ETA *float64 `json:"eta"`
	// Delay is the median time from the end of a session to its MP4, in seconds, for
	// the last hundred MP4s; null if there are none. See [task.View.SinceSession].
	Delay *float64 `json:"delay"`
}

// delaysCounted is the number of MP4s for Delay, and delaysLooked the number of tasks
// that are searched for them.
const (
	delaysCounted = 100
	delaysLooked  = 1000
)

// delays are the times from the end of sessions to their MP4s.
type delays struct {
	took   []time.Duration
	looked int
}

func (d *delays) add(t queue.Task) {
	if d.looked++; len(d.took) >= delaysCounted || d.looked > delaysLooked {
		return
	}
	if took, ok := task.ViewOf(t).SinceSession(); ok {
		d.took = append(d.took, took)
	}
}

// median returns the median in seconds; nil if there are no values.
func (d delays) median() *float64 {
	if len(d.took) == 0 {
		return nil
	}
	slices.Sort(d.took)
	seconds := d.took[len(d.took)/2].Seconds()
	return &seconds
}

// window sums up what was done within a time.
type window struct {
	from, to time.Time
	tasks    int
	bytes    float64 // converted within the window
	seconds  float64 // of video, converted within the window
	spans    []span
}

// span is a time in which a task was processed.
type span struct{ from, to time.Time }

// add counts a done task. If the task began before the window, only the share of its
// work within the window is counted.
func (w *window) add(v task.View) {
	w.tasks++
	if v.Seconds <= 0 {
		return // the MP4 existed already: nothing was rendered
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

// busy returns how long at least one task was in progress.
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

// rate returns the rate of the window, and how long left more bytes will take.
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
