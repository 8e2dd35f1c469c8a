package monitor

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestCPUCountsChildren: a child that burns is ours while it lives and after.
func TestCPUCountsChildren(t *testing.T) {
	c := &CPU{Target: 80}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx, 200*time.Millisecond) }()

	brief, stop := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer stop()
	burn := exec.CommandContext(brief, "sh", "-c", "while :; do :; done")
	if err := burn.Start(); err != nil {
		t.Fatal(err)
	}
	_ = burn.Wait()
	time.Sleep(500 * time.Millisecond)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var most, sum float64
	u := c.Status()
	for _, p := range u.History {
		most, sum = max(most, p.Ours), sum+p.Ours
		if p.Ours+p.Others > 100.001 || p.Budget < 0 || p.Budget > 80 {
			t.Errorf("impossible: %+v", p)
		}
	}
	// One processor of the host for 1.5 s, if the host lets it have one.
	if whole := 100 / float64(runtime.NumCPU()); most < whole/8 {
		t.Errorf("the most that was ours is %.1f %%, a whole processor is %.1f %%", most, whole)
	}
	if len(u.History) < 5 || u.Target != 80 {
		t.Errorf("history of %d, target %d", len(u.History), u.Target)
	}
}

func TestCPUKeepsAnHour(t *testing.T) {
	c := &CPU{Target: 80}
	for range usageKept + 50 {
		c.add(1, 2)
	}
	c.add(50, 40)
	u := c.Status()
	if len(u.History) != usageKept || u.Ours != 50 || u.Others != 40 || u.Budget != 40 {
		t.Errorf("%d points, ours %.0f, others %.0f, budget %.0f", len(u.History), u.Ours, u.Others, u.Budget)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &Disk{Dir: dir}
		if s := d.Status(); s != (Space{}) {
			t.Errorf("before any measurement: %+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = d.Run(ctx) }()
		synctest.Wait()
		first := d.Status()
		if first.Total <= 0 || first.Free <= 0 || first.Free > first.Total {
			t.Errorf("%+v", first)
		}
		_ = os.RemoveAll(dir) // gone: the last figure stays
		time.Sleep(3 * spaceEvery)
		synctest.Wait()
		if s := d.Status(); s != first {
			t.Errorf("after the folder went: %+v, was %+v", s, first)
		}
		cancel()
	})
}
