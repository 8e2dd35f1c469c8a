package task

import (
	"encoding/json"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// Journal is what a task has done so far, stored durably with the task.
type Journal struct {
	// Fingerprint of the source that the journal is about. When another recording of
	// the session is found, a new journal begins.
	Fingerprint string `json:"fingerprint"`
	// Events has the state of each lifecycle event that was or is being sent to core.
	Events map[coreapi.Event]EventState `json:"events,omitempty"`
	// Session is core's last response about the session; nil until core was asked, and
	// if names must not be stored.
	Session *Session `json:"session,omitempty"`
	// Date is the folder that core derives from the session's start.
	Date string `json:"date,omitempty"`
	// Video is the verified MP4; nil until it was verified.
	Video *VideoFacts `json:"video,omitempty"`
	// Files are the files on the replay volume that the MP4 was made from, as of when
	// they were read.
	Files []File `json:"files,omitempty"`
	// Before is the previous recording of the session that was replaced by its MP4;
	// nil if there is none.
	Before *Replaced `json:"before,omitempty"`
	// Short says by how much the MP4 is shorter than the session; "" if it is not.
	Short string `json:"short,omitempty"`
	// Accepted is the fingerprint of a source that must be converted although it is
	// incomplete: an operator has requested it.
	Accepted string `json:"accepted,omitempty"`
	// Place is where the MP4 goes: core's own storage or a bucket. The fields below
	// depend on it.
	Place string `json:"place,omitempty"`
	// Unseen means that core's response is the only proof that core has what was
	// uploaded: the agent could not read core's replay folder.
	Unseen bool `json:"unseen,omitempty"`
	// Tried lists the files that may have been uploaded although the agent cannot see
	// them.
	Tried []string `json:"tried,omitempty"`
	// Doubt says why core may serve something other than what was uploaded; "" if core
	// cannot.
	Doubt string `json:"doubt,omitempty"`
	// Again means that all steps must be repeated, as an operator has requested: core
	// may have lost what it had.
	Again bool `json:"again,omitempty"`
	// Content identifies the recording, like VideoFacts.Source, if core has the
	// recording itself in place of an MP4.
	Content string `json:"content,omitempty"`
	// Uploaded is the address that core returned for the upload, or the key in the
	// bucket.
	Uploaded string `json:"uploaded,omitempty"`
	// Reached is the last step that is permanently done.
	Reached Milestone `json:"reached,omitzero"`
	// Stored lists the files of the recording itself that were uploaded.
	Stored []string `json:"stored,omitempty"`
	// Retired lists where the originals were moved.
	Retired []string `json:"retired,omitempty"`
	// Lost means that the original was removed by another program before this task
	// could move it.
	Lost bool `json:"lost,omitempty"`
	// Ended is when the session ended, as core reports it.
	Ended time.Time `json:"session_ended,omitzero"`
	// Tries counts the failures that the recording may have caused.
	Tries int `json:"tries,omitempty"`
	// RenderSeconds is how long rendering and verifying took.
	RenderSeconds float64 `json:"render_seconds,omitempty"`
	// Warnings are about the video, for people.
	Warnings []string `json:"warnings,omitempty"`
}

// File is a file of a recording, as of when it was read.
type File struct {
	Path    string    `json:"path"` // relative to the replay folder
	Size    int64     `json:"size"` // bytes
	ModTime time.Time `json:"mod_time"`
}

// Replaced is a recording that was replaced by its MP4.
type Replaced struct {
	Source string `json:"source"`          // as in VideoFacts
	Place  string `json:"place"`           // where the MP4 is
	Again  int    `json:"again,omitempty"` // how often the same recording was found again and retired
	Left   bool   `json:"left,omitempty"`  // the same recording was found again and left as it is
	AsIs   bool   `json:"as_is,omitempty"` // there is no MP4: core has the recording itself
	// Video is the MP4; nil in records of earlier releases, and if AsIs.
	Video *VideoFacts `json:"video,omitempty"`
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
	Pictures   string   `json:"pictures,omitempty"` // digest of the frames for the ledger, hex; "" = not known
	Missing    []string `json:"missing,omitempty"`  // what of the recording the MP4 may not show, in sentences
	InPlace    bool     `json:"in_place,omitempty"` // the MP4 was there before the task began, and was verified
}

// EventState is what is known about the delivery of a lifecycle event to core.
type EventState string

const (
	// EventSending is stored before the request. A job that finds it at its start
	// follows one that was interrupted: the event may have reached core.
	EventSending EventState = "sending"
	// EventSent means that core has responded.
	EventSent EventState = "sent"
	// EventUnsure means that the event may have reached core; it is not sent again.
	EventUnsure EventState = "unsure"
)

// JournalOf returns a task's journal; an empty one if there is none or it is not readable.
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

// readFlags sets Reached from a journal of the first releases, which had six flags
// instead: a queue may be older than the agent.
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

// For returns the journal to continue with for a source. It is j, or a new journal if the
// task was declared failed or the source has changed. The events that were sent stay in
// the new journal in two cases, so that they are not sent twice. In the first, the
// recording changed during its conversion. In the second, the recording itself was
// uploaded, and was then found wherever core has it.
func (j Journal) For(fingerprint string) Journal {
	next := j.of(fingerprint)
	next.Session = j.Session // it does not depend on the recording
	if next.Accepted = j.Accepted; next.Accepted != fingerprint {
		next.Accepted = ""
	}
	return next
}

// of is For without Session and Accepted.
func (j Journal) of(fingerprint string) Journal {
	asIs := j.Reached == ReachedFailedAsIs || j.Before != nil && j.Before.AsIs && j.Reached.Failed()
	switch {
	case asIs && j.Fingerprint != fingerprint:
		told := map[coreapi.Event]EventState{}
		for _, event := range []coreapi.Event{coreapi.ConvertStart, coreapi.ConvertFailure} {
			if state, ok := j.Events[event]; ok {
				told[event] = state
			}
		}
		return Journal{Fingerprint: fingerprint, Events: told, Before: j.replaced()}
	case j.Reached.Failed() || j.Fingerprint != fingerprint && j.Reached == ReachedMarked:
		return Journal{Fingerprint: fingerprint, Before: j.replaced()}
	case j.Fingerprint != fingerprint:
		return Journal{Fingerprint: fingerprint, Events: j.Events, Before: j.Before.next()}
	}
	return j
}

// Accept marks a task's source as one that is converted although it is incomplete.
func Accept(t *queue.Task) {
	j := JournalOf(t.Data)
	j.Accepted = t.Fingerprint
	t.Data = Encode(j)
}

// next returns a copy of r for the journal of another recording; r may be nil.
func (r *Replaced) next() *Replaced {
	if r == nil {
		return nil
	}
	return &Replaced{Source: r.Source, Place: r.Place, Again: r.Again, AsIs: r.AsIs, Video: r.Video}
}

// replaced returns which recording the task has replaced, for the journal of the next
// recording of the session.
func (j Journal) replaced() *Replaced {
	switch {
	case j.Reached.AsIs() && j.Content != "":
		return &Replaced{Source: j.Content, Place: j.Place, AsIs: true}
	case j.Reached != ReachedMarked || j.Video == nil:
		return j.Before.next()
	}
	r := &Replaced{Source: j.Video.Source, Place: j.Place, Video: j.Video}
	if b := j.Before; b != nil && b.Source == r.Source && b.Place == r.Place {
		r.Again = b.Again + 1
	}
	return r
}

// Afresh returns the journal with which a task that is done is repeated, without sending
// its events to core again. A journal of a task that is not done is returned unchanged.
func (j Journal) Afresh() Journal {
	if j.Reached != ReachedMarked && !j.Reached.AsIs() {
		return j
	}
	return Journal{Fingerprint: j.Fingerprint, Events: j.Events, Before: j.replaced(), Again: true}
}

// UploadEnd returns the end of the upload of a task that is done, or whose recording core
// has itself.
func (j Journal) UploadEnd() UploadEnd {
	switch {
	case j.Video != nil && len(j.Video.Missing) > 0, j.Doubt != "":
		return UploadKept
	case j.Unseen:
		return UploadUnseen
	}
	return UploadStored
}

// Encode returns v, a Journal or Source, as JSON for the task's record.
func Encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil { // these types can always be encoded
		panic(err)
	}
	return data
}
