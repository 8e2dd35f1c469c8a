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
	ioBestEffort = 2 << 13 // plus 0, first, to 7, last
	ioIdle       = 3 << 13
)

// Yield makes every thread of this process, and all that they start, give
// way to others: niceness as given, and the last place for I/O short of the
// idle class. That one, and the idle scheduling class, are for children only
// ([YieldChild]): the queue's disk writes and the heartbeats to core are this
// process's, and must get through on a host that others keep fully busy.
// What the system refuses is left as it is.
func Yield(nice int) {
	// Threads that start meanwhile inherit from one that may not have been
	// changed yet: a second look finds them.
	for range 2 {
		for _, tid := range threads("self") {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, tid, nice)
			setIO(tid, ioBestEffort|7)
		}
	}
}

// YieldChild makes a process that was started just now run only when nobody
// else wants the processors or the disk. What the system refuses is left as
// it is.
func YieldChild(pid int) {
	for _, tid := range threads(strconv.Itoa(pid)) {
		setIO(tid, ioIdle)
		// Not SetPriority alone: the class sets how often it is let in, too.
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
