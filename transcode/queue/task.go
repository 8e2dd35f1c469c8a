package queue

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"
)

// State is the step that a task has reached.
type State string

// The states of a task. Done, failed and skipped are final.
const (
	StateSettling   State = "settling" // too early; checked again at Next
	StateQueued     State = "queued"
	StateRendering  State = "rendering"
	StateVerifying  State = "verifying"
	StateUploading  State = "uploading"
	StateConfirming State = "confirming"
	StateRetiring   State = "retiring"
	StateDone       State = "done"
	StateRetrying   State = "retrying" // failed; retried at Next
	StateFailed     State = "failed"
	StateSkipped    State = "skipped"
)

// States are all states, in the order in which a task passes through them.
var States = []State{
	StateSettling, StateQueued, StateRendering, StateVerifying, StateUploading, StateConfirming, StateRetiring,
	StateDone, StateRetrying, StateFailed, StateSkipped,
}

// Final reports whether a task in this state stays in it, unless its source changes or
// an operator retries it.
func (s State) Final() bool { return s == StateDone || s == StateFailed || s == StateSkipped }

// Class is the reason why a task failed, was skipped or waits, as one word for programs.
type Class string

// Task is a unit of work. The queue does not interpret Source and Data.
type Task struct {
	ID          string          `json:"id"`            // lower-case UUID: the key
	Source      json.RawMessage `json:"source"`        // the recording to process
	Fingerprint string          `json:"fingerprint"`   // changes when the source changes
	Date        time.Time       `json:"date,omitzero"` // of the source: newer sources come first
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
	Lease       string          `json:"lease,omitempty"`     // random token of the holder
	Takeovers   int             `json:"takeovers,omitempty"` // consecutive holders that stopped renewing in this state
	Data        json.RawMessage `json:"data,omitempty"`      // journal of what was done

	Rev uint64 `json:"-"` // revision of the record

	forged bool // the record is not trusted; see [Forged]
}

// Held reports whether a holder works on the task.
func (t Task) Held() bool { return t.Lease != "" }

// Errors that callers test for.
var (
	// ErrLeaseLost means that another holder has the task, or that the lease could
	// not be renewed for almost its whole time. The work must stop.
	ErrLeaseLost = errors.New("the lease of the task is lost")
	ErrNotFound  = errors.New("no such task")
	ErrActive    = errors.New("the task is in progress")
	ErrDone      = errors.New("the task is done")
	ErrClosed    = errors.New("the queue is closed")
	ErrUnreached = errors.New("the queue cannot be reached")
	ErrRemoved   = errors.New("the queue was removed")
	ErrAmbiguous = errors.New("more than one task's id begins like this")
	ErrID        = errors.New("a task's id must be a lower-case UUID")
)

// Bounds of [Backoff].
const (
	firstBackoff = 15 * time.Second
	lastBackoff  = 10 * time.Minute
)

// takeoverBackoff returns how long a task waits after a number of consecutive
// takeovers. The first holders may have been restarted or lost power. If more of them
// stop in the same state, the task probably crashes them.
func takeoverBackoff(takeovers int) time.Duration {
	const tolerated = 3
	if takeovers < tolerated {
		return 0
	}
	return min(firstBackoff<<min(takeovers-tolerated, 10), lastBackoff)
}

// Backoff returns how long a task waits before its next attempt, after a number of
// attempts: 15 seconds, then twice as long each time, up to ten minutes. A random
// deviation of up to 20 % spreads the retries of tasks that failed together.
func Backoff(attempt int) time.Duration {
	d := firstBackoff << max(0, min(attempt-1, 10))
	d = min(d, lastBackoff)
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
