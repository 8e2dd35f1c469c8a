package transcode

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// lateFor bounds the wait for core to store an upload whose answer nobody
// waited for.
const lateFor = 10 * time.Second

// tooLate clears up after an upload during which the lease was lost: this
// agent slept, and another has published the same MP4 meanwhile. Core has put
// ours over it, with today's time, or beside it under a random name.
func (j *job) tooLate(err error) error {
	d, ok := j.dest.(*server)
	if !ok || !errors.Is(err, queue.ErrLeaseLost) && j.lease.Context().Err() == nil {
		return err
	}
	if d.onVolume() {
		for end := time.Now().Add(lateFor); time.Now().Before(end); time.Sleep(time.Second) {
			d.clearLate()
		}
	}
	return err
}

// clearLate does nothing unless what core serves is byte for byte what this
// agent has uploaded; then there is nothing that another agent could miss.
func (d *server) clearLate() {
	final := abs(d.ReplayDir, d.final())
	if !d.isOurs(final) {
		return
	}
	if st, err := os.Stat(final); err == nil && !st.ModTime().Equal(d.source.ModTime) {
		err := os.Chtimes(final, d.source.ModTime, d.source.ModTime)
		d.log.Info("a late upload had changed the MP4's time", "error", err)
	}
	found, _ := filepath.Glob(abs(d.ReplayDir, path.Join(d.journal.Date, d.id+".replay_*.mp4"))) // the pattern is good
	for _, file := range found {
		rel := path.Join(d.journal.Date, filepath.Base(file))
		if name := recording.ParseName(rel); name.Class != recording.ClassCollision || name.Session != d.id || !d.isOurs(file) {
			continue
		}
		to, err := d.trash().Retire(rel)
		d.log.Info("moved a late upload, which core had stored beside the same MP4, to the trash", "to", to, "error", err)
	}
}

// isOurs tells whether a file is the MP4 that this agent has made. The lease
// does not matter: it is lost.
func (d *server) isOurs(file string) bool {
	sum, _, err := hashFile(context.Background(), file)
	return err == nil && sum == d.journal.Video.SHA256
}
