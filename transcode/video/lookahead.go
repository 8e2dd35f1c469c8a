package video

import (
	"slices"
	"time"
)

// lookahead holds pictures for x264 until it is known how long their contents stay.
type lookahead struct {
	quantizer *quantizer
	films     filmDetector
	limit     int // pictures to hold
	pictures  []largePicture
	nextTimes []time.Duration // of each macroblock's next change; 0 = not known
}

// largePicture is a frame that x264 encodes.
type largePicture struct {
	at      time.Duration
	cluster []byte   // in Matroska
	changed []change // macroblocks that may differ from x264's picture before, in rising order
	film    bool     // x264 chooses the quantizers
}

// lookaheadPixels limits the pixels of all pictures in the lookahead together.
const lookaheadPixels = 15e6

func newLookahead(opt Options) *lookahead {
	q := newQuantizer(opt)
	return &lookahead{quantizer: q, limit: lookaheadLimit(opt), nextTimes: make([]time.Duration, len(q.detail))}
}

// lookaheadLimit returns how many pictures the lookahead holds.
func lookaheadLimit(opt Options) int { return max(lookaheadPixels/(opt.Width*opt.Height), 1) }

// add adds a picture, whose time is later than that of all others.
func (l *lookahead) add(p largePicture) {
	run := l.films.add(p.at, len(p.changed), len(l.nextTimes))
	p.film = l.films.lasts(p.at)
	l.pictures = append(l.pictures, p)
	for i := max(len(l.pictures)-run, 0); i < len(l.pictures); i++ {
		l.pictures[i].film = true
	}
}

// ready reports whether the first picture should be taken when the frame at a time is
// known: because nothing more has to be known, or because there are too many pictures.
func (l *lookahead) ready(now time.Duration) bool {
	return len(l.pictures) > l.limit || len(l.pictures) > 0 && now-l.pictures[0].at >= maxStay
}

// take removes the first picture and returns it with its offsets.
//
// Only x264's pictures end a stay. A delta picture adds to what x264 has encoded, so
// that x264's coding errors remain visible.
func (l *lookahead) take() guidedPicture {
	p := l.pictures[0]
	l.pictures = slices.Delete(l.pictures, 0, 1)
	for _, later := range slices.Backward(l.pictures) {
		for _, c := range later.changed {
			l.nextTimes[c.mb] = later.at
		}
	}
	offsets := l.quantizer.update(p.changed, func(c change) time.Duration {
		if l.nextTimes[c.mb] == 0 {
			return maxStay
		}
		return l.nextTimes[c.mb] - c.since
	})
	for _, later := range l.pictures {
		for _, c := range later.changed {
			l.nextTimes[c.mb] = 0
		}
	}
	return guidedPicture{at: p.at, cluster: p.cluster, offsets: slices.Clone(offsets), film: p.film}
}
