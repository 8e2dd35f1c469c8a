package video

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// pulse tells whether a process makes use of the processor as far as it is let.
// One that others starve gets little of it for long, all the more in the idle
// scheduling class: what counts is whether it waited for its turn. One that hangs
// waits for something else.
type stallDetector struct {
	pid       int
	last      threadTimes
	diskWaits int // calls in a row that found it waiting for a disk
}

// maxBlocked is how many times in a row a process may be found waiting for a disk
// and nothing else: two minutes with the usual patience. A busy disk lets a writer
// wait for longer than any other thing does.
const maxDiskWaits = 24

// turns is how long the threads of a process have run and have waited for a
// processor, all together.
type threadTimes struct{ running, waiting time.Duration }

// least is the use of the processor, or the wait for it, that counts: a process
// that hangs may still wake up now and then.
const minProgress = time.Millisecond

// beats tells whether the process has run or waited for a processor since the last
// call, or does so now.
func (p *stallDetector) progressing() bool {
	now, known := threadTimesOf(p.pid)
	if !known {
		return p.progressingByCPUTime()
	}
	before := p.last
	p.last = now
	// Threads that have ended take their times with them.
	moved := now.running-before.running >= minProgress || now.waiting-before.waiting >= minProgress || now.running < before.running || now.waiting < before.waiting
	return p.classify(moved)
}

// judge returns what beats does: a process that has moved, or wants to, is alive.
// One that waits for a disk is, for some time.
func (p *stallDetector) classify(moved bool) bool {
	states := threadStates(p.pid)
	switch {
	case moved, strings.ContainsAny(states, "RT"): // running or waiting for a processor; stopped by a signal
		p.diskWaits = 0
		return true
	case strings.Contains(states, "D"): // uninterruptible sleep: a disk
		p.diskWaits++
		return p.diskWaits <= maxDiskWaits
	}
	return false
}

// turnsOf reads the times of a process from /proc/PID/task/*/schedstat, whose
// figures are nanoseconds. It is not known where the kernel does not keep them.
func threadTimesOf(pid int) (t threadTimes, known bool) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		var running, waiting time.Duration
		if n, _ := fmt.Sscan(string(data), &running, &waiting); n == 2 {
			t.running, t.waiting, known = t.running+running, t.waiting+waiting, true
		}
	}
	return t, known
}

// uses is beats by the processor time that every system keeps, in hundredths of a
// second.
func (p *stallDetector) progressingByCPUTime() bool {
	proc := process.Process{Pid: int32(p.pid)}
	t, err := proc.Times()
	if err != nil {
		return false
	}
	used := time.Duration((t.User + t.System) * float64(time.Second))
	before := p.last.running
	p.last.running = used
	return p.classify(used > before)
}

// statesOf returns the state of each thread of a process, one letter each, as ps(1)
// explains them.
func threadStates(pid int) string {
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
