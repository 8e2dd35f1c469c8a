package throttle

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// fake returns readings that a test sets.
type fake struct {
	Reading
	err error
}

func (f *fake) Read(context.Context) (Reading, error) { return f.Reading, f.err }

// pass lets half a second pass in which all processes, and the agent, used that
// many processors.
func (f *fake) pass(g *Governor, busy, ours float64) {
	f.At = f.At.Add(500 * time.Millisecond)
	f.Busy += seconds(busy / 2)
	f.Ours += seconds(ours / 2)
	g.mu.Lock()
	g.worked++ // some task is working
	g.mu.Unlock()
	g.take(f.Reading)
	g.wake()
}

// rig returns a governor of a fake host with two processors, and its clock.
func rig(t *testing.T, cfg Config) (*Governor, *fake, *time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 23, 23, 0, 0, 0, time.Local)
	cfg.Now = func() time.Time { return now }
	f := &fake{Reading: Reading{At: now, Cores: 2, Quota: 2}}
	g := New(cfg, f)
	g.take(f.Reading)
	return g, f, &now
}

func TestAdmission(t *testing.T) {
	g, f, now := rig(t, Config{Target: 80})
	if !g.Admit(0, *now) {
		t.Error("the first task was refused")
	}
	for range 20 {
		f.pass(g, 0.9, 0.9)
	}
	if g.Admit(1, *now) {
		t.Error("a second task was admitted before the first had been watched")
	}
	*now = now.Add(settleAfter)
	if !g.Admit(1, *now) {
		t.Error("a second task was refused on a host with room")
	}
	if g.Admit(2, *now) {
		t.Error("a third task was admitted at once")
	}
	*now = now.Add(settleAfter)
	f.Load = 9
	f.pass(g, 0.9, 0.9)
	if g.Admit(2, *now) {
		t.Error("a third task was admitted to a crowd that waits")
	}
	f.Load = 2
	f.pass(g, 0.9, 0.9)
	if !g.Admit(2, *now) {
		t.Error("a third task was refused on a host with room")
	}
	for range 20 {
		f.pass(g, 1.9, 1.2)
	}
	if g.Admit(2, *now) {
		t.Error("a third task was admitted without room")
	}
	for range 20 {
		f.pass(g, 2, 0.05)
	}
	if g.Admit(1, *now) || !g.Admit(0, *now) {
		t.Error("on a full host one task may run, and only one")
	}
}

func TestQuietHours(t *testing.T) {
	var hours Hours
	if err := hours.Decode("22:00-06:00"); err != nil {
		t.Fatal(err)
	}
	noon := 13 * time.Hour // after 23:00
	for _, tc := range []struct {
		mode    Mode
		age     time.Duration // of the recording
		running int
		admit   bool
		speed   float64
	}{
		{mode: Trickle, admit: true, speed: outside},
		{mode: Trickle, running: 1, admit: false, speed: outside},
		{mode: Pause, admit: false, speed: 0},
		{mode: Pause, age: 4 * 24 * time.Hour, admit: true, speed: 1}, // exempt
		{mode: Trickle, age: 4 * 24 * time.Hour, admit: true, speed: 1},
	} {
		g, f, now := rig(t, Config{Hours: hours, Otherwise: tc.mode, Exempt: 3 * 24 * time.Hour})
		for range 20 {
			f.pass(g, 0.5, 0.5)
		}
		recorded := now.Add(-tc.age)
		if speed, _ := g.speed(recorded); speed != 1 || !g.Admit(0, recorded) {
			t.Errorf("%+v: at night: speed %v", tc, speed)
		}
		*now = now.Add(noon)
		recorded = now.Add(-tc.age)
		if speed, _ := g.speed(recorded); speed != tc.speed {
			t.Errorf("%+v: at noon: speed %v", tc, speed)
		}
		if got := g.Admit(tc.running, recorded); got != tc.admit {
			t.Errorf("%+v: at noon: admitted: %v", tc, got)
		}
		if s := g.Status(); s.Inside || s.Hours != "22:00-06:00" {
			t.Errorf("%+v", s)
		}
	}
}

