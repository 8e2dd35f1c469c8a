package video

import "time"

// keyEvery is how much of the recording's time passes between keyframes at
// least, when x264 is given frames at all.
const keyEvery = 120 * time.Second

// longest is how long a picture lasts for x264 at most. It spends bits on what
// is seen for long; told true times, it would spend most of them on pictures
// that stay for minutes.
const longest = 400 * time.Millisecond

// weights are the times that x264 is told instead of the true ones: a picture
// lasts as long as it is seen before x264 has the next, but not longer than
// longest. They are whole milliseconds, and odd ones ask for a keyframe (see
// [forceKeys]).
type weights struct {
	least   time.Duration // that any picture lasts for x264
	begun   bool
	at, key time.Duration // true times of the last picture and of the last keyframe
	even    time.Duration // what was told of the last picture, were it no keyframe
	moving  int           // pictures in a row that came at once and changed most of the screen
}

// forceKeys is ffmpeg's expression for the pictures that must be keyframes.
const forceKeys = "expr:mod(round(t*1000),2)"

// Of films every picture goes at once, and still they are what is looked at: from
// so many pictures in a row on, each of which changes most of the screen, they
// count for longer.
const (
	filmAfter  = 8
	filmFactor = 2
)

// next is what x264 is told instead of the true time of a picture, in which most
// of the screen has changed or less.
func (w *weights) next(at time.Duration, most bool) time.Duration {
	if !w.begun {
		w.begun, w.at, w.key = true, at, at
		return 0 // a keyframe anyway
	}
	lasts := max(min(at-w.at, longest), w.least, 2*time.Millisecond)
	if w.moving++; !most || at-w.at > longest {
		w.moving = 0
	}
	if w.moving >= filmAfter {
		lasts = min(filmFactor*lasts, longest)
	}
	w.even += lasts.Truncate(2 * time.Millisecond)
	w.at = at
	if at-w.key < keyEvery {
		return w.even
	}
	w.key = at
	return w.even - time.Millisecond
}
