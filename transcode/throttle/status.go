package throttle

import "time"

// Status is what the governor measures and does. Use is in percent of the host.
type Status struct {
	Target  int     `json:"target"`  // CPU_TARGET, or what an operator has set in its place
	Paused  bool    `json:"paused"`  // an operator has paused all work
	Cores   float64 `json:"cores"`   // processors of the host
	Quota   float64 `json:"quota"`   // processors that a control group allows us; Cores without a limit
	Budget  float64 `json:"budget"`  // what we may use now
	Ours    float64 `json:"ours"`    // what we use
	Others  float64 `json:"others"`  // what others use
	Load    float64 `json:"load"`    // load average of the last minute
	Speed   float64 `json:"speed"`   // of tasks, 1 = not slowed down
	Hours   string  `json:"hours"`   // working hours; empty = always
	Inside  bool    `json:"inside"`  // whether it is within them
	Outside Mode    `json:"outside"` // what happens outside of them
	History []Point `json:"history"` // of the last hour, oldest first
}

// Point is the mean over a time that ends at At, in percent of the host.
type Point struct {
	At     time.Time `json:"at"`
	Budget float64   `json:"budget"`
	Ours   float64   `json:"ours"`
	Others float64   `json:"others"`
}

// Status returns the present status.
func (g *Governor) Status() Status {
	now := g.cfg.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Status{
		Target: g.target, Paused: g.paused, Cores: g.last.Cores, Quota: g.last.Quota, Load: g.last.Load, Speed: g.law.speed,
		Hours: g.cfg.Hours.String(), Inside: g.cfg.Hours.Contains(now), Outside: g.cfg.Otherwise,
		History: g.history.points(),
	}
	if s.Cores > 0 {
		part := 100 / s.Cores
		s.Budget, s.Ours, s.Others = part*g.law.budget, part*g.law.ours, part*g.law.others
	}
	return s
}

// A history holds an hour of points, one for every pointTime.
const (
	pointTime = 10 * time.Second
	points    = 360
)

type history struct {
	ring  []Point
	next  int // where the oldest is, once the ring is full
	sum   Point
	count float64 // of samples in sum
	since time.Time
}

// add adds a sample that ended at a time.
func (h *history) add(at time.Time, s sample, budget, cores float64) {
	if h.since.IsZero() {
		h.since = at
	}
	part := 100 / cores
	h.sum.Budget += part * budget
	h.sum.Ours += part * s.ours
	h.sum.Others += part * max(0, s.busy-s.ours)
	h.count++
	if at.Sub(h.since) < pointTime {
		return
	}
	p := Point{At: at, Budget: h.sum.Budget / h.count, Ours: h.sum.Ours / h.count, Others: h.sum.Others / h.count}
	h.sum, h.count, h.since = Point{}, 0, at
	if len(h.ring) < points {
		h.ring = append(h.ring, p)
		return
	}
	h.ring[h.next] = p
	h.next = (h.next + 1) % points
}

// points returns a copy, oldest first.
func (h *history) points() []Point {
	return append(append(make([]Point, 0, len(h.ring)), h.ring[h.next:]...), h.ring[:h.next]...)
}