// TestATaskPausesInProportion to its work, and continues at once when the host is idle
// again, even if it was slowed down to almost zero. It ends at once when its context ends.
func TestATaskPausesInProportion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f, now := rig(t, Config{Target: 80})
		set := func(speed float64) {
			g.mu.Lock()
			g.law.speed = speed
			g.mu.Unlock()
		}
		pace := g.Pacer(*now)

		set(0.25)
		began := time.Now()
		if err := pace(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if pause := time.Since(began); pause < 145*time.Millisecond || pause > 155*time.Millisecond {
			t.Errorf("a pause of %s after 50 ms of work at a quarter's speed", pause)
		}

		set(slowest)
		done := make(chan error, 1)
		go func() { done <- pace(t.Context(), 50*time.Millisecond) }()
		select {
		case <-done:
			t.Fatal("no pause at the slowest speed")
		case <-time.After(300 * time.Millisecond):
		}
		for range 40 {
			f.pass(g, 0.1, 0.1)
		}
		began = time.Now()
		if err := <-done; err != nil || time.Since(began) > time.Second {
			t.Errorf("the task continues %s after the host is idle: %v", time.Since(began), err)
		}

		set(slowest)
		stopped := errors.New("the agent stops")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { done <- pace(ctx, time.Second) }()
		synctest.Wait()
		began = time.Now()
		cancel(stopped)
		if err := <-done; !errors.Is(err, stopped) || time.Since(began) > 0 {
			t.Errorf("the task ends %s after its context: %v", time.Since(began), err)
		}
	})
}

// TestReadingsThatFailChangeNothing: /proc may be hidden.
func TestReadingsThatFailChangeNothing(t *testing.T) {
	g := New(Config{Interval: 5 * time.Millisecond}, &fake{err: errors.New("hidden")})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	if !g.Admit(0, time.Now()) || g.Admit(1, time.Now()) || g.law.speed != 0.1 {
		t.Errorf("speed %v", g.law.speed)
	}
	if err := g.Pacer(time.Now())(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestStatusTellsOfAnHour(t *testing.T) {
	g, f, _ := rig(t, Config{Target: 80})
	for range 2 * 3700 {
		f.pass(g, 1.5, 0.5)
	}
	s := g.Status()
	if n := len(s.History); n != 360 {
		t.Fatalf("%d points", n)
	}
	for i, p := range s.History {
		if p.Others < 49 || p.Others > 51 || p.Ours < 24 || p.Ours > 26 || p.Budget < 27 || p.Budget > 29 {
			t.Fatalf("point %d: %+v", i, p)
		}
		if i > 0 && p.At.Sub(s.History[i-1].At) != pointTime {
			t.Fatalf("point %d is %s after the one before", i, p.At.Sub(s.History[i-1].At))
		}
	}
	if s.Target != 80 || s.Cores != 2 || s.Others < 49 || s.Ours < 24 || s.Speed != 1 || !s.Inside {
		t.Errorf("%+v", s)
	}
}

// TestATargetOfAllIsUnhindered: the load of others has no effect.
func TestATargetOfAllIsUnhindered(t *testing.T) {
	g := New(Config{Target: 100}, nil)
	g.mu.Lock()
	g.law.speed = 0.01
	g.mu.Unlock()
	if !g.Admit(3, time.Time{}) {
		t.Error("a task may not begin")
	}
	start := time.Now()
	if err := g.Pacer(time.Time{})(t.Context(), 10*time.Second); err != nil || time.Since(start) > time.Second {
		t.Errorf("paced: %v, %s", err, time.Since(start))
	}
}

// TestAnOperatorSteers: a pause stops what runs and admits nothing more, at any
// target; a new target holds at once.
func TestAnOperatorSteers(t *testing.T) {
	for _, target := range []int{80, 100} {
		g, f, now := rig(t, Config{Target: target})
		f.pass(g, 0.1, 0.1)
		g.Pause(true)
		if g.Admit(0, *now) {
			t.Errorf("target %d: a task was admitted during a pause", target)
		}
		if !g.Status().Paused {
			t.Error("the status does not say so")
		}
		rested := make(chan error, 1)
		go func() { rested <- g.Pacer(*now)(t.Context(), 10*time.Millisecond) }()
		select {
		case err := <-rested:
			t.Errorf("target %d: a task goes on during a pause: %v", target, err)
		case <-time.After(300 * time.Millisecond):
		}
		g.Pause(false)
		g.SetTarget(100)
		select {
		case err := <-rested:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("target %d: a task does not go on after a pause", target)
		}
		if !g.Admit(0, *now) || g.Status().Paused {
			t.Errorf("target %d: no task is admitted after a pause", target)
		}
		g.SetTarget(35)
		if got := g.Status().Target; got != 35 {
			t.Errorf("target %d", got)
		}
		for range 40 {
			f.pass(g, 0.1, 0.1)
		}
		if got := g.Status().Budget; got > 35 {
			t.Errorf("a budget of %v %% at a target of 35 %%", got)
		}
		g.SetTarget(0)
		if got := g.Status().Target; got != target {
			t.Errorf("the configured target is %d, not %d", got, target)
		}
	}
}
