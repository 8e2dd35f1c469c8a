package task

import (
	"encoding/json"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
)

// Journal is what a task has done so far, kept durably with the task.
type Journal struct {
	// Fingerprint of the source that the journal speaks of. When another
	// recording of the session turns up, a new journal begins.
	Fingerprint string `json:"fingerprint"`
	// Events maps each lifecycle event to whether it is on its way or sent.
	Events map[coreapi.Event]EventState `json:"events,omitempty"`
	// Date is the folder that core derives from the session's start.
	Date string `json:"date,omitempty"`
	// Video is the verified MP4, from verifying on.
	Video *VideoFacts `json:"video,omitempty"`
	// Files are the files on the replay volume that the MP4 was made from, as
	// they were read.
	Files []File `json:"files,omitempty"`
	// Before is the MP4 that was made of the session's recording before this
	// one, if that task was done.
	Before *Replaced `json:"before,omitempty"`
	// Short says by how much the MP4 is shorter than the session; "" if it is not.
	Short string `json:"short,omitempty"`
	// Place is where the MP4 goes: core's own storage or a bucket. What
	// follows speaks of it.
	Place string `json:"place,omitempty"`
	// Uploaded is the address core answered for the upload, or the key.
	Uploaded string `json:"uploaded,omitempty"`
	// Reached is how far the task has come for good.
	Reached Milestone `json:"reached,omitzero"`
	// Stored lists the files of the recording itself that were uploaded.
	Stored []string `json:"stored,omitempty"`
	// Retired lists where the originals went.
	Retired []string `json:"retired,omitempty"`
	// Tries counts failures that may be the recording's own fault.
	Tries int `json:"tries,omitempty"`
	// RenderSeconds is how long rendering and verifying took.
	RenderSeconds float64 `json:"render_seconds,omitempty"`
	// Warnings are for the people who look at the video.
	Warnings []string `json:"warnings,omitempty"`
}

// File is a file of a recording as it was read.
type File struct {
	Path    string    `json:"path"` // relative to the replay folder
	Size    int64     `json:"size"` // bytes
	ModTime time.Time `json:"mod_time"`
}

// Replaced is a recording that was replaced by its MP4.
type Replaced struct {
	Source string `json:"source"`          // as in VideoFacts
	Place  string `json:"place"`           // where the MP4 went
	Again  int    `json:"again,omitempty"` // how often the same recording has come again, and was taken away
	Left   bool   `json:"left,omitempty"`  // the same recording came again, and was left alone
}

// VideoFacts identify an MP4 that has been verified.
type VideoFacts struct {
	SHA256     string   `json:"sha256"` // of the file, hex
	Size       int64    `json:"size"`   // bytes
	Frames     int      `json:"frames"`
	DurationMS int64    `json:"duration_ms"`
	Width      int      `json:"width"`
	Height     int      `json:"height"`
	Source     string   `json:"source"`             // SHA-256 of the recording's uncompressed content, hex
	Missing    []string `json:"missing,omitempty"`  // what of the recording it may not show, in words
	InPlace    bool     `json:"in_place,omitempty"` // it was there before the task began, and was proven good
}

// EventState is how far a lifecycle event has come.
type EventState string

const (
	// EventSending is written before the request: a process that finds it
	// did not write it, so the event may have reached core.
	EventSending EventState = "sending"
	// EventSent means core answered.
	EventSent EventState = "sent"
	// EventUnsure means that nobody knows; it is not sent again.
	EventUnsure EventState = "unsure"
)

// JournalOf returns a task's journal; an empty one when there is none that can
// be read.
func JournalOf(data json.RawMessage) Journal {
	var j Journal
	if len(data) == 0 || json.Unmarshal(data, &j) != nil {
		return Journal{}
	}
	if j.Reached == ReachedNothing {
		j.readFlags(data)
	}
	return j
}

// readFlags reads how far a task has come from a journal of the first agents,
// which kept that in six flags: a queue outlives an upgrade.
func (j *Journal) readFlags(data json.RawMessage) {
	var was struct{ Reconciled, Confirmed, Retiring, Fallback, Marked, Ended bool }
	if json.Unmarshal(data, &was) != nil {
		return
	}
	switch {
	case was.Marked:
		j.Reached = ReachedMarked
	case was.Retiring:
		j.Reached = ReachedRetiring
	case was.Confirmed:
		j.Reached = ReachedConfirmed
	case was.Fallback:
		j.Reached = ReachedAsIs
	}
	if was.Ended {
		j.Reached = j.Reached.Fail()
	}
	if j.Video != nil {
		j.Video.InPlace = was.Reconciled
	}
}

// For returns the journal to go on with for a source: this one, or a new one
// when the task was declared failed or the source has become another. A recording
// that changed while it was converted does not have its events sent again, nor
// does one that was uploaded as it is and is then found where it went.
func (j Journal) For(fingerprint string) Journal {
	switch {
	case j.Reached == ReachedFailedAsIs && j.Fingerprint != fingerprint:
		told := map[coreapi.Event]EventState{}
		for _, event := range []coreapi.Event{coreapi.ConvertStart, coreapi.ConvertFailure} {
			if state, ok := j.Events[event]; ok {
				told[event] = state
			}
		}
		return Journal{Fingerprint: fingerprint, Events: told, Before: j.Before.next()}
	case j.Reached.Failed() || j.Fingerprint != fingerprint && j.Reached == ReachedMarked:
		return Journal{Fingerprint: fingerprint, Before: j.replaced()}
	case j.Fingerprint != fingerprint:
		return Journal{Fingerprint: fingerprint, Events: j.Events, Before: j.Before.next()}
	}
	return j
}

// next is what is known for a recording that comes now.
func (r *Replaced) next() *Replaced {
	if r == nil {
		return nil
	}
	return &Replaced{Source: r.Source, Place: r.Place, Again: r.Again}
}

// replaced is what the task has done, for the journal of the next recording of
// the session.
func (j Journal) replaced() *Replaced {
	if j.Reached != ReachedMarked || j.Video == nil {
		return j.Before.next()
	}
	r := &Replaced{Source: j.Video.Source, Place: j.Place}
	if b := j.Before; b != nil && b.Source == r.Source && b.Place == r.Place {
		r.Again = b.Again + 1
	}
	return r
}

// Encode returns v, plain data of this package, as a queue record keeps it.
func Encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil { // only plain data is encoded here
		panic(err)
	}
	return data
}
