package throttle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Config of a governor. Zero values stand for the defaults.
type Config struct {
	Target    int           // percent of the host's processors that all may use together (80); 100 = whatever can be had
	Hours     Hours         // when to work (always)
	Otherwise Mode          // what is done outside of Hours (Trickle)
	Exempt    time.Duration // recordings older than this ignore Hours (0 = none does)
	Interval  time.Duration // between readings (500 ms)
	Log       *slog.Logger
	Now       func() time.Time // the clock; tests set it
}

// settleAfter is how long a task that was admitted is watched before the next
// one may be.
const settleAfter = 3 * time.Second

// outside is the speed of the one task that trickles outside of the hours.
const outside = 0.05

// crowded is the load average, in processes per processor, above which no
// second task is begun, however idle the processors look: others wait for
// something else.
const crowded = 4

// Governor holds the host at the target. It is safe for concurrent use.
type Governor struct {
	cfg    Config
	reader Reader

	mu      sync.Mutex
	law     law           // guarded by mu
	last    Reading       // guarded by mu
	known   bool          // last is a reading; guarded by mu
	worked  time.Duration // told by pacers since the last reading; guarded by mu
	resting int           // pacers at rest; guarded by mu
	running int           // tasks as last told to Admit; guarded by mu
	grown   time.Time     // when running last grew; guarded by mu
	tick    chan struct{} // closed and replaced with every reading; guarded by mu
	turned  time.Time     // when Run last went round; guarded by mu
	history history       // guarded by mu
}

// New makes a governor. Until its Run has read twice, it goes by caution.
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
	return &Governor{cfg: cfg, reader: reader, law: law{target: float64(cfg.Target) / 100, speed: 0.1}, tick: make(chan struct{})}
}

// Run reads and steers until ctx ends.
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
			g.cfg.Log.Warn("processor use cannot be read; work goes on at the present speed", "error", err)
		}
		if failing = err != nil; !failing {
			g.take(r)
		}
		if now := g.cfg.Hours.Contains(g.cfg.Now()); now != inside {
			inside = now
			g.cfg.Log.Info("working hours", "hours", g.cfg.Hours.String(), "inside", inside, "otherwise", g.cfg.Otherwise)
		}
		g.wake()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// take lets the law see what happened since the last reading.
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

// wake lets those who rest look at the speed again.
func (g *Governor) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.tick)
	g.tick = make(chan struct{})
	g.turned = time.Now()
}

// Turned tells when Run last looked at the host, whether it could read it or
// not; zero before the first time.
func (g *Governor) Turned() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turned
}

// Admit tells whether a task may begin beside the running ones. recorded is
// when its recording was last written.
func (g *Governor) Admit(running int, recorded time.Time) bool {
	now := g.cfg.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if running > g.running {
		g.grown = now
	}
	g.running = running
	switch {
	case !g.open(now, recorded):
		return running == 0 && g.cfg.Otherwise == Trickle
	case running == 0 || g.cfg.Target >= unhindered:
		return true
	default:
		return now.Sub(g.grown) >= settleAfter && g.law.room() && g.last.Load <= crowded*g.last.Cores
	}
}

// unhindered is the target at which others' load is nobody's concern.
const unhindered = 100

// open tells whether a recording may be worked on at full speed at a time.
func (g *Governor) open(now, recorded time.Time) bool {
	return g.cfg.Hours.Contains(now) || g.cfg.Exempt > 0 && now.Sub(recorded) > g.cfg.Exempt
}

// A Pacer is told how long was worked, and returns after the rest that is
// due. It returns early, with the cause, when ctx ends.
type Pacer = func(ctx context.Context, worked time.Duration) error

// Pacer makes the pacer of one task. recorded is as in Admit. It may be
// called by several goroutines.
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

// maxRest bounds a rest without a look at the speed.
const maxRest = time.Minute

// rest lets worked/speed - worked pass, at the speed of each moment.
func (g *Governor) rest(ctx context.Context, recorded time.Time, worked time.Duration) error {
	for owed := worked.Seconds(); ; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		speed, tick := g.speed(recorded)
		if speed >= 1 {
			return nil
		}
		rate := speed / (1 - speed) // of owed that a second of rest pays
		due := maxRest
		if rate > 0 {
			due = min(due, time.Duration(owed/rate*float64(time.Second)))
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
		owed -= time.Since(began).Seconds() * rate
	}
}

// speed is that of a task at this moment, and what tells that it may change.
func (g *Governor) speed(recorded time.Time) (float64, <-chan struct{}) {
	now := g.cfg.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open(now, recorded) && g.cfg.Target >= unhindered:
		return 1, g.tick
	case g.open(now, recorded):
		return g.law.speed, g.tick
	case g.cfg.Otherwise == Pause:
		return 0, g.tick
	default:
		return min(g.law.speed, outside), g.tick
	}
}
