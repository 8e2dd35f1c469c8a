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
func (t *Tool) feed(ctx context.Context, step Step, nice int, stdout io.Writer, args ...string) (*feed, error) {
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

// pulse tells whether a process makes use of the processor as far as it is let.
// One that others starve gets little of it for long, all the more in the idle
// scheduling class: what counts is whether it waited for its turn. One that hangs
// waits for something else.
type pulse struct {
	pid     int
	last    turns
	blocked int // calls in a row that found it waiting for a disk
}

// maxBlocked is how many times in a row a process may be found waiting for a disk
// and nothing else: two minutes with the usual patience. A busy disk lets a writer
// wait for longer than any other thing does.
const maxBlocked = 24

// turns is how long the threads of a process have run and have waited for a
// processor, all together.
type turns struct{ ran, waited time.Duration }

// least is the use of the processor, or the wait for it, that counts: a process
// that hangs may still wake up now and then.
const least = time.Millisecond

// beats tells whether the process has run or waited for a processor since the last
// call, or does so now.
func (p *pulse) beats() bool {
	now, known := turnsOf(p.pid)
	if !known {
		return p.uses()
	}
	before := p.last
	p.last = now
	// Threads that have ended take their times with them.
	moved := now.ran-before.ran >= least || now.waited-before.waited >= least || now.ran < before.ran || now.waited < before.waited
	return p.judge(moved)
}

// judge returns what beats does: a process that has moved, or wants to, is alive.
// One that waits for a disk is, for some time.
func (p *pulse) judge(moved bool) bool {
	states := statesOf(p.pid)
	switch {
	case moved, strings.ContainsAny(states, "RT"): // running or waiting for a processor; stopped by a signal
		p.blocked = 0
		return true
	case strings.Contains(states, "D"): // uninterruptible sleep: a disk
		p.blocked++
		return p.blocked <= maxBlocked
	}
	return false
}

// turnsOf reads the times of a process from /proc/PID/task/*/schedstat, whose
// figures are nanoseconds. It is not known where the kernel does not keep them.
func turnsOf(pid int) (t turns, known bool) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited time.Duration
		if n, _ := fmt.Sscan(string(data), &ran, &waited); n == 2 {
			t.ran, t.waited, known = t.ran+ran, t.waited+waited, true
		}
	}
	return t, known
}

// uses is beats by the processor time that every system keeps, in hundredths of a
// second.
func (p *pulse) uses() bool {
	proc := process.Process{Pid: int32(p.pid)}
	t, err := proc.Times()
	if err != nil {
		return false
	}
	used := time.Duration((t.User + t.System) * float64(time.Second))
	before := p.last.ran
	p.last.ran = used
	return p.judge(used > before)
}

// statesOf returns the state of each thread of a process, one letter each, as ps(1)
// explains them.
func statesOf(pid int) string {
	var states strings.Builder
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		// 4711 (name, which may hold anything) R ...
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
		state, _, _ := strings.Cut(rest, " ")
		states.WriteString(state)
	}
	return states.String()
}
