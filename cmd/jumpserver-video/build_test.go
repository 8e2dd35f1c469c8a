package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
)

// TestAnAgentThatCannotBeBuiltGivesBackWhatItTook: if newAgent fails, it releases the lock of
// the data folder and the queue, so that the next agent can use them. close releases them,
// too.
func TestAnAgentThatCannotBeBuiltGivesBackWhatItTook(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{
		"DATA_DIR": dir, "REPLAY_DIR": "", "CORE_HOST": "http://127.0.0.1:9", "BOOTSTRAP_TOKEN": "boot-secret", "QUEUE_URL": "", "SPOOL_DIR": "",
	} {
		t.Setenv(name, value)
	}
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	build := func() (*agent, error) { return newAgent(t.Context(), cfg, defaultOptions(), log) }

	spool := filepath.Join(dir, "spool")
	if err := os.WriteFile(spool, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := build(); err == nil || !strings.Contains(err.Error(), "spool of uploads") {
		t.Fatalf("a file in place of the spool: %v, %v", a, err)
	}
	if err := os.Remove(spool); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a, err := build()
		if err != nil {
			t.Fatal(err)
		}
		if other, err := build(); err == nil || !strings.Contains(err.Error(), "another agent uses") {
			t.Errorf("beside another agent: %v, %v", other, err)
		}
		a.close()
		a.close() // a second call does nothing
	}
}

// TestTheLeaseIsNotShownToPeople: all agents of a queue must use the same lease, and only
// tests have a reason to change it.
func TestTheLeaseIsNotShownToPeople(t *testing.T) {
	var out bytes.Buffer
	a := newApp(&out, &out)
	if code := a.run(t.Context(), []string{"agent", "--help"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	if !strings.Contains(out.String(), "--config") || strings.Contains(out.String(), "lease") {
		t.Error(out.String())
	}
}
