package throttle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Config of a governor. Zero values mean the defaults.
type Config struct {
	Target    int           // percent of the host's processors that all processes may use together (80); 100 = no limit
	Hours     Hours         // when to work (always)
	Otherwise Mode          // what to do outside of Hours (Trickle)
	Exempt    time.Duration // recordings older than this ignore Hours (0 = none does)
	Interval  time.Duration // between readings (500 ms)
	Log       *slog.Logger
	Now       func() time.Time // nil = time.Now
}

// settleAfter is how long a new task is observed before the next one may begin.
const settleAfter = 3 * time.Second

// outside is the speed of the single task that runs outside of the hours.
const outside = 0.05

// crowded is the load average per processor above which no second task is started,
// however idle the processors seem: other processes are waiting for something else,
// such as a disk.
const crowded = 4

// Governor keeps the host at the target. It is safe for concurrent use.
type Governor struct {
	cfg    Config
	reader Reader

	mu      sync.Mutex
	target  int           // percent, as in Config; guarded by mu
	paused  bool          // an operator has paused all work; guarded by mu
	law     law           // guarded by mu
	last    Reading       // guarded by mu
	known   bool          // last is valid; guarded by mu
	worked  time.Duration // work reported to pacers since the last reading; guarded by mu
	resting int           // pacers that pause; guarded by mu
	running int           // number of tasks in the last call of Admit; guarded by mu
	grown   time.Time     // when running last increased; guarded by mu
	tick    chan struct{} // closed and replaced with every reading; guarded by mu
	turned  time.Time     // when Run last made a round; guarded by mu
	history history       // guarded by mu
}

