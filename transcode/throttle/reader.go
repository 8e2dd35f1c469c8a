package throttle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/process"
)

// Reading is the CPU use up to a moment.
type Reading struct {
	At    time.Time
	Busy  time.Duration // CPU time of all processes since the host started
	Ours  time.Duration // CPU time of this process and its children, including ended ones
	Load  float64       // load average of the last minute
	Cores float64       // processors of the host
	Quota float64       // maximum number of processors that we may use; Cores if there is no limit
}

// Reader reads the CPU use. Implementations need not be safe for concurrent use.
type Reader interface {
	Read(ctx context.Context) (Reading, error)
}

// Host reads this machine.
type Host struct {
	cores float64
	quota float64
	look  time.Time // when the quota was last read
}

// quotaEvery is how often the quota is read: orchestrators change it in place.
const quotaEvery = 30 * time.Second

// Read returns the use up to now. It returns an error if /proc cannot be read.
func (h *Host) Read(ctx context.Context) (Reading, error) {
	if time.Since(h.look) > quotaEvery {
		n, err := cpu.CountsWithContext(ctx, true)
		if err != nil {
			return Reading{}, fmt.Errorf("number of processors: %w", err)
		}
		h.cores, h.look = float64(n), time.Now()
		h.quota = min(h.cores, cgroupQuota("/proc/self"))
	}
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) != 1 {
		return Reading{}, fmt.Errorf("processor times: %w", err)
	}
	r := Reading{At: time.Now(), Cores: h.cores, Quota: h.quota}
	// Time that a hypervisor takes away counts as use by others. Time of guests is
	// included in User.
	t := times[0]
	r.Busy = seconds(t.User + t.Nice + t.System + t.Irq + t.Softirq + t.Steal)
	if r.Ours, err = ours(ctx); err != nil {
		return Reading{}, err
	}
	if avg, err := load.AvgWithContext(ctx); err == nil {
		r.Load = avg.Load1
	}
	return r, nil
}

// ours returns the CPU time of this process and all its children.
func ours(ctx context.Context) (time.Duration, error) {
	self, err := usage(syscall.RUSAGE_SELF)
	if err != nil {
		return 0, err
	}
	// If a child is waited for meanwhile, its time moves from one sum to the other:
	// then read again.
	for range 3 {
		ended, err := usage(syscall.RUSAGE_CHILDREN)
		if err != nil {
			return 0, err
		}
		var live time.Duration
		for _, pid := range children(ctx) {
			proc := process.Process{Pid: pid}
			if t, err := proc.TimesWithContext(ctx); err == nil {
				live += seconds(t.User + t.System)
			}
		}
		again, err := usage(syscall.RUSAGE_CHILDREN)
		if err != nil || again == ended {
			return self + ended + live, err
		}
	}
	return 0, fmt.Errorf("children come and go too fast to be counted")
}

func usage(who int) (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0, fmt.Errorf("own processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// children returns the processes that this one has started. gopsutil's own function
// would start another process each time.
func children(ctx context.Context) []int32 {
	var pids []int32
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.ParseInt(field, 10, 32); err == nil {
				pids = append(pids, int32(pid))
			}
		}
	}
	if len(files) > 0 {
		return pids
	}
	// The kernel does not have that file.
	all, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil
	}
	for _, pid := range all {
		proc := process.Process{Pid: pid}
		if parent, err := proc.PpidWithContext(ctx); err == nil && int(parent) == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
