package video

import (
	"maps"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// The quantizer leaves faint remains of a pointer or a window after it has moved.
// They are called ghosts. They are removed once their part of the screen stops
// changing.
const (
	ghostThreshold      = 10          // difference of 255 that is visible
	ghostDelay          = time.Second // since the last change of a macroblock
	maxGhostMacroblocks = 60          // in one picture
)

// ghosts holds the macroblocks whose decoded picture visibly differs from the source,
// and the times of their last changes.
type ghosts struct {
	since    map[int]time.Duration
	earliest time.Duration // of the times in since
}

// update sets the maximum error, of 255, of a macroblock coded at a time.
func (g *ghosts) update(mb h264.Macroblock, at time.Duration, maxError int) {
	if maxError < ghostThreshold || mb.Fine { // Fine is already the best quality
		delete(g.since, mb.Index)
		return
	}
	if g.since == nil {
		g.since = map[int]time.Duration{}
	}
	if len(g.since) == 0 {
		g.earliest = at
	}
	g.since[mb.Index] = at
}

// remove removes macroblocks that change.
func (g *ghosts) remove(changed []h264.Macroblock) {
	for _, mb := range changed {
		delete(g.since, mb.Index)
	}
}

// clear removes all: x264 encodes the whole picture.
func (g *ghosts) clear() { clear(g.since) }

// refreshAt returns when the first macroblock is due; 0 = there are none.
func (g *ghosts) refreshAt() time.Duration {
	if len(g.since) == 0 {
		return 0
	}
	return g.earliest + ghostDelay
}

// ready returns the macroblocks that are due at a time, in rising order, so that the
// output is deterministic.
func (g *ghosts) ready(at time.Duration) (fine []h264.Macroblock) {
	if len(g.since) == 0 || at < g.refreshAt() {
		return nil
	}
	g.earliest = at
	for _, mb := range slices.Sorted(maps.Keys(g.since)) {
		switch since := g.since[mb]; {
		case at-since >= ghostDelay/2 && len(fine) < maxGhostMacroblocks: // half the delay, to avoid another picture soon
			fine = append(fine, h264.Macroblock{Index: mb, Fine: true})
		case since < g.earliest:
			g.earliest = since
		}
	}
	return fine
}
