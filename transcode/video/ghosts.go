package video

import (
	"maps"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// The quantiser leaves faint remains of a pointer or a window that is no longer there:
// ghosts. They are removed once the picture rests at that place.
const (
	ghostThreshold      = 10          // of 255: what is less cannot be seen
	ghostDelay          = time.Second // after the last change of a macroblock
	maxGhostMacroblocks = 60          // macroblocks in one picture
)

// ghosts are the macroblocks whose picture in decoders differs visibly from what was
// given, and since when they have not changed.
type ghosts struct {
	since    map[int]time.Duration
	earliest time.Duration // the earliest of them
}

// note sets how much a macroblock that was coded at a time differs, of 255.
func (g *ghosts) update(c h264.Macroblock, at time.Duration, maxError int) {
	if maxError < ghostThreshold || c.Fine { // finer it does not become
		delete(g.since, c.Index)
		return
	}
	if g.since == nil {
		g.since = map[int]time.Duration{}
	}
	if len(g.since) == 0 {
		g.earliest = at
	}
	g.since[c.Index] = at
}

// forget forgets macroblocks that change.
func (g *ghosts) remove(changed []h264.Macroblock) {
	for _, c := range changed {
		delete(g.since, c.Index)
	}
}

// clear forgets all: x264 has been given a whole picture.
func (g *ghosts) clear() { clear(g.since) }

// due returns when the first of them has rested; 0 = there are none.
func (g *ghosts) refreshAt() time.Duration {
	if len(g.since) == 0 {
		return 0
	}
	return g.earliest + ghostDelay
}

// resting returns those that have rested at a time, in rising order: the same
// recording gives the same bytes each time.
func (g *ghosts) ready(at time.Duration) (fine []h264.Macroblock) {
	if len(g.since) == 0 || at < g.refreshAt() {
		return nil
	}
	g.earliest = at
	for _, mb := range slices.Sorted(maps.Keys(g.since)) {
		switch since := g.since[mb]; {
		case at-since >= ghostDelay/2 && len(fine) < maxGhostMacroblocks: // others need no picture of their own soon
			fine = append(fine, h264.Macroblock{Index: mb, Fine: true})
		case since < g.earliest:
			g.earliest = since
		}
	}
	return fine
}
