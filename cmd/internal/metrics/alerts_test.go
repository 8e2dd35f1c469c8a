package metrics

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const alertsTest = "../../../packaging/prometheus/alerts_test.yml"

// alert is one rule of the file.
type alert struct {
	Alert       string
	Labels      map[string]string
	Annotations map[string]string
}

// alertRules reads all rules.
func alertRules(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	readYAML(t, alerts, &file)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%d rules only", len(all))
	}
	return all
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestAlertsFire: each alert is first quiet and then fires, as evaluated by promtool.
func TestAlertsFire(t *testing.T) {
	promtool := findPromtool(t)
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", alertsTest).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEveryAlertIsTested: a test shows that it is quiet, and one that it fires with the
// labels that its texts contain. It also has a severity.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Exprs []struct {
				Expr    string
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	readYAML(t, alertsTest, &file)
	names := regexp.MustCompile(`alertname="(\w+)"`)
	quiet, fires := map[string]bool{}, map[string][]string{}
	for _, test := range file.Tests {
		for _, e := range test.Exprs {
			name := names.FindStringSubmatch(e.Expr)
			if name == nil {
				t.Fatalf("%s is not about an alert", e.Expr)
			}
			quiet[name[1]] = quiet[name[1]] || len(e.Samples) == 0
			for _, sample := range e.Samples {
				fires[name[1]] = append(fires[name[1]], sample.Labels)
			}
		}
	}
	named := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, rule := range alertRules(t) {
		if !quiet[rule.Alert] || len(fires[rule.Alert]) == 0 {
			t.Errorf("%s: tests that it is quiet: %t; tests that it fires: %d", rule.Alert, quiet[rule.Alert], len(fires[rule.Alert]))
		}
		if !slices.Contains([]string{"critical", "warning"}, rule.Labels["severity"]) || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%+v", rule)
		}
		for _, text := range rule.Annotations {
			for _, label := range named.FindAllStringSubmatch(text, -1) {
				for _, labels := range fires[rule.Alert] {
					if !strings.Contains(labels, " "+label[1]+`="`) {
						t.Errorf("%s: its texts contain the label %s, but it fires with %s", rule.Alert, label[1], labels)
					}
				}
			}
		}
		delete(fires, rule.Alert)
	}
	if len(fires) > 0 {
		t.Errorf("tests of alerts that do not exist: %v", fires)
	}
}
