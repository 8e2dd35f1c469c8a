package video

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// Pace is called with the time worked and returns when work may continue. Its error
// is that of the context.
type Pace = func(ctx context.Context, worked time.Duration) error

// WithPace returns the tool for work that must not be faster than pace allows. It
// applies to decoding. The speed of encoding is that of the frames, so their producer
// must call pace. nil means no pace.
func (t *Tool) WithPace(pace Pace) *Tool {
	paced := *t
	paced.pace = pace
	return &paced
}

// WithCPULimit returns the tool with a limit for the CPU time of each process. The
// kernel kills a process that exceeds it; the error is [ErrCPULimit]. Time spent
// stopped or waiting does not count.
func (t *Tool) WithCPULimit(limit time.Duration) *Tool {
	limited := *t
	limited.cpuLimit = limit
	return &limited
}

// ErrCPULimit is wrapped by the error about an ffmpeg that exceeded its CPU limit.
var ErrCPULimit = errors.New("ffmpeg exceeded its CPU limit")

// paceInterval is how long a decoding ffmpeg runs between two pauses.
const paceInterval = 50 * time.Millisecond

// paceChild stops and continues a child that reads files, as the pace demands. stop
// must be called when the child has exited. A stopped child can be killed like any
// other.
func (t *Tool) paceChild(c *child) (stop func()) {
	if t.pace == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(paceInterval):
			}
			// The process has not been waited for; otherwise Signal returns an error.
			if c.cmd.Process.Signal(syscall.SIGSTOP) != nil {
				return
			}
			_ = t.pace(ctx, paceInterval)
			_ = c.cmd.Process.Signal(syscall.SIGCONT)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
