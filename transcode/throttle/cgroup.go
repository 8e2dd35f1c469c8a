package throttle

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupQuota returns the minimum number of processors that the control groups of a
// process allow, from its own group to the outermost visible one. It returns
// infinity if there is no limit. proc is the process's folder in /proc. It supports
// both versions of control groups. Go's own limit of threads follows the same
// quota, but is rounded up to whole processors, at least two.
func cgroupQuota(proc string) float64 {
	quota := math.Inf(1)
	groups, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return quota
	}
	mounts, err := os.ReadFile(filepath.Join(proc, "mountinfo"))
	if err != nil {
		return quota
	}
	for line := range strings.Lines(string(groups)) {
		// id:controllers:path; the controllers are empty in version 2.
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		v2 := part[1] == ""
		if !v2 && !has(part[1], "cpu") {
			continue
		}
		root, point := cgroupMount(string(mounts), v2)
		if point == "" {
			continue
		}
		// Inside a container, the mount may show only a part of the tree.
		below, err := filepath.Rel(root, part[2])
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			below = "."
		}
		for dir := filepath.Join(point, below); ; dir = filepath.Dir(dir) {
			quota = min(quota, dirQuota(dir, v2))
			if dir == point || len(dir) <= len(point) {
				break
			}
		}
	}
	return quota
}

// cgroupMount returns where the hierarchy of the cpu controller is mounted, and
// which part of it.
func cgroupMount(mountinfo string, v2 bool) (root, point string) {
	for line := range strings.Lines(mountinfo) {
		// id parent dev root point options fields... - type source superoptions
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		if v2 && r[0] == "cgroup2" || !v2 && r[0] == "cgroup" && has(r[2], "cpu") {
			return l[3], l[4]
		}
	}
	return "", ""
}

// dirQuota returns the quota of one group, in processors.
func dirQuota(dir string, v2 bool) float64 {
	if v2 { // "max 100000" or "50000 100000"
		f := strings.Fields(read(filepath.Join(dir, "cpu.max")))
		if len(f) != 2 {
			return math.Inf(1)
		}
		return ratio(f[0], f[1])
	}
	return ratio(read(filepath.Join(dir, "cpu.cfs_quota_us")), read(filepath.Join(dir, "cpu.cfs_period_us")))
}

// ratio returns quota/period; infinity if either is not a positive number.
func ratio(quota, period string) float64 {
	q, err1 := strconv.ParseFloat(strings.TrimSpace(quota), 64)
	p, err2 := strconv.ParseFloat(strings.TrimSpace(period), 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return q / p
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// has reports whether word is one of the comma-separated words of a list.
func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
