package render

import (
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
)

// leftOut is idle time that the video skips.
type leftOut struct {
	at time.Duration // position in the video at which the recording continues
	by time.Duration
}

// shortener passes on frames and sound, but shortens idle stretches that are longer
// than a limit to that limit. A stretch is idle while no pixel changes and there is
// no sound.
type shortener struct {
	to    guac.Sink
	limit time.Duration             // whole milliseconds
	skip  func(by time.Duration)    // called before what follows the stretch is passed on
	end   func(total time.Duration) // called with the length of the video
	total time.Duration             // of the recording
	slot  time.Duration             // how long the last frame is shown

	active time.Duration // time of the last change
	gone   time.Duration // total time that was skipped
	begun  bool
	spots  []leftOut
}

// Frame implements [guac.Sink].
func (s *shortener) Frame(f guac.Frame) error {
	switch {
	case !s.begun || len(f.Damage) > 0:
		s.change(f.Time)
		s.active, s.begun = max(s.active, f.Time), true
	case f.Time >= (s.total - s.slot).Truncate(time.Millisecond): // the last frame, which shows the picture until the end
		s.change(s.total)
		return s.last(f)
	case f.Time-s.active >= s.limit:
		return nil
	}
	f.Time -= s.gone
	return s.to.Frame(f)
}

// last passes on the frame that ends the video, unless a skipped stretch ends at
// the previous one.
func (s *shortener) last(f guac.Frame) error {
	if f.Time = (s.total - s.gone - s.slot).Truncate(time.Millisecond); f.Time <= s.active-s.gone {
		return nil
	}
	return s.to.Frame(f)
}

// Audio implements [guac.Sink]. Silent sound is treated as no sound.
func (s *shortener) Audio(c guac.AudioChunk) error {
	if inaudible(c.PCM) {
		return nil
	}
	s.change(c.Time)
	s.active = max(s.active, c.Time+time.Duration(len(c.PCM)/2/c.Channels)*time.Second/time.Duration(c.Rate))
	c.Time -= s.gone
	return s.to.Audio(c)
}

// change skips idle time before a time, beyond the limit.
func (s *shortener) change(at time.Duration) {
	by := (at - s.active - s.limit).Truncate(time.Millisecond)
	if !s.begun || by <= 0 {
		return
	}
	s.gone += by
	s.active = at - s.limit
	s.spots = append(s.spots, leftOut{at - s.gone, by})
	s.skip(by)
}

// finish reports the length of the video.
func (s *shortener) finish() {
	s.change(s.total)
	s.end(s.total - s.gone)
}

func inaudible(pcm []byte) bool {
	for _, b := range pcm {
		if b != 0 {
			return false
		}
	}
	return true
}
