package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSleepsHaveAReason: a test waits for events. If it waits for a time, it uses the
// virtual time of testing/synctest, or says in a comment why no event will do.
func TestSleepsHaveAReason(t *testing.T) {
	const root = "../.."
	var tests []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, "_test.go") {
			tests = append(tests, path)
		}
		return err
	})
	if err != nil || len(tests) < 200 {
		t.Fatalf("%d tests: %v", len(tests), err)
	}
	for _, path := range tests {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"testing/synctest"`) {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			if _, after, sleeps := strings.Cut(line, "time.Sleep("); sleeps && !strings.Contains(after, " // ") {
				t.Errorf("%s:%d: a sleep without a reason", path, i+1)
			}
		}
	}
}
