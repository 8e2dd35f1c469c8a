package render

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v3/mem"
	"golang.org/x/sync/semaphore"
)

// largeScreens allows only one recording with a large screen at a time to use the
// memory that it found free.
var largeScreens = semaphore.NewWeighted(1)

// freeMemory returns how much memory this process may still allocate, in bytes,
// according to the host and to its control groups.
func freeMemory() uint64 {
	free := uint64(math.MaxUint64)
	if host, err := mem.VirtualMemory(); err == nil {
		free = host.Available
	}
	return min(free, groupMemory("/proc/self/cgroup", "/sys/fs/cgroup"))
}

// groupMemory returns how much memory a process's control groups leave it, from its
// own group to the outermost visible one; infinity without a limit.
func groupMemory(groups, mount string) uint64 {
	free := uint64(math.MaxUint64)
	text, err := os.ReadFile(groups)
	if err != nil {
		return free
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // id:controllers:path
		if len(part) != 3 {
			continue
		}
		top, names := mount, []string{"memory.max", "memory.high"}
		used, cache := "memory.current", "inactive_file"
		if part[1] != "" { // version 1 of control groups
			if part[1] != "memory" {
				continue
			}
			top, names = filepath.Join(mount, "memory"), []string{"memory.limit_in_bytes"}
			used, cache = "memory.usage_in_bytes", "total_inactive_file"
		}
		for dir := filepath.Join(top, part[2]); len(dir) >= len(top); dir = filepath.Dir(dir) {
			// The page cache is freed when memory is needed.
			taken := number(dir, used)
			taken -= min(taken, stat(dir, cache))
			for _, name := range names {
				if limit := number(dir, name); limit > 0 {
					free = min(free, limit-min(limit, taken))
				}
			}
		}
	}
	return free
}

// number returns the number in a file; 0 if the file has no number.
func number(dir, name string) uint64 {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil { // "max"
		return 0
	}
	return n
}

// stat returns a number of a group's memory.stat.
func stat(dir, key string) uint64 {
	text, err := os.ReadFile(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == key {
			n, _ := strconv.ParseUint(value, 10, 64)
			return n
		}
	}
	return 0
}
