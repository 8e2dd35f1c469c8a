package coreapi

import (
	"context"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
)

// ReadGauges measures this machine for a heartbeat: load per CPU, memory as limited
// by our control groups, and the filesystem of dir. A gauge that cannot be measured
// is 0.
func ReadGauges(ctx context.Context, dir string) Stat {
	var s Stat
	if l, err := load.AvgWithContext(ctx); err == nil {
		s.CPULoad = gauge(l.Load1 / float64(runtime.NumCPU()))
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		s.MemoryUsed = gauge(max(m.UsedPercent, groupMemory(os.DirFS("/"), m.Total)))
	}
	if d, err := disk.UsageWithContext(ctx, dir); err == nil {
		s.DiskUsed = gauge(d.UsedPercent)
	}
	return s
}

// hierarchy says where a version of control groups keeps the files that we read.
type hierarchy struct {
	controller                    string // second field of /proc/self/cgroup
	root                          string
	limit, usage, inactive, stats string
}

var hierarchies = []hierarchy{
	{"", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", "memory.stat"},
	{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.stat"},
}

// groupMemory returns how full, in percent, the fullest control group is among
// those that limit this process to less than total bytes. It returns 0 if there is
// no such group. Reclaimable pages of files do not count as used.
func groupMemory(root fs.FS, total uint64) float64 {
	list, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	var used float64
	for line := range strings.Lines(string(list)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // id:controllers:path
		if len(f) != 3 {
			continue
		}
		for _, h := range hierarchies {
			if f[1] != h.controller {
				continue
			}
			// In a container the path may be the host's and not exist here. Its
			// parents, up to the mounted root, are read anyway.
			for p := path.Clean("/" + f[2]); ; p = path.Dir(p) {
				used = max(used, h.used(root, path.Join(h.root, p), total))
				if p == "/" {
					break
				}
			}
		}
	}
	return used
}

// used returns how full one group is, in percent.
func (h hierarchy) used(root fs.FS, dir string, total uint64) float64 {
	limit, ok := number(root, path.Join(dir, h.limit))
	if !ok || limit == 0 || limit >= total {
		return 0
	}
	usage, ok := number(root, path.Join(dir, h.usage))
	if !ok {
		return 0
	}
	stats, _ := fs.ReadFile(root, path.Join(dir, h.stats)) // if it is missing, all memory counts as used
	for line := range strings.Lines(string(stats)) {
		if v, ok := strings.CutPrefix(line, h.inactive+" "); ok {
			if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 64); err == nil {
				usage -= min(n, usage)
			}
		}
	}
	return float64(usage) / float64(limit) * 100
}

// number reads a file that holds one number; "max" is not a number.
func number(root fs.FS, name string) (uint64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
