package destination

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// lateFor is how long to wait for core to finish storing an upload whose
// answer nobody waited for.
const lateFor = 10 * time.Second

// CleanUpLate implements [Destination]: this agent slept through its lease, and
// another has published the same MP4 meanwhile. Core has put ours over it, with
// today's time, or beside it under a random name.
func (c Core) CleanUpLate(d Delivery) {
	if !d.Source.OnVolume() {
		return
	}
	for end := time.Now().Add(lateFor); time.Now().Before(end); time.Sleep(time.Second) {
		c.cleanUpLate(d)
	}
}

// cleanUpLate does nothing unless what core serves is byte for byte what this
// agent has uploaded; then there is nothing that another agent could miss.
func (c Core) cleanUpLate(d Delivery) {
	final := abs(c.ReplayDir, d.rel())
	if !isVideo(d, final) {
		return
	}
	if st, err := os.Stat(final); err == nil && !st.ModTime().Equal(d.Source.ModTime) {
		err := os.Chtimes(final, d.Source.ModTime, d.Source.ModTime)
		d.Log.Info("a late upload had changed the MP4's time", "error", err)
	}
	found, _ := filepath.Glob(abs(c.ReplayDir, path.Join(d.Date, d.Session+".replay_*.mp4"))) // the pattern is good
	for _, file := range found {
		rel := path.Join(d.Date, filepath.Base(file))
		if name := recording.ParseName(rel); name.Class != recording.ClassCollision || name.Session != d.Session || !isVideo(d, file) {
			continue
		}
		to, err := c.volume().trash().Retire(rel)
		d.Log.Info("moved a late upload, which core had stored beside the same MP4, to the trash", "to", to, "error", err)
	}
}

// isVideo reports whether a file is the delivery's MP4. The task's context has
// ended with its lease.
func isVideo(d Delivery, file string) bool {
	sum, _, err := HashFile(context.Background(), file)
	return err == nil && sum == d.Video.SHA256
}
