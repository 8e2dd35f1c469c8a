package watcher

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAVolumeThatWasThereIsAwayAndNotNone, also for later agents with the same data
// folder.
func TestAVolumeThatWasThereIsAwayAndNotNone(t *testing.T) {
	dir, data := filepath.Join(t.TempDir(), "media", "replay"), t.TempDir()
	start := func(dir string) *Mount {
		t.Helper()
		m, err := NewMount(dir, data)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	check := func(m *Mount, want string) {
		t.Helper()
		err := m.Look()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
		if none := errors.Is(err, ErrNoVolume); none != m.None() || none == m.Known() {
			t.Errorf("%v: none %v, known %v", err, m.None(), m.Known())
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := start(dir)
	if m.None() {
		t.Error("it was not looked at yet")
	}
	check(m, "never did")
	check(start(dir), "never did")
	must(os.MkdirAll(dir, 0o755)) // of a new JumpServer
	check(m, "")
	must(os.Remove(dir))
	check(m, "no longer exists, but did before")
	check(start(dir), "no longer exists, but did before")
	must(os.MkdirAll(filepath.Join(dir, "2026-11-28"), 0o755))
	check(start(dir), "")
	must(os.Remove(filepath.Join(dir, "2026-11-28")))
	check(start(dir), "is empty, but was not before")
	check(start(filepath.Join(t.TempDir(), "other")), "never did")
	check(start(""), "there is no replay volume")
	must(os.WriteFile(filepath.Join(data, mountFile), []byte("damaged"), 0o600))
	must(os.Remove(dir))
	check(start(dir), "no longer exists, but did before")
	// The state of agents of earlier releases.
	must(os.Remove(filepath.Join(data, mountFile)))
	must(os.WriteFile(filepath.Join(data, StateFile), []byte(`{"root":"`+dir+`","epoch":"x","days":{"2026-11-28":{}}}`), 0o600))
	check(start(dir), "no longer exists, but did before")
}

// TestWhatCannotBeRememberedIsNotUsed: after a restart the volume would be taken
// for one that never existed.
func TestWhatCannotBeRememberedIsNotUsed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	m, err := NewMount(t.TempDir(), data)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Look(); err == nil || !strings.Contains(err.Error(), "record that") {
		t.Error(err)
	}
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Look(); err != nil {
		t.Error(err)
	}
}
