package video

import "time"

// filmDetector finds films. In a film, pictures follow each other quickly for a long
// time, and each changes the same large part of the screen. The quantizer would treat
// them as screens that are not worth many bits. But viewers watch films. Moreover, what
// moves in a film does not move by whole pixels.
type filmDetector struct {
	kinds [len(filmKinds)]filmRun
	last  time.Duration // of the last picture that is known to be of a film
	seen  bool          // there is one
}

// filmRun counts pictures in a row.
type filmRun struct {
	pictures int
	last     time.Duration
}

// filmKinds says how many pictures in a row, of which each changes how much of the
// screen, are a film. Scrolling and moved windows change a quarter of the screen in up
// to 60 pictures in a row.
var filmKinds = [...]struct {
	share    float64
	pictures int
}{
	{0.75, 8},   // on the whole screen: the lookahead at 1080p still has its first picture
	{0.125, 90}, // in a window
}

const (
	maxFilmGap = 400 * time.Millisecond // between two pictures of a film
	// For filmPause after a film, pictures are still treated as part of it: it may
	// only have been stopped. A change needs a keyframe.
	filmPause = 3 * time.Second
)

// add adds a picture in which some of all macroblocks change. If it is part of a film,
// it returns how many pictures up to this one are, at least; otherwise 0.
func (f *filmDetector) add(at time.Duration, changed, macroblocks int) (run int) {
	for i, kind := range filmKinds {
		r := &f.kinds[i]
		switch {
		case float64(changed) < kind.share*float64(macroblocks):
			r.pictures = 0
			continue
		case at-r.last > maxFilmGap:
			r.pictures = 0
		}
		r.pictures++
		r.last = at
		if r.pictures >= kind.pictures {
			run = max(run, r.pictures)
			f.last, f.seen = at, true
		}
	}
	return run
}

// lasts reports whether a film was shown shortly before a time.
func (f *filmDetector) lasts(at time.Duration) bool { return f.seen && at-f.last < filmPause }
