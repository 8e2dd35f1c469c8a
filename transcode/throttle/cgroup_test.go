package throttle

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCgroupQuota(t *testing.T) {
	for name, tc := range map[string]struct {
		groups, mounts string // DIR stands for the test's folder
		files          map[string]string
		want           float64
	}{
		"v2, own group": {
			"0::/app.slice/x.service\n", "30 1 0:26 / DIR rw - cgroup2 cgroup2 rw\n",
			map[string]string{"app.slice/x.service/cpu.max": "150000 100000\n"}, 1.5,
		},
		"v2, a group above is stricter": {
			"0::/app.slice/x.service\n", "30 1 0:26 / DIR rw - cgroup2 cgroup2 rw\n",
			map[string]string{"app.slice/x.service/cpu.max": "max 100000\n", "app.slice/cpu.max": "20000 100000\n"}, 0.2,
		},
		"v2, no limit": {
			"0::/\n", "30 1 0:26 / DIR rw - cgroup2 cgroup2 rw\n", nil, math.Inf(1),
		},
		"v2, namespace of a container": {
			"0::/../../other\n", "30 1 0:26 / DIR rw - cgroup2 cgroup2 rw\n", map[string]string{"cpu.max": "300000 100000"}, 3,
		},
		"v1, container sees its part": {
			"4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n",
			"29 1 0:25 /docker/1 /nowhere rw - cgroup cgroup rw,memory\n30 1 0:26 /docker/1 DIR ro,nosuid shared:1 - cgroup cgroup rw,cpu,cpuacct\n",
			map[string]string{"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}, 0.5,
		},
		"v1, no limit": {
			"3:cpu:/\n", "30 1 0:26 / DIR rw - cgroup cgroup rw,cpu\n",
			map[string]string{"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, math.Inf(1),
		},
		"cpuset is not cpu": {
			"3:cpuset:/\n", "30 1 0:26 / DIR rw - cgroup cgroup rw,cpuset\n",
			map[string]string{"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}, math.Inf(1),
		},
		"nonsense": {"what\n::\n", "ever\n - \n", nil, math.Inf(1)},
		"nothing":  {"", "", nil, math.Inf(1)},
	} {
		t.Run(name, func(t *testing.T) {
			dir, proc := t.TempDir(), t.TempDir()
			put := func(path, text string) {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			put(filepath.Join(proc, "cgroup"), tc.groups)
			put(filepath.Join(proc, "mountinfo"), tc.mounts)
			for file, text := range tc.files {
				put(filepath.Join(dir, file), text)
			}
			if got := cgroupQuota(proc); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
	if got := cgroupQuota(t.TempDir()); !math.IsInf(got, 1) {
		t.Errorf("%v without /proc", got)
	}
}

// TestARealGroupsQuota reads this process's quota from the kernel.
func TestARealGroupsQuota(t *testing.T) {
	before := cgroupQuota("/proc/self")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Skip(err)
	}
	_, point := cgroupMount(string(mounts), false)
	if point == "" {
		t.Skip("no cpu controller of version 1 here")
	}
	group := filepath.Join(point, "jumpserver-video-test")
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("control groups cannot be made here: %v", err)
	}
	t.Cleanup(func() { os.Remove(group) })
	if err := os.WriteFile(filepath.Join(group, "cpu.cfs_quota_us"), []byte("75000"), 0o644); err != nil {
		t.Skipf("no quotas here: %v", err)
	}
	sleeper := busyChild(t, "0")
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(sleeper.pid()), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := cgroupQuota("/proc/" + sleeper.pid()); got != 0.75 {
		t.Errorf("%v of a process with 0.75; %v without", got, before)
	}
}
