package health

import (
	"context"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
)

// spaceEvery is the interval between measurements of a file system.
const spaceEvery = 30 * time.Second

// Space is the space of a file system, in bytes.
type Space struct {
	Total int64     `json:"total"`
	Free  int64     `json:"free"` // for users other than root
	At    time.Time `json:"at"`   // time of the measurement
}

// Disk measures the space of a folder's file system. If a network file system hangs,
// the last values stay.
type Disk struct {
	Dir string

	mu   sync.Mutex
	last Space // guarded by mu
}

// Run measures until ctx ends. It does not wait for a measurement that hangs.
func (d *Disk) Run(ctx context.Context) error {
	repeat(ctx, func() time.Duration {
		d.measure(ctx)
		return spaceEvery
	})
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

// Status returns the last measurement; zero before the first one.
func (d *Disk) Status() Space {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}
