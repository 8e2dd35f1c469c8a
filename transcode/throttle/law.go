package throttle

import "math"

// Constants of the control law. Its clock is the reading interval, half a
// second; the property tests say what it must reach with them.
const (
	// margin is kept below the target, as a part of the host, so that what
	// swings around the aim stays under the target.
	margin = 0.02
	// trickle is what is always ours, in processors.
	trickle = 0.05
	// slowest is the least speed.
	slowest = 0.0003
	// firstTask is what a task is taken to use at full speed, in processors,
	// before one has been seen.
	firstTask = 1.5
)

// sample is what happened between two readings, in processors.
type sample struct {
	busy   float64 // in use, by all
	ours   float64 // of those, by us
	active bool    // some task was working or resting
}

// law is the control law: it moves the speed so that our use meets what the
// others leave of the target.
type law struct {
	target float64 // part of the host, 0 to 1
	cores  float64 // processors of the host
	quota  float64 // processors that we may use at most

	others float64 // smoothed, in processors
	ours   float64 // smoothed, in processors
	budget float64 // what may be ours, in processors
	speed  float64 // of tasks, slowest to 1
}

// step takes one sample.
func (l *law) step(s sample) {
	// Others' coming is believed faster than their leaving.
	others := max(0, s.busy-s.ours)
	if others > l.others {
		l.others += 0.6 * (others - l.others)
	} else {
		l.others += 0.3 * (others - l.others)
	}
	l.ours += 0.5 * (s.ours - l.ours)
	l.budget = max(trickle, min((l.target-margin)*l.cores-l.others, (l.target-margin)*l.quota))
	if !s.active {
		// Nothing to learn from; be careful with the next task.
		l.speed = clamp(l.budget/firstTask, slowest, 1)
		return
	}
	// Use grows with speed, at most in proportion. Stepping by the ratio's
	// root when there is room approaches without overshooting; what is too
	// much is taken back at once, and a bit more, because a host that is full
	// does not show how far we are beyond.
	ratio := l.budget / max(l.ours, 0.001)
	if ratio > 1 {
		ratio = math.Sqrt(ratio)
	} else {
		ratio *= ratio
	}
	l.speed = clamp(l.speed*clamp(ratio, 1./3, 2), slowest, 1)
}

// room tells whether the tasks at work are hindered so little that one more
// is worth its memory: it fills the gaps in which the others upload or wait.
func (l *law) room() bool { return l.speed >= 0.5 }

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
