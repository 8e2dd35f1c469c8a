package transcode_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
)

// crowd is a host whose processors other processes use fully while busy is set.
type crowd struct {
	busy atomic.Bool
	used time.Duration
	last time.Time
}

func (c *crowd) Read(context.Context) (throttle.Reading, error) {
	now := time.Now()
	if c.busy.Load() && !c.last.IsZero() {
		c.used += 2 * now.Sub(c.last)
	}
	c.last = now
	return throttle.Reading{At: now, Busy: c.used, Cores: 2, Quota: 2}, nil
}

// TestATaskPacedToNearZeroKeepsItsLeaseAndEnds: other processes use the whole host for longer
// than the lease time.
func TestATaskPacedToNearZeroKeepsItsLeaseAndEnds(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	s.write(s.path, gz(t, dump(1, 1000, 120)))
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	host := &crowd{}
	host.busy.Store(true)
	// Outside of working hours, the pacer pauses all work.
	var hours throttle.Hours
	now := time.Now()
	if err := hours.Decode("12:00-13:00"); err != nil {
		t.Fatal(err)
	}
	var paused atomic.Bool
	noon := time.Date(now.Year(), now.Month(), now.Day(), 12, 30, 0, 0, time.Local)
	a.pool.Governor = throttle.New(throttle.Config{
		Interval: 100 * time.Millisecond, Hours: hours, Otherwise: throttle.Pause,
		Now: func() time.Time {
			if paused.Load() {
				return noon.Add(2 * time.Hour)
			}
			return noon
		},
	}, host)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{}, 2)
	go func() { _ = a.pool.Governor.Run(ctx); stopped <- struct{}{} }()
	waittest.Until(t, "the host is busy", func() bool { return a.pool.Governor.Status().Others > 70 })
	if err := a.offer(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.pool.Run(ctx); stopped <- struct{}{} }()
	task := func() queue.Task {
		task, err := a.queue.Get(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
	waittest.Until(t, "rendering", func() bool { return task().State == queue.StateRendering })
	if speed := a.pool.Governor.Status().Speed; speed > 0.05 {
		t.Errorf("speed %v on a full host", speed)
	}
	paused.Store(true)
	time.Sleep(500 * time.Millisecond) // until the frame being drawn is done
	before := task()
	time.Sleep(7 * time.Second) // longer than a lease, which is five seconds
	after := task()
	if after.State != queue.StateRendering || after.Lease != before.Lease || !after.Held() || !after.Updated.After(before.Updated) {
		t.Errorf("the lease was not kept: %+v, %+v", before, after)
	}
	if after.Progress != before.Progress {
		t.Errorf("work continued in a pause: %v, %v", before.Progress, after.Progress)
	}
	paused.Store(false)
	host.busy.Store(false)
	waittest.Until(t, "done", func() bool { s := task(); return s.State == queue.StateDone && !s.Held() })
	cancel()
	<-stopped
	<-stopped
	s.checkReplaced()
	if got := task(); got.Attempt != 0 {
		t.Errorf("%d attempts", got.Attempt)
	}
}
