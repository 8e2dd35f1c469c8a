package coreapi

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// quiet keeps a log readable while something fails for hours: a failure is
// logged when it differs from the one before, then at doubling intervals.
type quiet struct {
	log   *slog.Logger
	last  string // identity of the failure logged last; "" = all is well
	next  time.Time
	every time.Duration
}

const (
	quietFirst = time.Minute
	quietMost  = time.Hour
)

// failed logs err, unless that would only repeat what the log says already.
func (q *quiet) failed(now time.Time, msg string, err error) {
	if same := identity(err); same != q.last {
		q.last, q.every = same, quietFirst
	} else if now.Before(q.next) {
		return
	} else {
		q.every = min(2*q.every, quietMost)
	}
	q.next = now.Add(q.every)
	q.log.Warn(msg, "error", err)
}

// mended forgets the failure and tells whether there was one.
func (q *quiet) mended() bool {
	was := q.last != ""
	q.last = ""
	return was
}

// identity is what makes two failures the same one: not their text, which can
// hold port numbers or made-up names that differ each time.
func identity(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Method, e.Path, e.Status, e.Code, e.Kind)
	}
	return err.Error()
}
