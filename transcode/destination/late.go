package destination

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// lateFor is how long to wait for core to finish storing an upload after the lease
// was lost.
const lateFor = 10 * time.Second

// CleanUpLate implements [Destination]. This agent lost its lease while it was
// suspended, and another one has published the same MP4 meanwhile. Core has
// replaced that by ours, with today's time, or stored ours beside it under a random
// name.
func (c Core) CleanUpLate(d Delivery) {
	if !d.Source.OnVolume() {
		return
	}
	for end := time.Now().Add(lateFor); time.Now().Before(end); time.Sleep(time.Second) {
		c.cleanUpLate(d)
	}
}

// cleanUpLate does nothing unless core serves exactly the bytes that this agent has
// uploaded; then another agent does not lose anything.
func (c Core) cleanUpLate(d Delivery) {
	f := openVideo(d, abs(c.ReplayDir, d.rel()))
	if f == nil {
		return
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.ModTime().Equal(d.Source.ModTime) {
		err := rights.SetTime(f, d.Source.ModTime)
		d.Log.Info("a late upload had changed the MP4's time", "error", err)
	}
	found, _ := filepath.Glob(abs(c.ReplayDir, path.Join(d.Date, d.Session+".replay_*.mp4"))) // the pattern is valid
	for _, file := range found {
		c.retireLate(d, file)
	}
}

// retireLate moves a late upload to the trash.
func (c Core) retireLate(d Delivery, file string) {
	rel := path.Join(d.Date, filepath.Base(file))
	if name := recording.ParseName(rel); name.Class != recording.ClassCollision || !d.owns(rel) {
		return
	}
	f := openVideo(d, file)
	if f == nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return
	}
	to, err := c.volume().trash().RetireFile(rel, st)
	d.Log.Info("moved a late upload, which core had stored beside the same MP4, to the trash", "to", to, "error", err)
}

// openVideo opens a file if it is the delivery's MP4; it returns nil if it is not.
// The task's context has ended with its lease.
func openVideo(d Delivery, file string) *os.File {
	f, err := openFile(file)
	if err != nil {
		return nil
	}
	if sum, _, err := hashOpen(context.Background(), f); err != nil || sum != d.Video.SHA256 {
		f.Close()
		return nil
	}
	return f
}
