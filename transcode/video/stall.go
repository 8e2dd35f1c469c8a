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

// stallDetector reports whether a process uses the CPU as far as the scheduler
// allows. A starved process gets little CPU time for long, especially in the idle
// scheduling class, but it waits in the run queue. A process that hangs waits for
// something else.
type stallDetector struct {
	pid       int
	last      threadTimes
	diskWaits int // calls in a row that found the process waiting for a disk
}

// maxDiskWaits is how many times in a row a process may be found waiting only for a
// disk: two minutes with stallTimeout. On a busy disk, writes can wait that long.
const maxDiskWaits = 24

// threadTimes holds how long all threads of a process together have run and have
// waited in the run queue.
type threadTimes struct{ running, waiting time.Duration }

// minProgress is the minimum CPU time, or time in the run queue, that counts as
// progress. A process that hangs may still wake up sometimes.
const minProgress = time.Millisecond

// progressing reports whether the process has run, or waited in the run queue, since
// the last call, or does so now.
func (s *stallDetector) progressing() bool {
	now, known := threadTimesOf(s.pid)
	if !known {
		return s.progressingByCPUTime()
	}
	before := s.last
	s.last = now
	// The times of a thread disappear when it exits.
	moved := now.running-before.running >= minProgress || now.waiting-before.waiting >= minProgress || now.running < before.running || now.waiting < before.waiting
	return s.classify(moved)
}

// classify returns the result of progressing. A process that has moved, or can run,
// is progressing. A process that waits for a disk is, for some time.
func (s *stallDetector) classify(moved bool) bool {
	states := threadStates(s.pid)
	switch {
	case moved, strings.ContainsAny(states, "RT"): // running or in the run queue; stopped by a signal
		s.diskWaits = 0
		return true
	case strings.Contains(states, "D"): // uninterruptible sleep: a disk
		s.diskWaits++
		return s.diskWaits <= maxDiskWaits
	}
	return false
}

// threadTimesOf reads the times of a process from /proc/PID/task/*/schedstat, in
// nanoseconds. known is false if the kernel does not provide them.
func threadTimesOf(pid int) (t threadTimes, known bool) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has exited
		}
		var running, waiting time.Duration
		if n, _ := fmt.Sscan(string(data), &running, &waiting); n == 2 {
			t.running, t.waiting, known = t.running+running, t.waiting+waiting, true
		}
	}
	return t, known
}

// progressingByCPUTime is progressing with the CPU time that every kernel provides,
// in hundredths of a second.
func (s *stallDetector) progressingByCPUTime() bool {
	proc := process.Process{Pid: int32(s.pid)}
	t, err := proc.Times()
	if err != nil {
		return false
	}
	used := time.Duration((t.User + t.System) * float64(time.Second))
	before := s.last.running
	s.last.running = used
	return s.classify(used > before)
}

// threadStates returns the states of the threads of a process, one letter each, as in
// ps(1).
func threadStates(pid int) string {
	var states strings.Builder
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has exited
		}
		// Format: 4711 (name, which may contain anything) R ...
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
		state, _, _ := strings.Cut(rest, " ")
		states.WriteString(state)
	}
	return states.String()
}
