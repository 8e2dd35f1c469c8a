package main

import (
	"strings"
	"testing"
)

// TestOneLineAtTheStartWhateverTheLogLevel: JumpServer's config.txt sets ERROR, and a service
// that logs nothing cannot be distinguished from a dead one.
func TestOneLineAtTheStartWhateverTheLogLevel(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["LOG_LEVEL"] = "ERROR # as JumpServer's"
	l.startHealthy()
	l.stop()
	lines := strings.Split(strings.TrimSpace(l.agent.Log()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "starting") || !strings.Contains(lines[0], "log_level=ERROR") || !strings.Contains(lines[0], version) {
		t.Errorf("%q", lines)
	}
}
