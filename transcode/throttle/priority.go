package throttle

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's numbers for I/O priorities (ioprio_set(2)).
const (
	ioWhoProcess = 1
	ioBestEffort = 2 << 13 // plus 0 (first) to 7 (last)
	ioIdle       = 3 << 13
)

// Yield lowers the priority of every thread of this process, and of all that they
// start: the given niceness, and the lowest I/O priority above the idle class. The
// idle I/O class and the idle scheduling class are for children only
// ([YieldChild]). This process writes the queue to disk and sends heartbeats to
// core, which must work on a host that others keep fully busy. If the system
// refuses a change, nothing happens.
func Yield(nice int) {
	// Threads that start meanwhile inherit from one that may not have been changed
	// yet: a second pass finds them.
	for range 2 {
		for _, tid := range threads("self") {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, tid, nice)
			setIO(tid, ioBestEffort|7)
		}
	}
}

// YieldChild makes a process that was just started run only when no other process
// needs the processors or the disk. If the system refuses a change, nothing
// happens.
func YieldChild(pid int) {
	for _, tid := range threads(strconv.Itoa(pid)) {
		setIO(tid, ioIdle)
		// SetPriority alone is not enough: the class also decides how often the
		// process runs.
		_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE, Nice: 19}, 0)
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, tid, 19)
	}
}

func setIO(tid, priority int) {
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioWhoProcess, uintptr(tid), uintptr(priority))
}

// threads lists the threads of a process.
func threads(pid string) []int {
	entries, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil {
		return nil
	}
	var tids []int
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids
}
