package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// TestDocsExplainMetricsAndAlerts: the documentation explains all of them, and no others,
// in each language. Alerts are in the table of their severity.
func TestDocsExplainMetricsAndAlerts(t *testing.T) {
	exist := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (jumpserver_video_\w+) `).FindAllStringSubmatch(exercised(t), -1) {
		exist[m[1]] = true
	}
	rules := alertRules(t)
	for _, dir := range []string{"", "ru/", "zh-CN/"} {
		file := "../../../docs/" + dir + "monitoring.md"
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, m := range regexp.MustCompile(`jumpserver_video_\w+`).FindAllString(text, -1) {
			if m = strings.TrimSuffix(m, "_bucket"); !exist[m] && m != "jumpserver_video_last_success" { // prefix of a name
				t.Errorf("%s: there is no metric %s", file, m)
			}
		}
		for name := range exist {
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("%s does not explain %s", file, name)
			}
		}
		page, ticket, _ := strings.Cut(text, "severity: warning")
		of := map[string]string{"critical": page, "warning": ticket}
		for _, rule := range rules {
			for severity, table := range of {
				if listed := strings.Contains(table, "\n| "+rule.Alert+" |"); listed != (rule.Labels["severity"] == severity) {
					t.Errorf("%s: %s is %s; among those: %t", file, rule.Alert, rule.Labels["severity"], listed)
				}
			}
		}
		for _, alert := range regexp.MustCompile(`\bJumpServerVideo\w+`).FindAllString(text, -1) {
			known := false
			for _, rule := range rules {
				known = known || rule.Alert == alert
			}
			if !known {
				t.Errorf("%s: there is no alert %s", file, alert)
			}
		}
		for _, reasons := range upload.Reasons {
			for _, reason := range reasons {
				if !strings.Contains(text, "`"+reason+"`") {
					t.Errorf("%s does not explain the reason %s of uploads", file, reason)
				}
			}
		}
	}
}
