package guac

import "time"

// clock turns sync timestamps, in ms on guacd's clock, into time since the
// first. guacd's clock starts again when its host does: time then goes on
// from where it was.
type clock struct {
	started bool
	last    int64
	now     time.Duration
}

// jitter is how far the clock may step back without having started again.
const jitter = 5 * time.Second

func (c *clock) advance(timestamp int64, lim Limits) time.Duration {
	if !c.started {
		c.started, c.last = true, timestamp
		return 0
	}
	if ms := timestamp - c.last; ms > 0 {
		if step := time.Duration(ms) * time.Millisecond; ms <= lim.MaxGap.Milliseconds() && c.now+step <= lim.MaxDuration {
			c.now += step
		}
		c.last = timestamp
	} else if -ms > jitter.Milliseconds() {
		c.last = timestamp
	}
	return c.now
}

// Timeline places the parts of a recording on one time axis, which begins at
// the first sync of the first part.
//
// Parts share guacd's clock, so part i begins First(i) − First(0) after the
// first. Where parts overlap, because the new one joins while the old one
// drains, the old one is shown to its end. Gaps between parts are kept. A
// part whose clock has started again follows the one before it.
type Timeline struct {
	offset []time.Duration // of each part's first sync
	shown  []time.Duration // up to when the parts before are shown; negative if they show nothing
	total  time.Duration
}

// NewTimeline places parts in the order given.
func NewTimeline(parts []Summary) Timeline {
	var t Timeline
	var end, previous time.Duration // end of all so far, offset of the part before
	var first int64                 // First of that part
	begun := false
	for _, p := range parts {
		offset, shown := end, end
		if !begun {
			shown = -1
		}
		if p.Syncs > 0 {
			if begun {
				step := time.Duration(p.First-first) * time.Millisecond
				if p.First >= first && p.First-first < DefaultLimits.MaxDuration.Milliseconds() && previous+step <= end+DefaultLimits.MaxGap {
					offset = previous + step
				}
			}
			begun, first, previous = true, p.First, offset
			end = max(end, offset+p.Duration)
		}
		t.offset = append(t.offset, offset)
		t.shown = append(t.shown, shown)
	}
	t.total = end
	return t
}

// Duration is the length of the whole recording.
func (t Timeline) Duration() time.Duration { return t.total }
