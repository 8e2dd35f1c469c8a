package throttle

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// plant is a simulated host with tasks of the agent: how many processors they use
// at a speed.
type plant struct {
	cores   float64
	tasks   int
	each    float64 // processors that one task uses at full speed
	overlap float64 // speed above which a task is as fast as at full speed, because its parts run in parallel
	idle    float64 // use of our process without tasks
	lag     float64 // fraction of the use that appears in the next reading
	noise   float64 // of readings, in processors
	others  float64 // demand of other processes
	pending float64
	rand    *rand.Rand
}

// run lets one interval pass at a speed.
func (p *plant) run(speed float64) sample {
	want := p.idle
	if p.tasks > 0 {
		want += float64(p.tasks) * p.each * min(1, speed/p.overlap)
	}
	// Others take precedence: our process is niced.
	others := min(p.others, p.cores)
	use := min(want, p.cores-others)
	shown := use*(1-p.lag) + p.pending
	p.pending = use * p.lag
	wobble := func() float64 { return p.noise * (2*p.rand.Float64() - 1) }
	ours := max(0, shown+wobble())
	return sample{busy: clamp(others+use+wobble(), 0, p.cores), ours: ours, active: p.tasks > 0}
}

// TestTheLawHoldsTheTarget generates hosts, targets, tasks and changing loads of
// others. Five seconds after the others' load changed, the mean use of all must not
// be above the target, unless others alone or the trickle exceed it. Ten seconds
// after, at least 85 percent of the remainder must be used if there is enough to
// do.
func TestTheLawHoldsTheTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &plant{
			cores:   rapid.SampledFrom([]float64{1, 2, 4, 8, 32}).Draw(t, "cores"),
			tasks:   rapid.IntRange(1, 9).Draw(t, "tasks"),
			each:    rapid.Float64Range(0.3, 2.5).Draw(t, "each"),
			overlap: rapid.Float64Range(0.15, 1).Draw(t, "overlap"),
			idle:    rapid.Float64Range(0, 0.02).Draw(t, "idle"),
			lag:     rapid.Float64Range(0, 0.5).Draw(t, "lag"),
			noise:   rapid.Float64Range(0, 0.02).Draw(t, "noise"),
			rand:    rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
		}
		l := law{target: rapid.Float64Range(0.1, 1).Draw(t, "target"), cores: p.cores, speed: 0.1}
		l.quota = rapid.SampledFrom([]float64{p.cores, p.cores / 2, 0.5}).Draw(t, "quota")
		for phase, wanted := range rapid.SliceOfN(rapid.Float64Range(0, 1.2), 2, 5).Draw(t, "others") {
			p.others = wanted * p.cores
			var busy, ours mean
			for tick := range 60 { // 30 s
				s := p.run(l.speed)
				l.step(s)
				if l.speed < slowest || l.speed > 1 || !(l.budget >= trickle) {
					t.Fatalf("speed %v, budget %v", l.speed, l.budget)
				}
				if tick >= 10 { // after 5 s
					busy.add(s.busy)
				}
				if tick >= 20 { // after 10 s
					ours.add(s.ours)
				}
			}
			others := min(p.others, p.cores)
			slack := p.noise + 0.01*p.cores
			if limit := max(l.target*p.cores, others+trickle+p.idle); busy.value() > limit+slack {
				t.Errorf("phase %d: %.3f processors in use, target %.3f, others %.3f", phase, busy.value(), l.target*p.cores, others)
			}
			if limit := max(l.target*l.quota, trickle+p.idle); ours.value() > limit+slack {
				t.Errorf("phase %d: %.3f processors are ours, the quota's share is %.3f", phase, ours.value(), limit)
			}
			left := min((l.target-margin)*p.cores-others, (l.target-margin)*l.quota, float64(p.tasks)*p.each+p.idle, p.cores-others)
			if left > 0.2 && ours.value() < 0.85*left-slack {
				t.Errorf("phase %d: %.3f processors are ours where %.3f are free for us", phase, ours.value(), left)
			}
		}
	})
}

type mean struct{ sum, n float64 }

func (m *mean) add(v float64)  { m.sum += v; m.n++ }
func (m *mean) value() float64 { return m.sum / max(m.n, 1) }

// TestOthersComingAndGoing checks the documented times. Within 5 s of the start of
// another process, our use falls to what is left. Within 10 s of its end, we use 90
// percent of what it used.
func TestOthersComingAndGoing(t *testing.T) {
	p := &plant{cores: 2, tasks: 2, each: 1.4, overlap: 0.5, rand: rand.New(rand.NewPCG(1, 1))}
	l := law{target: 0.8, cores: 2, quota: 2, speed: 0.1}
	settle := func(low, high float64) (ticks int) {
		for ticks = 1; ; ticks++ {
			s := p.run(l.speed)
			l.step(s)
			if s.ours >= low && s.ours <= high {
				return ticks
			}
			if ticks > 100 {
				t.Fatalf("%.2f processors are ours, want %.2f to %.2f", s.ours, low, high)
			}
		}
	}
	settle(1.5, 1.6)
	p.others = 1
	if n := settle(0.5, 0.6); n > 10 {
		t.Errorf("%d readings until one processor was left to a competitor", n)
	}
	p.others = 2
	if n := settle(0, 0.06); n > 10 {
		t.Errorf("%d readings until two were", n)
	}
	p.others = 0
	if n := settle(1.4, 1.6); n > 20 {
		t.Errorf("%d readings until we were back", n)
	}
}

func TestWithoutTasksTheSpeedAwaitsTheNextWithCare(t *testing.T) {
	l := law{target: 0.8, cores: 2, quota: 2, speed: 1}
	for range 20 {
		l.step(sample{busy: 2})
	}
	if l.speed > 0.05 {
		t.Errorf("speed %v on a busy host", l.speed)
	}
	for range 40 {
		l.step(sample{})
	}
	if l.speed < 0.9 {
		t.Errorf("speed %v on an idle host", l.speed)
	}
}
