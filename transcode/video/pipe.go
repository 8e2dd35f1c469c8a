package video

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stallTimeout is how long ffmpeg may neither read its input nor use CPU time before
// it is killed.
const stallTimeout = 5 * time.Second

// errStalled means that ffmpeg hangs.
var errStalled = errors.New("ffmpeg makes no progress")

// pipedChild is an ffmpeg that reads from our pipe.
type pipedChild struct {
	child  *child
	pipe   *os.File
	stall  *stallDetector
	closed bool

	stallTimeout time.Duration
}

// startPiped starts ffmpeg with a pipe as its standard input.
func (t *Tool) startPiped(ctx context.Context, step Step, nice int, stdout io.Writer, args ...string) (*pipedChild, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	defer r.Close() // ffmpeg has its own copy
	// A larger pipe saves context switches. It is optional.
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
	c, err := t.start(ctx, step, nice, r, stdout, args...)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &pipedChild{child: c, pipe: w, stall: &stallDetector{pid: c.cmd.Process.Pid}, stallTimeout: cmp.Or(t.stallTimeout, stallTimeout)}, nil
}

// Write writes all of p to ffmpeg. Its error says why ffmpeg ended.
func (c *pipedChild) Write(p []byte) (int, error) {
	written := 0
	for {
		_ = c.pipe.SetWriteDeadline(time.Now().Add(c.stallTimeout))
		n, err := c.pipe.Write(p[written:])
		written += n
		switch {
		case err == nil:
			return written, nil
		case errors.Is(err, os.ErrDeadlineExceeded) && (n > 0 || c.stall.progressing()):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.child.cancel(errStalled)
		}
		// ffmpeg closed the pipe. Its exit says why.
		if exitErr := c.close(); exitErr != nil {
			return written, exitErr
		}
		return written, fmt.Errorf("ffmpeg ended early: %w", err)
	}
}

// close closes ffmpeg's input and waits until it exits.
func (c *pipedChild) close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.pipe.Close()
	return c.child.waitWatched(c.stall, c.stallTimeout)
}

// abort kills ffmpeg. After close it does nothing.
func (c *pipedChild) abort() {
	if !c.closed {
		c.child.cancel(context.Canceled)
		_ = c.close()
	}
}

// waitWatched waits for a child and kills it if it stalls.
func (c *child) waitWatched(stall *stallDetector, timeout time.Duration) error {
	exited := make(chan struct{})
	watcherDone := make(chan struct{})
	go func() {
		defer close(watcherDone)
		for tick := time.NewTicker(timeout); ; {
			select {
			case <-exited:
				tick.Stop()
				return
			case <-tick.C:
				if !stall.progressing() {
					c.cancel(errStalled)
				}
			}
		}
	}()
	err := c.wait()
	close(exited)
	<-watcherDone
	return err
}
