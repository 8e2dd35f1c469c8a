package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

const (
	dashboard = "../../../packaging/grafana/dashboard.json"
	alerts    = "../../../packaging/prometheus/alerts.yml"
)

// exercised returns a scrape of an agent in which every event has occurred once, so
// that every series exists.
func exercised(t *testing.T) string {
	t.Helper()
	m := busy([]queue.Task{{State: queue.StateFailed, Reason: "encoder", Created: time.Now()}}, nil)
	m.Stage(queue.StateRendering, time.Second)
	m.Ended(task.View{State: queue.StateDone, Seconds: 1, Before: 10, After: 2, Frames: 3, Duration: 1000})
	m.Core("heartbeat", "ok", time.Second)
	m.Storage("put", "ok", time.Second)
	m.FFmpeg("join", time.Second)
	m.Notification("webhook", true)
	return scrape(t, m)
}

// expressions returns the queries of the dashboard.
func expressions(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("the panel %q has no query", p.Title)
		}
		for _, q := range p.Targets {
			all = append(all, q.Expr)
		}
	}
	return all
}

// TestDashboardAndAlertsUseWhatExists: they use only metrics and labels that exist, and
// each of the agent's own metrics is used by one of them.
func TestDashboardAndAlertsUseWhatExists(t *testing.T) {
	rules, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	text := exercised(t)
	labels := map[string]string{} // by name of the series, as scraped
	for _, m := range regexp.MustCompile(`(?m)^(jumpserver_video_\w+)(\{.*\})? `).FindAllStringSubmatch(text, -1) {
		labels[m[1]] += m[2]
	}
	if len(labels) < 20 {
		t.Fatalf("scraped %d names only", len(labels))
	}
	used := map[string]bool{}
	selector := regexp.MustCompile(`(jumpserver_video_\w+)(\{[^}]*\})?`)
	label := regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	for _, expression := range append(expressions(t), string(rules)) {
		for _, m := range selector.FindAllStringSubmatch(expression, -1) {
			has, ok := labels[m[1]]
			if !ok {
				t.Errorf("there is no metric %s", m[1])
			}
			used[m[1]] = true
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if l[1] != "instance" && !strings.Contains(has, l[1]+`="`) {
					t.Errorf("%s has no label %s", m[1], l[1])
				}
			}
		}
	}
	for name := range labels {
		if strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") {
			continue // parts of histograms, whose buckets are used
		}
		if !used[name] {
			t.Errorf("neither dashboard nor alerts use %s", name)
		}
	}
}

func findPromtool(t *testing.T) string {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		promtool, err = exec.LookPath("../../../.cache/bin/promtool")
	}
	if err != nil {
		t.Skip("no promtool in PATH or .cache/bin: rules and names are not checked by it (make .cache/bin/promtool)")
	}
	return promtool
}

// TestPromtoolAccepts: promtool accepts the rules, the queries of the dashboard, and a
// scrape.
func TestPromtoolAccepts(t *testing.T) {
	promtool := findPromtool(t)
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", alerts).CombinedOutput(); err != nil {
		t.Errorf("rules: %v\n%s", err, out)
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(exercised(t))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("metrics: %v\n%s", err, out)
	}
	// To promtool, queries are rules once Grafana's variables are replaced.
	fill := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d", "$instance", ".*")
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, expression := range expressions(t) {
		quoted, err := json.Marshal(fill.Replace(expression))
		if err != nil {
			t.Fatal(err)
		}
		rules.WriteString("  - record: query" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "\n    expr: " + string(quoted) + "\n")
	}
	file := t.TempDir() + "/dashboard.yml"
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("queries: %v\n%s", err, out)
	}
}
