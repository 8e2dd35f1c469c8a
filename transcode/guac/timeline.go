package guac

import (
	"fmt"
	"time"
)

// clock converts sync timestamps, in ms on guacd's clock, to time since the first
// one. guacd's clock starts again when its host does; time then continues where it
// was.
type clock struct {
	started bool
	last    int64
	now     time.Duration
	odd     ClockTrouble
}

// ClockTrouble describes the jumps of a recording's clock.
type ClockTrouble struct {
	Leaps   int           // forward steps that are too long, and were skipped
	Left    time.Duration // how much time was skipped in total
	Restart int           // how often it went back: the clock was started again
}

func (c *ClockTrouble) add(other ClockTrouble) {
	c.Leaps += other.Leaps
	c.Left = min(c.Left+other.Left, longest)
	c.Restart += other.Restart
}

// jitter is how far the clock may go back without having been started again.
const jitter = 5 * time.Second

func (c *clock) advance(timestamp int64, lim Limits) time.Duration {
	if !c.started {
		c.started, c.last = true, timestamp
		return 0
	}
	if ms := timestamp - c.last; ms > 0 {
		step := milliseconds(ms)
		if ms <= lim.MaxGap.Milliseconds() && c.now+step <= lim.MaxDuration {
			c.now += step
		} else {
			c.odd.add(ClockTrouble{Leaps: 1, Left: step})
		}
		c.last = timestamp
	} else if -ms > jitter.Milliseconds() {
		c.last = timestamp
		c.odd.Restart++
	}
	return c.now
}

// longest limits a step, so that sums of steps fit.
const longest = 100 * 365 * 24 * time.Hour

// milliseconds returns a difference of timestamps, at most longest.
func milliseconds(ms int64) time.Duration {
	return time.Duration(min(ms, longest.Milliseconds())) * time.Millisecond
}

// Timeline places the parts of a recording on one time axis, which begins at the
// first sync of the first part.
//
// Parts share guacd's clock, so part i begins First(i) − First(0) after the first.
// Parts overlap if the new one joins while the old one drains; the old one is then
// shown to its end. Gaps between parts are kept. If a part's clock was started
// again, the part follows the previous one directly.
type Timeline struct {
	offset []time.Duration // of each part's first sync
	shown  []time.Duration // how long the earlier parts are shown; negative if they show nothing
	total  time.Duration
	odd    ClockTrouble
}

// NewTimeline places parts in the given order.
func NewTimeline(parts []Summary) Timeline {
	var t Timeline
	var end, previous time.Duration // end of all parts so far, offset of the previous part
	var first int64                 // First of the previous part
	begun := false
	for _, p := range parts {
		offset, shown := end, end
		if !begun {
			shown = -1
		}
		if p.Syncs > 0 {
			t.odd.add(p.Clock)
			if begun {
				step := milliseconds(p.First - first)
				switch {
				case p.First < first:
					t.odd.Restart++
				case step < DefaultLimits.MaxDuration && previous+step <= end+DefaultLimits.MaxGap:
					offset = previous + step
				default:
					t.odd.add(ClockTrouble{Leaps: 1, Left: max(previous+step-end, 0)})
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

// Duration returns the length of the whole recording.
func (t Timeline) Duration() time.Duration { return t.total }

// Remarks describes what is unusual about the recording's clock: how much time the
// video skips, and whether there is more than one clock.
func (t Timeline) Remarks() (remarks []string) {
	if t.odd.Leaps > 0 {
		remarks = append(remarks, fmt.Sprintf("the clock jumps ahead by %s (%d times): the video skips that time", t.odd.Left, t.odd.Leaps))
	}
	if t.odd.Restart > 0 {
		remarks = append(remarks, fmt.Sprintf("the clock starts again (%d times), as with several sessions in one recording or after a restart of guacd's host: "+
			"the video goes on without a gap", t.odd.Restart))
	}
	return remarks
}
