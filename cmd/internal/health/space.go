package health

import (
	"context"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
)

// spaceEvery is the time between two measurements of a file system.
const spaceEvery = 30 * time.Second

// Space is what a file system holds, in bytes.
type Space struct {
	Total int64     `json:"total"`
	Free  int64     `json:"free"` // for those who are not root
	At    time.Time `json:"at"`   // when it was measured
}

// Disk measures the space of the file system that a folder is on. A network
// file system that hangs makes the figure old, and nothing else.
type Disk struct {
	Dir string

	mu   sync.Mutex
	last Space // guarded by mu
}

// Run measures until ctx ends, and leaves a measurement that hangs behind.
func (d *Disk) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			d.measure(ctx)
			select {
			case <-ctx.Done():
				return
			case <-time.After(spaceEvery):
			}
		}
	}()
	<-ctx.Done()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return nil
}

func (d *Disk) measure(ctx context.Context) {
	u, err := disk.UsageWithContext(ctx, d.Dir)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = Space{Total: int64(u.Total), Free: int64(u.Free), At: time.Now().UTC()}
}

// Status is the space as last measured; zero when it never was.
func (d *Disk) Status() Space {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}
