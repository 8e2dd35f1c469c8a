package watcher

import (
	"encoding/json"
	"os"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

type counts map[recording.Class]int

// dayState is the state of a day's folder.
type dayState struct {
	tracks map[string]*track // by Candidate.Path; nil once all are accepted and the day is old
	counts counts
	stamp  int64     // when its list of names last changed, ns; 0 = unknown, the folder must be read again
	read   time.Time // when it was read last
}

// done reports whether all recordings of the day have been accepted, and the
// folder's time shows whether others are added.
func (d *dayState) done() bool {
	if d.stamp == 0 {
		return false
	}
	for _, t := range d.tracks {
		if !t.taken {
			return false
		}
	}
	return true
}

// state is stored in a file: it lists the days that are done.
type state struct {
	Root  string              `json:"root"`
	Epoch string              `json:"epoch"`
	Swept time.Time           `json:"swept,omitzero"` // the last complete sweep
	Days  map[string]savedDay `json:"days"`
}

type savedDay struct {
	Stamp  int64     `json:"stamp"`
	Read   time.Time `json:"read"`
	Counts counts    `json:"counts"`
}

// recall reads the state. If it cannot be read, or is of another volume or epoch,
// the cost is one more sweep.
func (w *Watcher) recall() (days map[string]*dayState, swept time.Time) {
	days = map[string]*dayState{}
	if w.State == "" {
		return days, swept
	}
	var s state
	b, err := os.ReadFile(w.State)
	if err != nil || json.Unmarshal(b, &s) != nil || s.Root != w.Root || s.Epoch != w.Epoch {
		return days, swept
	}
	for day, d := range s.Days {
		days[day] = &dayState{counts: d.Counts, stamp: d.Stamp, read: d.Read}
	}
	return days, s.Swept
}

// remember writes the state atomically. It may be lost: it only saves work.
func (w *Watcher) remember() {
	if w.State == "" {
		return
	}
	w.saved, w.unsaved = time.Now(), false
	s := state{Root: w.Root, Epoch: w.Epoch, Days: map[string]savedDay{}}
	w.mu.Lock()
	s.Swept = w.status.LastSweep
	for day, d := range w.days {
		if d.done() {
			s.Days[day] = savedDay{Stamp: d.stamp, Read: d.read, Counts: d.counts}
		}
	}
	w.mu.Unlock()
	b, err := json.Marshal(s)
	if err == nil {
		err = durable.WriteFile(w.State, b, 0o600)
	}
	if err != nil {
		w.Log.Warn("the list of finished days could not be saved; a restart reads these days again", "error", err)
	}
}
