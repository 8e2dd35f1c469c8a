package video

import "time"

// keyEvery is how much of the recording's time passes between keyframes at
// least, when x264 is given frames at all.
const keyframeInterval = 120 * time.Second

// longest is how long a picture lasts for x264 at most. It spends bits on what
// is seen for long; told true times, it would spend most of them on pictures
// that stay for minutes.
const maxPictureTime = 400 * time.Millisecond

// weights are the times that x264 is told instead of the true ones: a picture
// lasts as long as it is seen before x264 has the next, but not longer than
// longest. They are whole milliseconds, and odd ones ask for a keyframe (see
// [forceKeys]).
type retimer struct {
	minPictureTime time.Duration // that any picture lasts for x264
	started        bool
	last, lastKey  time.Duration // true times of the last picture and of the last keyframe
	lastOut        time.Duration // what was told of the last picture, were it no keyframe
	motionRun      int           // pictures in a row that came at once and changed most of the screen
}

// forceKeys is ffmpeg's expression for the pictures that must be keyframes.
const forceKeysExpr = "expr:mod(round(t*1000),2)"

// Of films every picture goes at once, and still they are what is looked at: from
// so many pictures in a row on, each of which changes most of the screen, they
// count for longer.
const (
	filmMinRun = 8
	filmFactor = 2
)

// next is what x264 is told instead of the true time of a picture, in which most
// of the screen has changed or less.
func (w *retimer) next(at time.Duration, mostChanged bool) time.Duration {
	if !w.started {
		w.started, w.last, w.lastKey = true, at, at
		return 0 // a keyframe anyway
	}
	duration := max(min(at-w.last, maxPictureTime), w.minPictureTime, 2*time.Millisecond)
	if w.motionRun++; !mostChanged || at-w.last > maxPictureTime {
		w.motionRun = 0
	}
	if w.motionRun >= filmMinRun {
		duration = min(filmFactor*duration, maxPictureTime)
	}
	w.lastOut += duration.Truncate(2 * time.Millisecond)
	w.last = at
	if at-w.lastKey < keyframeInterval {
		return w.lastOut
	}
	w.lastKey = at
	return w.lastOut - time.Millisecond
}
