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

// patience is how long ffmpeg may neither take what it is offered nor use the
// processor before it is given up.
const stallTimeout = 5 * time.Second

// errStalled says that ffmpeg stands still.
var errStalled = errors.New("ffmpeg makes no progress")

// feed is an ffmpeg that reads from us.
type pipedChild struct {
	child  *child
	pipe   *os.File
	stall  *stallDetector
	closed bool

	stallTimeout time.Duration
}

// feed starts ffmpeg with a pipe as its standard input.
func (t *Tool) startPiped(ctx context.Context, step Step, nice int, stdout io.Writer, args ...string) (*pipedChild, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	defer r.Close() // ffmpeg has it
	// A larger pipe saves switches between the processes; it is no must.
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

// Write gives ffmpeg all of p. An error tells why ffmpeg ended.
func (f *pipedChild) Write(p []byte) (int, error) {
	written := 0
	for {
		_ = f.pipe.SetWriteDeadline(time.Now().Add(f.stallTimeout))
		n, err := f.pipe.Write(p[written:])
		written += n
		switch {
		case err == nil:
			return written, nil
		case errors.Is(err, os.ErrDeadlineExceeded) && (n > 0 || f.stall.progressing()):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			f.child.cancel(errStalled)
		}
		// ffmpeg closed its end: why, it says when it ends.
		if exitErr := f.close(); exitErr != nil {
			return written, exitErr
		}
		return written, fmt.Errorf("ffmpeg ended early: %w", err)
	}
}

// close ends ffmpeg's input and waits for it to finish.
func (f *pipedChild) close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	f.pipe.Close()
	return f.child.waitWatched(f.stall, f.stallTimeout)
}

// abort kills ffmpeg. After close it does nothing.
func (f *pipedChild) abort() {
	if !f.closed {
		f.child.cancel(context.Canceled)
		_ = f.close()
	}
}

// finish waits for a child and gives it up when it stands still.
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