// New returns a governor. Until its Run has read twice, it is cautious.
func New(cfg Config, reader Reader) *Governor {
	if cfg.Target <= 0 || cfg.Target > 100 {
		cfg.Target = 80
	}
	if cfg.Otherwise == "" {
		cfg.Otherwise = Trickle
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 500 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := &Governor{cfg: cfg, reader: reader, law: law{speed: 0.1}, tick: make(chan struct{})}
	g.aim(cfg.Target)
	return g
}

// SetTarget changes the target while the governor runs, in percent of the host's
// processors: 1 to 100, where 100 means no limit. 0 restores that of the
// configuration.
func (g *Governor) SetTarget(percent int) {
	if percent <= 0 || percent > unhindered {
		percent = g.cfg.Target
	}
	g.mu.Lock()
	g.aim(percent)
	g.mu.Unlock()
	g.wake()
}

// aim sets the target. The caller must hold mu.
func (g *Governor) aim(percent int) { g.target, g.law.target = percent, float64(percent)/100 }

// Pause makes all tasks stop where they are and admits no more, or lets them go on.
func (g *Governor) Pause(pause bool) {
	g.mu.Lock()
	g.paused = pause
	g.mu.Unlock()
	g.wake()
}

// Run reads and controls until ctx ends.
func (g *Governor) Run(ctx context.Context) error {
	ticker := time.NewTicker(g.cfg.Interval)
	defer ticker.Stop()
	failing, inside := false, true
	for {
		r, err := g.reader.Read(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if err != nil && !failing {
			g.cfg.Log.Warn("CPU use cannot be read; work continues at the present speed", "error", err)
		}
		if failing = err != nil; !failing {
			g.take(r)
		}
		if now := g.cfg.Hours.Contains(g.cfg.Now()); now != inside {
			inside = now
			g.cfg.Log.Info("working hours", "hours", g.cfg.Hours.String(), "inside", inside, "otherwise", g.cfg.Otherwise)
		}
		g.turn()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// take passes what happened since the last reading to the control law.
func (g *Governor) take(r Reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known := g.last, g.known
	elapsed := r.At.Sub(before.At).Seconds()
	if known && elapsed <= 0 {
		return
	}
	g.last, g.known = r, true
	g.law.cores, g.law.quota = r.Cores, r.Quota
	if !known {
		return
	}
	s := sample{
		busy:   clamp((r.Busy-before.Busy).Seconds()/elapsed, 0, r.Cores),
		ours:   clamp((r.Ours-before.Ours).Seconds()/elapsed, 0, r.Cores),
		active: g.worked > 0 || g.resting > 0,
	}
	g.worked = 0
	g.law.step(s)
	g.history.add(r.At, s, g.law.budget, r.Cores)
}

// wake makes pausing tasks check the speed again.
func (g *Governor) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.tick)
	g.tick = make(chan struct{})
}

// turn ends a round of Run.
func (g *Governor) turn() {
	g.wake()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turned = time.Now()
}

// Turned returns when Run last tried to read the host's use, whether it succeeded
// or not; zero before the first time.
func (g *Governor) Turned() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turned
}

// Admit reports whether a task may begin in addition to the running ones. recorded
// is when its recording was last written.
func (g *Governor) Admit(running int, recorded time.Time) bool {
	now := g.cfg.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if running > g.running {
		g.grown = now
	}
	g.running = running
	switch {
	case g.paused:
		return false
	case !g.open(now, recorded):
		return running == 0 && g.cfg.Otherwise == Trickle
	case running == 0 || g.target >= unhindered:
		return true
	default:
		return now.Sub(g.grown) >= settleAfter && g.law.room() && g.last.Load <= crowded*g.last.Cores
	}
}

// unhindered is the target at which the load of others is ignored.
const unhindered = 100

// open reports whether work on a recording may run at full speed at a time.
func (g *Governor) open(now, recorded time.Time) bool {
	return g.cfg.Hours.Contains(now) || g.cfg.Exempt > 0 && now.Sub(recorded) > g.cfg.Exempt
}

// A Pacer is called with how long the caller has worked, and returns after the
// resulting pause. It returns early, with the cause, when ctx ends.
type Pacer = func(ctx context.Context, worked time.Duration) error

// Pacer returns the pacer of one task. recorded is as in Admit. Several goroutines
// may call the pacer.
func (g *Governor) Pacer(recorded time.Time) Pacer {
	return func(ctx context.Context, worked time.Duration) error {
		g.mu.Lock()
		g.worked += worked
		g.resting++
		g.mu.Unlock()
		defer func() {
			g.mu.Lock()
			g.resting--
			g.mu.Unlock()
		}()
		return g.rest(ctx, recorded, worked)
	}
}

// maxRest limits how long a pause continues without checking the speed.
const maxRest = time.Minute

// rest pauses for worked/speed - worked, at the speed of each moment.
func (g *Governor) rest(ctx context.Context, recorded time.Time, worked time.Duration) error {
	for debt := worked.Seconds(); ; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		speed, tick := g.speed(recorded)
		if speed >= 1 {
			return nil
		}
		rate := speed / (1 - speed) // seconds of debt that a second of pause pays
		due := maxRest
		if rate > 0 {
			due = min(due, time.Duration(debt/rate*float64(time.Second)))
		}
		if due < time.Millisecond {
			return nil
		}
		began := time.Now()
		timer := time.NewTimer(due)
		select {
		case <-ctx.Done():
		case <-tick:
		case <-timer.C:
		}
		timer.Stop()
		debt -= time.Since(began).Seconds() * rate
	}
}

// speed returns the present speed of a task, and a channel that is closed when it
// may have changed.
func (g *Governor) speed(recorded time.Time) (float64, <-chan struct{}) {
	now := g.cfg.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.paused:
		return 0, g.tick
	case g.open(now, recorded) && g.target >= unhindered:
		return 1, g.tick
	case g.open(now, recorded):
		return g.law.speed, g.tick
	case g.cfg.Otherwise == Pause:
		return 0, g.tick
	default:
		return min(g.law.speed, outside), g.tick
	}
}
