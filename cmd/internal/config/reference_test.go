package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReferenceIsInStep: the commented reference contains each setting with its default,
// and no other setting.
func TestReferenceIsInStep(t *testing.T) {
	documented := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# ([A-Z_]+)=(.*)$`).FindAllStringSubmatch(text(t, "packaging/config.txt"), -1) {
		documented[m[1]] = m[2]
	}
	if d := cmp.Diff(defaults(), documented); d != "" {
		t.Errorf("packaging/config.txt: %s", d)
	}
}

// TestTablesOfSettingsAreInStep: README.md has a row for each setting with its default, in
// the same order. The translations have the same rows.
func TestTablesOfSettingsAreInStep(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| ([A-Z][A-Z_]+(?:, [A-Z_]+)*) \|([^|]*)\| *[^| ]`)
	for _, name := range []string{"README.md", "README.zh-CN.md", "README.ru.md"} {
		documented := map[string]string{}
		for _, m := range row.FindAllStringSubmatch(text(t, name), -1) {
			values := strings.Split(strings.TrimSpace(m[2]), ", ")
			for i, setting := range strings.Split(m[1], ", ") {
				documented[setting] = ""
				if i < len(values) {
					documented[setting] = values[i]
				}
			}
		}
		want := defaults()
		want["NAME"] = documented["NAME"] // is described in words
		if d := cmp.Diff(want, documented); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// defaults returns the defaults of all settings, by name.
func defaults() map[string]string {
	all := map[string]string{}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		tag := fields.Field(i).Tag
		all[tag.Get("envconfig")] = tag.Get("default")
	}
	return all
}

// text returns the content of a file of the project.
func text(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
