package coreapi

import (
	"math"
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestHeartbeatIsWhatCoreTakes(t *testing.T) {
	var got map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = decode(t, r.Body)
		reply(w, 201, `[{"id":"1","name":"kill_session","args":"s","kwargs":{"terminated_by":"x"},"is_finished":false}]`)
	})
	for _, tt := range []struct {
		stat Stat
		want map[string]any
	}{
		{
			Stat{CPULoad: 0.42, MemoryUsed: 37.5, DiskUsed: 61},
			map[string]any{"sessions": []any{}, "session_online": 0.0, "cpu_load": 0.42, "memory_used": 37.5, "disk_used": 61.0},
		},
		{
			Stat{Sessions: []string{"s"}, CPULoad: -1, MemoryUsed: math.NaN(), DiskUsed: math.Inf(1)},
			map[string]any{"sessions": []any{"s"}, "session_online": 1.0, "cpu_load": 0.0, "memory_used": 0.0, "disk_used": 0.0},
		},
	} {
		tasks, err := c.Heartbeat(t.Context(), tt.stat)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]TerminalTask{{ID: "1", Name: "kill_session", Args: "s"}}, tasks); diff != "" {
			t.Error(diff)
		}
	}
}

func TestGaugesAreMeasuredAndInRange(t *testing.T) {
	s := ReadGauges(t.Context(), t.TempDir())
	if s.MemoryUsed <= 0 || s.MemoryUsed > 100 || s.DiskUsed <= 0 || s.DiskUsed > 100 || s.CPULoad < 0 {
		t.Errorf("%+v", s)
	}
	if s := ReadGauges(t.Context(), "/no/such/folder"); s.DiskUsed != 0 || s.MemoryUsed == 0 {
		t.Errorf("without the folder: %+v", s)
	}
}

func TestMemoryIsMeasuredAgainstTheTightestGroup(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for _, tt := range []struct {
		name string
		fs   fstest.MapFS
		want float64
	}{
		{"no groups", fstest.MapFS{}, 0},
		{"v2 container", fstest.MapFS{
			"proc/self/cgroup":             file("0::/\n"),
			"sys/fs/cgroup/memory.max":     file("1000\n"),
			"sys/fs/cgroup/memory.current": file("700\n"),
			"sys/fs/cgroup/memory.stat":    file("anon 300\ninactive_file 200\nactive_file 100\n"),
		}, 50},
		{"v2 service in a tighter slice", fstest.MapFS{
			"proc/self/cgroup": file("0::/system.slice/jv.service\n"),
			"sys/fs/cgroup/system.slice/jv.service/memory.max":     file("1000\n"),
			"sys/fs/cgroup/system.slice/jv.service/memory.current": file("100\n"),
			"sys/fs/cgroup/system.slice/memory.max":                file("2000\n"),
			"sys/fs/cgroup/system.slice/memory.current":            file("1800\n"),
		}, 90},
		{"v2 without limit", fstest.MapFS{
			"proc/self/cgroup":             file("0::/\n"),
			"sys/fs/cgroup/memory.max":     file("max\n"),
			"sys/fs/cgroup/memory.current": file("700\n"),
		}, 0},
		{"v1 container that sees the host's path", fstest.MapFS{
			"proc/self/cgroup":                           file("9:name=systemd:/docker/x\n4:memory:/docker/x\n0::/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("1000\n"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes": file("400\n"),
			"sys/fs/cgroup/memory/memory.stat":           file("inactive_file 1\ntotal_inactive_file 150\n"),
		}, 25},
		{"v1 limit above the machine's memory is none", fstest.MapFS{
			"proc/self/cgroup":                           file("4:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes": file("400\n"),
		}, 0},
		{"cache larger than usage", fstest.MapFS{
			"proc/self/cgroup":             file("0::/../..\n"),
			"sys/fs/cgroup/memory.max":     file("1000"),
			"sys/fs/cgroup/memory.current": file("100"),
			"sys/fs/cgroup/memory.stat":    file("inactive_file 200\n"),
		}, 0},
		{"nonsense", fstest.MapFS{
			"proc/self/cgroup":             file("x\n0::/\n"),
			"sys/fs/cgroup/memory.max":     file("-5"),
			"sys/fs/cgroup/memory.current": file(""),
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := groupMemory(tt.fs, 1_000_000); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
