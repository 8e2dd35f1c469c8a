package throttle

import "math"

// Constants of the control law. One step takes a reading interval, half a second.
// The property tests define what must be reached with them.
const (
	// margin is the distance kept below the target, as a fraction of the host, so
	// that oscillations stay below the target.
	margin = 0.02
	// trickle is the minimum budget, in processors.
	trickle = 0.05
	// slowest is the minimum speed.
	slowest = 0.0003
	// firstTask is the assumed use of a task at full speed, in processors, before
	// one has been measured.
	firstTask = 1.5
)

// sample is what happened between two readings, in processors.
type sample struct {
	busy   float64 // in use by all processes
	ours   float64 // in use by the agent
	active bool    // some task was working or pausing
}

// law is the control law: it adjusts the speed so that our use is what the others
// leave of the target.
type law struct {
	target float64 // fraction of the host, 0 to 1
	cores  float64 // processors of the host
	quota  float64 // maximum number of processors that we may use

	others float64 // smoothed, in processors
	ours   float64 // smoothed, in processors
	budget float64 // allowed use, in processors
	speed  float64 // of tasks, slowest to 1
}

// step processes one sample.
func (l *law) step(s sample) {
	// An increase of the others' use is followed faster than a decrease.
	others := max(0, s.busy-s.ours)
	if others > l.others {
		l.others += 0.6 * (others - l.others)
	} else {
		l.others += 0.3 * (others - l.others)
	}
	l.ours += 0.5 * (s.ours - l.ours)
	l.budget = max(trickle, min((l.target-margin)*l.cores-l.others, (l.target-margin)*l.quota))
	if !s.active {
		// There is nothing to measure; be careful with the next task.
		l.speed = clamp(l.budget/firstTask, slowest, 1)
		return
	}
	// Use grows with speed, at most in proportion. If there is room, changing the
	// speed by the square root of the ratio approaches the budget without
	// overshooting. Excess use is taken back at once, and a little more, because on
	// a fully used host it is unknown how large the excess is.
	ratio := l.budget / max(l.ours, 0.001)
	if ratio > 1 {
		ratio = math.Sqrt(ratio)
	} else {
		ratio *= ratio
	}
	l.speed = clamp(l.speed*clamp(ratio, 1./3, 2), slowest, 1)
}

// room reports whether running tasks are slowed down so little that one more is
// worth its memory: it uses the time in which the others upload or wait.
func (l *law) room() bool { return l.speed >= 0.5 }

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
