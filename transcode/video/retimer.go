package video

import "time"

// keyframeInterval is the minimum time of the recording between forced keyframes. A
// keyframe needs a frame that is given to x264.
const keyframeInterval = 120 * time.Second

// maxPictureTime is the maximum duration of a picture for x264, which spends more
// bits on longer pictures. With true times it would spend most of them on pictures
// that stay for minutes.
const maxPictureTime = 400 * time.Millisecond

// retimer maps true times to the times given to x264. A picture lasts until x264 gets
// the next one, but at most maxPictureTime. Times are whole milliseconds; odd ones
// request a keyframe (see [forceKeysExpr]).
type retimer struct {
	minPictureTime time.Duration // minimum duration of a picture for x264
	started        bool
	last, lastKey  time.Duration // true times of the last picture and the last keyframe
	lastOut        time.Duration // time given to x264 for the last picture, before it was made odd
	motionRun      int           // pictures in a row that came quickly and changed most of the screen
}

// forceKeysExpr is ffmpeg's expression that selects keyframes.
const forceKeysExpr = "expr:mod(round(t*1000),2)"

// The pictures of a film are short, but viewers watch them. After filmMinRun pictures
// in a row that each change most of the screen, durations are multiplied by
// filmFactor.
const (
	filmMinRun = 8
	filmFactor = 2
)

// next returns the time to give to x264 for a picture at a true time. mostChanged
// reports whether most of the screen has changed.
func (r *retimer) next(at time.Duration, mostChanged bool) time.Duration {
	if !r.started {
		r.started, r.last, r.lastKey = true, at, at
		return 0 // the first picture is a keyframe anyway
	}
	duration := max(min(at-r.last, maxPictureTime), r.minPictureTime, 2*time.Millisecond)
	if r.motionRun++; !mostChanged || at-r.last > maxPictureTime {
		r.motionRun = 0
	}
	if r.motionRun >= filmMinRun {
		duration = min(filmFactor*duration, maxPictureTime)
	}
	r.lastOut += duration.Truncate(2 * time.Millisecond)
	r.last = at
	if at-r.lastKey < keyframeInterval {
		return r.lastOut
	}
	r.lastKey = at
	return r.lastOut - time.Millisecond
}
