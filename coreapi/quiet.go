package coreapi

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// quiet keeps a log readable while something fails for hours. A failure is logged
// if it differs from the one before, and then at doubling intervals.
type quiet struct {
	log   *slog.Logger
	last  string // identity of the failure logged last; "" = no failure
	next  time.Time
	every time.Duration
}

const (
	quietFirst = time.Minute
	quietMax   = time.Hour
)

// failed logs err, unless the log has it already.
func (q *quiet) failed(now time.Time, msg string, err error) {
	if same := identity(err); same != q.last {
		q.last, q.every = same, quietFirst
	} else if now.Before(q.next) {
		return
	} else {
		q.every = min(2*q.every, quietMax)
	}
	q.next = now.Add(q.every)
	q.log.Warn(msg, "error", err)
}

// recovered forgets the failure and reports whether there was one.
func (q *quiet) recovered() bool {
	was := q.last != ""
	q.last = ""
	return was
}

// identity returns a key that is equal for two errors of the same kind. The text is
// no such key: it can contain port numbers or random names.
func identity(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Method, e.Path, e.Status, e.Code, e.Kind)
	}
	return err.Error()
}
