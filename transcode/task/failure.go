package task

import "fmt"

// Verdict says what a failure means for its task.
type Verdict int

// Verdicts. The first three are tried again without help.
const (
	Waits   Verdict = iota // the environment is at fault: retried for ever, ever more rarely
	Retries                // may be the recording's fault: retried a few times
	Settles                // too early: looked at again soon
	Fails                  // trying again will not help
	Skips                  // not ours to convert: left alone
)

// Failure is an error that knows its class and what it means for the task.
type Failure struct {
	Class   Class
	Verdict Verdict
	Err     error
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Failf returns a [Failure] of a class, with the verdict that [ReasonOf] has for
// it. The text is formatted as by [fmt.Errorf].
func Failf(c Class, format string, args ...any) error {
	return FailAs(c, ReasonOf(c).Verdict, format, args...)
}

// FailAs is [Failf] for a failure whose verdict is not the usual one of its class.
func FailAs(c Class, v Verdict, format string, args ...any) error {
	return &Failure{Class: c, Verdict: v, Err: fmt.Errorf(format, args...)}
}

// ChangedError means that the recording is not the one any more that the task
// is about.
type ChangedError struct {
	Now  Source // what is there instead
	What string // what was seen, for people
}

func (e *ChangedError) Error() string { return e.What }
