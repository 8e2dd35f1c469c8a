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
	ghostLevel = 10          // of 255: what is less cannot be seen
	ghostRest  = time.Second // after the last change of a macroblock
	ghostMost  = 60          // macroblocks in one picture
)

// ghosts are the macroblocks whose picture in decoders differs visibly from what was
// given, and since when they have not changed.
type ghosts struct {
	since map[int]time.Duration
	first time.Duration // the earliest of them
}

// note sets how much a macroblock that was coded at a time differs, of 255.
func (g *ghosts) note(c h264.Change, at time.Duration, differs int) {
	if differs < ghostLevel || c.Fine { // finer it does not become
		delete(g.since, c.MB)
		return
	}
	if g.since == nil {
		g.since = map[int]time.Duration{}
	}
	if len(g.since) == 0 {
		g.first = at
	}
	g.since[c.MB] = at
}

// forget forgets macroblocks that change.
func (g *ghosts) forget(changed []h264.Change) {
	for _, c := range changed {
		delete(g.since, c.MB)
	}
}

// clear forgets all: x264 has been given a whole picture.
func (g *ghosts) clear() { clear(g.since) }

// due returns when the first of them has rested; 0 = there are none.
func (g *ghosts) due() time.Duration {
	if len(g.since) == 0 {
		return 0
	}
	return g.first + ghostRest
}

// resting returns those that have rested at a time, in rising order: the same
// recording gives the same bytes each time.
func (g *ghosts) resting(at time.Duration) (fine []h264.Change) {
	if len(g.since) == 0 || at < g.due() {
		return nil
	}
	g.first = at
	for _, mb := range slices.Sorted(maps.Keys(g.since)) {
		switch since := g.since[mb]; {
		case at-since >= ghostRest/2 && len(fine) < ghostMost: // others need no picture of their own soon
			fine = append(fine, h264.Change{MB: mb, Fine: true})
		case since < g.first:
			g.first = since
		}
	}
	return fine
}
