// Package monitor measures at intervals what costs too much, or may hang too
// long, to be measured each time somebody asks: the host's CPU and the space
// on file systems.
package monitor

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/process"
)

// Usage is what the host's CPU is used for, in percent of the whole host.
type Usage struct {
	Target  int          `json:"target"` // CPU_TARGET
	Budget  float64      `json:"budget"` // what may be ours now
	Ours    float64      `json:"ours"`   // the agent's and its children's
	Others  float64      `json:"others"`
	History []UsagePoint `json:"history"` // of the last hour, the oldest first
}

// UsagePoint is a mean over some seconds that end at At.
type UsagePoint struct {
	At     time.Time `json:"at"`
	Budget float64   `json:"budget"`
	Ours   float64   `json:"ours"`
	Others float64   `json:"others"`
}

// usageEvery is the time between two measurements, and usageKept how many
// are kept: an hour of them.
const (
	usageEvery = 10 * time.Second
	usageKept  = 360
)

// CPU measures the host's CPU and this process's part in it.
type CPU struct {
	Target int // percent

	mu      sync.Mutex
	history []UsagePoint // guarded by mu
}

// Run measures until ctx ends.
func (c *CPU) Run(ctx context.Context) error {
	return c.run(ctx, usageEvery)
}

func (c *CPU) run(ctx context.Context, every time.Duration) error {
	self, err := process.NewProcessWithContext(ctx, int32(syscall.Getpid()))
	if err != nil {
		return nil //nolint:nilerr // no /proc: the page goes without
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	before := measure(ctx, self)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := measure(ctx, self)
		if all := now.all - before.all; all > 0 {
			ours := min(100, max(0, 100*(now.ours-before.ours)/all))
			busy := min(100, max(0, 100*(now.busy-before.busy)/all))
			c.add(ours, max(0, busy-ours))
		}
		before = now
	}
}

func (c *CPU) add(ours, others float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, UsagePoint{
		At: time.Now().UTC(), Budget: max(0, float64(c.Target)-others), Ours: ours, Others: others,
	})
	if len(c.history) > usageKept {
		c.history = slices.Delete(c.history, 0, len(c.history)-usageKept)
	}
}

// Status is the use as last measured.
func (c *CPU) Status() Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := Usage{Target: c.Target, Budget: float64(c.Target), History: slices.Clone(c.history)}
	if n := len(u.History); n > 0 {
		last := u.History[n-1]
		u.Budget, u.Ours, u.Others = last.Budget, last.Ours, last.Others
	}
	return u
}

// seconds are CPU seconds since some fixed moment.
type seconds struct{ all, busy, ours float64 }

// measure reads the counters. What cannot be read stays 0.
func measure(ctx context.Context, self *process.Process) seconds {
	var s seconds
	if times, err := cpu.TimesWithContext(ctx, false); err == nil && len(times) == 1 {
		t := times[0]
		s.busy = t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal
		s.all = s.busy + t.Idle + t.Iowait
	}
	// A child's time moves to RUSAGE_CHILDREN when it has ended.
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			s.ours += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
		}
	}
	children, err := self.ChildrenWithContext(ctx)
	if err != nil { // there are none
		return s
	}
	for _, child := range children {
		if t, err := child.TimesWithContext(ctx); err == nil {
			s.ours += t.User + t.System
		}
	}
	return s
}
