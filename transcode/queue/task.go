package queue

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"
)

// State is how far a task has come.
type State string

// The states of a task. Done, failed and skipped are final.
const (
	StateSettling   State = "settling" // too early; looked at again at Next
	StateQueued     State = "queued"
	StateRendering  State = "rendering"
	StateVerifying  State = "verifying"
	StateUploading  State = "uploading"
	StateConfirming State = "confirming"
	StateRetiring   State = "retiring"
	StateDone       State = "done"
	StateRetrying   State = "retrying" // failed; tried again at Next
	StateFailed     State = "failed"
	StateSkipped    State = "skipped"
)

// States are all of them, in the order in which a task passes through them.
var States = []State{
	StateSettling, StateQueued, StateRendering, StateVerifying, StateUploading, StateConfirming, StateRetiring,
	StateDone, StateRetrying, StateFailed, StateSkipped,
}

// Final tells whether nothing more happens to a task by itself.
func (s State) Final() bool { return s == StateDone || s == StateFailed || s == StateSkipped }

// Class is why a task failed, in one word.
type Class string

// Task is a unit of work. Source and Data are the owner's business.
type Task struct {
	ID          string          `json:"id"`            // lower-case UUID: the key
	Source      json.RawMessage `json:"source"`        // what the task is about
	Fingerprint string          `json:"fingerprint"`   // identity of the source
	Date        time.Time       `json:"date,omitzero"` // of the source: newer ones come first
	Priority    int             `json:"priority,omitempty"`
	State       State           `json:"state"`
	Progress    float64         `json:"progress"` // of the state, 0 to 1
	Attempt     int             `json:"attempt"`
	Reason      Class           `json:"reason,omitempty"`
	Error       string          `json:"error,omitempty"`
	Created     time.Time       `json:"created"`
	Updated     time.Time       `json:"updated"`
	Next        time.Time       `json:"next,omitzero"` // when a waiting task is due
	Owner       string          `json:"owner,omitempty"`
	Lease       string          `json:"lease,omitempty"`     // random word of the holder
	Takeovers   int             `json:"takeovers,omitempty"` // holders in a row that vanished in this state
	Data        json.RawMessage `json:"data,omitempty"`      // journal of what was done

	Rev uint64 `json:"-"` // revision of the record

	forged bool // the record is not believed; see [Forged]
}

// Held tells whether somebody works on the task.
func (t Task) Held() bool { return t.Lease != "" }

// What callers test for.
var (
	// ErrLeaseLost means that another holder has the task, or that nobody
	// could tell for a whole lease time. The work must stop.
	ErrLeaseLost = errors.New("the lease of the task is lost")
	ErrNotFound  = errors.New("no such task")
	ErrActive    = errors.New("the task is being worked on")
	ErrClosed    = errors.New("the queue is closed")
	ErrUnreached = errors.New("the queue cannot be reached")
	ErrRemoved   = errors.New("the queue was removed")
	ErrID        = errors.New("a task's id must be a lower-case UUID")
)

// Bounds of [Backoff].
const (
	firstBackoff = 15 * time.Second
	lastBackoff  = 10 * time.Minute
)

// vanished is how long a task rests whose holders vanished, so many in a row: the
// first ones may have been restarted or unplugged; many in the same state have
// probably died of the task.
func vanished(takeovers int) time.Duration {
	const innocent = 3
	if takeovers < innocent {
		return 0
	}
	return min(firstBackoff<<min(takeovers-innocent, 10), lastBackoff)
}

// Backoff is how long a task waits before its next attempt, after so many:
// twice as long each time, up to ten minutes, give or take a fifth so that
// tasks that failed together are not tried together.
func Backoff(attempt int) time.Duration {
	d := firstBackoff << max(0, min(attempt-1, 10))
	d = min(d, lastBackoff)
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
