package task

import (
	"errors"
	"fmt"
)

// ErrUploadGone means that a task cannot be done again: its recording was an upload, and
// the upload was deleted.
var ErrUploadGone = errors.New("the upload that it was made from no longer exists")

// Verdict is what a failure means for its task.
type Verdict int

// Verdicts. Tasks with one of the first three are retried automatically.
const (
	Waits   Verdict = iota // the environment is at fault: retried without limit, at growing intervals
	Retries                // the recording may be at fault: retried a few times
	Settles                // too early: checked again soon
	Fails                  // a retry would not help
	Skips                  // not to be converted: the recording is left as it is
)

// Failure is an error with its class and what it means for the task.
type Failure struct {
	Class   Class
	Verdict Verdict
	Err     error
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Failf returns a [Failure] of a class, with the verdict of its [Reason]. The text is
// formatted as by [fmt.Errorf].
func Failf(c Class, format string, args ...any) error {
	return FailAs(c, ReasonOf(c).Verdict, format, args...)
}

// FailAs is [Failf] for a failure whose verdict is not the usual one of its class.
func FailAs(c Class, v Verdict, format string, args ...any) error {
	return &Failure{Class: c, Verdict: v, Err: fmt.Errorf(format, args...)}
}

// ChangedError means that the recording differs from the one that the task was created
// for.
type ChangedError struct {
	Now  Source // the recording that exists now
	What string // what has changed, for people
}

func (e *ChangedError) Error() string { return e.What }
