package video

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// Pace is told how long was worked and returns when work may go on. Its error
// is the context's.
type Pace = func(ctx context.Context, worked time.Duration) error

// Paced is the same tool for work that must not go faster than pace lets it.
// Encoding goes as fast as frames come, so it is whoever makes them that
// paces it; decoding is held up here. A nil pace is none.
func (t *Tool) WithPace(pace Pace) *Tool {
	paced := *t
	paced.pace = pace
	return &paced
}

// Bounded is the same tool for work that must not take more than so much of the
// processor in any of its processes. The kernel counts it, and ends a process
// that takes more, with [ErrTooLong]; time at rest, or without a processor, does
// not count.
func (t *Tool) WithCPULimit(limit time.Duration) *Tool {
	limited := *t
	limited.cpuLimit = limit
	return &limited
}

// ErrTooLong is wrapped by the error about an ffmpeg that took more of the
// processor than it was given.
var ErrCPULimit = errors.New("ffmpeg took too much of the processor")

// turn is how long a decoding ffmpeg runs between rests.
const paceInterval = 50 * time.Millisecond

// halt stops and continues a child that reads files by itself as the pace
// demands, until unpace is called, which must be when the child has ended.
// A child that is stopped can be killed as any other.
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
			// The process has not been waited for, or Signal knows that it has.
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
