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
	// Lacks means that the index, or parts that it lists, are missing, or that the
	// index cannot be read: the recording may still be uploaded.
	Lacks bool
	// Recent means that the recording is of the last days, or was added recently.
	// There are few of those, and they take precedence.
	Recent bool
	// Early means that the recording has been unchanged for less than the settle
	// time. Every recording must wait for the settle time, unless its content
	// proves that it is complete.
	Early bool
}

// key identifies a version of a recording's files.
type key struct {
	size    int64
	modTime int64
	files   int
}

// track is the state of a candidate.
type track struct {
	last   Candidate
	key    key
	since  time.Time // when this version was first seen
	polls  int       // how often this version was seen
	rested time.Duration
	taken  bool // this version was offered and accepted
	busy   bool // Found returned ErrBusy for the last offer
	retry  time.Time
	tries  int
	seen   time.Time // last
}

// longestLook is the longest interval between two looks at a recording that lacks a
// part.
const longestLook = time.Hour

// patience is how many times longer an incomplete recording must be unchanged: it
// is most likely being uploaded.
const patience = 10

// due reports whether a waiting recording should be looked at again. If it lacks a
// part, the interval grows.
func (t *track) due(now time.Time) bool {
	if t.last.Lacks && now.Sub(t.seen) < min(now.Sub(t.since)/2, longestLook) {
		return false
	}
	return !now.Before(t.retry)
}

// see records the version of a recording at a poll.
func (t *track) see(c Candidate, k key, now time.Time) {
	if t.polls == 0 || k != t.key || c.Lacks != t.last.Lacks {
		*t = track{key: k, since: now, rested: now.Sub(c.ModTime)}
	}
	t.last, t.seen = c, now
	t.polls++
}

// age returns how long the recording has been unchanged: since its last change, or
// since this version was first seen if the volume's clock is ahead.
func (t *track) age(now time.Time) time.Duration {
	return max(t.rested, 0) + now.Sub(t.since)
}

// rests reports whether the recording has been seen twice unchanged, and has been
// unchanged for that long.
func (t *track) rests(now time.Time, long time.Duration) bool {
	return t.polls >= 2 && t.age(now) >= long
}

// Status is the state of the watcher.
type Status struct {
	Available bool      // the volume can be read
	None      bool      // there is no volume, and there never was one at Root: that is normal
	Reason    string    // why it is not available
	Since     time.Time // when it became available or unavailable
	Mode      Mode      // poll or notify, whichever is used
	LastPoll  time.Time
	LastSweep time.Time // the last complete sweep
	Settling  int       // recordings that are not settled yet
	Newest    string    // the newest day's folder, YYYY-MM-DD, while the volume is available; "" = none
	// Names counts the files on the volume by class, as of the last time each day
	// was read.
	Names map[recording.Class]int
}
