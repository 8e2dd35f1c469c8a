package watcher

import (
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Candidate is a recording on the volume.
type Candidate struct {
	Session string // id
	Date    string // its folder, YYYY-MM-DD
	// Path is relative to the root: D/S.replay.gz, or D/S/S.replay.json for a
	// recording in parts.
	Path     string
	Size     int64     // bytes, all files together
	ModTime  time.Time // the newest of all files
	HasVideo bool      // D/S.replay.mp4 is there
	// Recent: it is of the last days, or has come of late. There are few of
	// those, and they are wanted before all others.
	Recent bool
}

// key tells one state of a recording's files from another.
type key struct {
	size    int64
	modTime int64
	files   int
}

// track is what is known of a candidate.
type track struct {
	last    Candidate
	key     key
	since   time.Time // when it was first seen like this
	polls   int       // how often it has been seen like this
	rested  time.Duration
	missing bool // the index lists a part that is not there
	taken   bool // it was offered like this, and accepted
	busy    bool // there was no room for it when it was offered last
	retry   time.Time
	tries   int
	seen    time.Time // last
}

// longestLook is how rarely a recording is looked at that lacks a part.
const longestLook = time.Hour

// due tells whether a recording that waits is worth another look: one that
// lacks a part ever more rarely.
func (t *track) due(now time.Time) bool {
	if t.missing && now.Sub(t.seen) < min(now.Sub(t.since)/2, longestLook) {
		return false
	}
	return !now.Before(t.retry)
}

// see notes the state of a recording at a poll.
func (t *track) see(c Candidate, k key, missing bool, now time.Time) {
	if t.polls == 0 || k != t.key || missing != t.missing {
		*t = track{key: k, since: now, rested: now.Sub(c.ModTime), missing: missing}
	}
	t.last, t.seen = c, now
	t.polls++
}

// settled tells whether the recording has rested long enough.
func (t *track) settled(now time.Time, settle time.Duration) bool {
	if t.missing || t.polls < 2 {
		return false
	}
	return t.rested >= settle || now.Sub(t.since) >= settle
}

// Status tells how the watcher stands.
type Status struct {
	Available bool      // the volume is there
	Reason    string    // why it is not
	Since     time.Time // of the availability or its loss
	Mode      Mode      // poll or notify, as in use
	LastPoll  time.Time
	LastSweep time.Time // the last full one that was completed
	Settling  int       // recordings that are waited for
	// Names counts what lies on the volume, as of the last look at each day.
	Names map[recording.Class]int
}
