package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestReferenceAndReadmeAreInStep: every setting is in the commented
// reference with its default, and in the README's table.
func TestReferenceAndReadmeAreInStep(t *testing.T) {
	reference, err := os.ReadFile("../../packaging/config.txt")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# ([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(reference), -1) {
		documented[m[1]] = m[2]
	}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		tag := fields.Field(i).Tag
		name := tag.Get("envconfig")
		if value, ok := documented[name]; !ok || value != tag.Get("default") {
			t.Errorf("packaging/config.txt says %s=%q, the default is %q", name, value, tag.Get("default"))
		}
		delete(documented, name)
		if !regexp.MustCompile(`(?m)^\|[^|]*\b` + name + `\b`).Match(readme) {
			t.Errorf("README.md has no row for %s", name)
		}
		if d := tag.Get("default"); d != "" && !strings.Contains(string(readme), d) {
			t.Errorf("README.md does not tell the default %q of %s", d, name)
		}
	}
	for name := range documented {
		t.Errorf("packaging/config.txt has %s, which is no setting", name)
	}
}
