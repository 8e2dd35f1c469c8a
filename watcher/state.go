package watcher

import (
	"encoding/json"
	"os"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

type counts map[recording.Class]int

// dayState is what is known of a day's folder.
type dayState struct {
	tracks map[string]*track // by Candidate.Path; nil once all are taken and the day is old
	counts counts
	stamp  int64     // when its list of names changed last, ns; 0 = it must be read again to know
	read   time.Time // when it was read last
}

// done tells whether all recordings of the day have been taken and it can be
// seen from outside whether others have come.
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

// state is what is kept in a file: of all days that are done with.
type state struct {
	Root  string              `json:"root"`
	Epoch string              `json:"epoch"`
	Swept time.Time           `json:"swept,omitzero"` // the last sweep that was completed
	Days  map[string]savedDay `json:"days"`
}

type savedDay struct {
	Stamp  int64     `json:"stamp"`
	Read   time.Time `json:"read"`
	Counts counts    `json:"counts"`
}

// recall reads the state; one that cannot be read, or is of another volume or
// epoch, only costs a sweep.
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

// remember writes the state in one step. It can be lost: it is no more than a
// shortcut.
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
		w.Log.Warn("which days are done with could not be kept; a restart reads them again", "error", err)
	}
}
