package video

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/unix"
)

// patience is how long ffmpeg may neither take what it is offered nor use the
// processor before it is given up.
const patience = 5 * time.Second

// errStalled says that ffmpeg stands still.
var errStalled = errors.New("ffmpeg makes no progress")

// feed is an ffmpeg that reads from us.
type feed struct {
	child *child
	pipe  *os.File
	alive *pulse
	ended bool

	patience time.Duration
}

// feed starts ffmpeg with a pipe as its standard input.
func (t *Tool) feed(ctx context.Context, nice int, stdout io.Writer, args ...string) (*feed, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	defer r.Close() // ffmpeg has it
	// A larger pipe saves switches between the processes; it is no must.
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
	c, err := t.start(ctx, nice, r, stdout, args...)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &feed{child: c, pipe: w, alive: &pulse{pid: c.cmd.Process.Pid}, patience: cmp.Or(t.patience, patience)}, nil
}

// Write gives ffmpeg all of p. An error tells why ffmpeg ended.
func (f *feed) Write(p []byte) (int, error) {
	done := 0
	for {
		_ = f.pipe.SetWriteDeadline(time.Now().Add(f.patience))
		n, err := f.pipe.Write(p[done:])
		done += n
		switch {
		case err == nil:
			return done, nil
		case errors.Is(err, os.ErrDeadlineExceeded) && (n > 0 || f.alive.beats()):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			f.child.stop(errStalled)
		}
		// ffmpeg closed its end: why, it says when it ends.
		if end := f.close(); end != nil {
			return done, end
		}
		return done, fmt.Errorf("ffmpeg ended early: %w", err)
	}
}

// close ends ffmpeg's input and waits for it to finish.
func (f *feed) close() error {
	if f.ended {
		return nil
	}
	f.ended = true
	f.pipe.Close()
	return f.child.finish(f.alive, f.patience)
}

// abort kills ffmpeg. After close it does nothing.
func (f *feed) abort() {
	if !f.ended {
		f.child.stop(context.Canceled)
		_ = f.close()
	}
}

// finish waits for a child and gives it up when it stands still.
func (c *child) finish(alive *pulse, patience time.Duration) error {
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(patience); ; {
			select {
			case <-ended:
				tick.Stop()
				return
			case <-tick.C:
				if !alive.beats() {
					c.stop(errStalled)
				}
			}
		}
	}()
	err := c.wait()
	close(ended)
	<-watched
	return err
}

// pulse tells whether a process uses the processor or would if it were let.
// One that others starve may use too little of it to be counted for long, all
// the more in the idle scheduling class; one that hangs waits for something
// else.
type pulse struct {
	pid  int
	last float64 // seconds of processor time
}

// beats tells whether time was used since the last call, or is asked for.
func (p *pulse) beats() bool {
	proc := process.Process{Pid: int32(p.pid)}
	t, err := proc.Times()
	if err != nil {
		return false
	}
	used := t.User + t.System
	defer func() { p.last = used }()
	return used > p.last || wantsTime(p.pid)
}

// wantsTime tells whether a thread of the process runs, waits for a processor,
// or was stopped by a signal.
func wantsTime(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		// 4711 (name, which may hold anything) R ...
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
		if state, _, _ := strings.Cut(rest, " "); state == "R" || state == "T" {
			return true
		}
	}
	return false
}
