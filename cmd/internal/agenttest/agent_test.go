package agenttest

import (
	"net/http"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// TestARealAgent starts an agent, sends requests to it, kills it, starts it again
// on the same address, and stops it. The agent must not get the caller's settings.
func TestARealAgent(t *testing.T) {
	binary, remove, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	t.Setenv("CPU_TARGET", "no number")
	a := InTest(t, Options{Binary: binary, Core: &devcore.Options{Version: "4.10.13"}, Env: map[string]string{"SCAN_INTERVAL": "1s"}})
	a.Check(t, a.Start())
	a.Check(t, a.WaitHealthy(t.Context()))
	if n, err := a.Metric(t.Context(), "jumpserver_video_build_info", `version="dev"`); err != nil || n != 1 {
		t.Errorf("version: %v, %v", n, err)
	}
	if tasks, err := a.Tasks(t.Context()); err != nil || len(tasks) != 0 {
		t.Errorf("tasks: %v, %v", tasks, err)
	}
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	if status, took := a.Health(t.Context()); status != 0 {
		t.Errorf("a killed agent responded with %d within %s", status, took)
	}
	a.Check(t, a.Start())
	a.Check(t, a.WaitHealthy(t.Context()))
	if status, _, err := a.Get(t.Context(), "/video-worker/", http.Header{"X-Forwarded-For": {"203.0.113.9"}}); err != nil || status != http.StatusOK {
		t.Errorf("status page: %d, %v", status, err)
	}
	a.Check(t, a.Stop())
	if strays := a.Strays(); len(strays) > 0 {
		t.Error(strays)
	}
}

func TestMetricsAreReadByNameAndLabels(t *testing.T) {
	const text = `# HELP tasks Tasks.
# TYPE tasks gauge
tasks{reason="",state="done"} 8
tasks{reason="kind",state="skipped"} 2
tasks{reason="session",state="skipped"} 3
tasks_total 99
up 1
seconds 1.7e+09
`
	for _, tc := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"tasks", nil, 13}, {"tasks", []string{`state="skipped"`}, 5}, {"tasks", []string{`state="skipped"`, `reason="kind"`}, 2},
		{"tasks", []string{`state="failed"`}, 0}, {"tasks_total", nil, 99}, {"up", nil, 1}, {"seconds", nil, 1.7e9},
	} {
		if got, err := metric(text, tc.name, tc.labels); err != nil || got != tc.want {
			t.Errorf("%s%v: %v, %v", tc.name, tc.labels, got, err)
		}
	}
	for _, name := range []string{"task", "state", ""} {
		if got, err := metric(text, name, nil); err == nil {
			t.Errorf("%q: %v", name, got)
		}
	}
}
