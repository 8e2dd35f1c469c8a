package steering

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func openAt(t *testing.T, file string) (*Steering, *[]Settings, *bytes.Buffer) {
	t.Helper()
	var applied []Settings
	var log bytes.Buffer
	status := Status{ConfiguredCPUTarget: 80, ConfiguredWorkers: 3, MaxWorkers: 16}
	s, err := Open(file, status, func(s Settings) { applied = append(applied, s) }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, &applied, &log
}

func TestChangesStayOverRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "steering.json")
	s, applied, _ := openAt(t, file)
	if len(*applied) > 0 || s.Status().Paused != nil {
		t.Errorf("a new agent: %v", *applied)
	}
	pause := Pause{Since: time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC), By: "root"}
	if _, err := s.Change(func(s *Settings) { s.Paused = &pause }); err != nil {
		t.Fatal(err)
	}
	got, err := s.Change(func(s *Settings) { s.CPUTarget, s.Workers = 30, 1 })
	want := Settings{Paused: &pause, CPUTarget: 30, Workers: 1}
	if d := cmp.Diff(want, got.Settings); d != "" || err != nil {
		t.Fatal(d, err)
	}
	if d := cmp.Diff([]Settings{{Paused: &pause}, want}, *applied); d != "" {
		t.Error(d)
	}
	again, applied, _ := openAt(t, file)
	if d := cmp.Diff([]Settings{want}, *applied); d != "" {
		t.Error(d)
	}
	if _, err := again.Change(func(s *Settings) { *s = Settings{} }); err != nil {
		t.Fatal(err)
	}
	last, _, _ := openAt(t, file)
	if d := cmp.Diff(Status{ConfiguredCPUTarget: 80, ConfiguredWorkers: 3, MaxWorkers: 16}, last.Status()); d != "" {
		t.Error(d)
	}
}

func TestWhatIsOutOfRangeChangesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "steering.json")
	s, applied, _ := openAt(t, file)
	for _, change := range []func(*Settings){
		func(s *Settings) { s.CPUTarget = 101 },
		func(s *Settings) { s.CPUTarget = -1 },
		func(s *Settings) { s.Workers = 17 },
		func(s *Settings) { s.Workers = -1 },
	} {
		if got, err := s.Change(change); !errors.Is(err, ErrRange) || got.Settings != (Settings{}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := os.Stat(file); len(*applied) > 0 || err == nil {
		t.Errorf("%v, %v", *applied, err)
	}
}

func TestAChangeThatCannotBeStoredIsNotMade(t *testing.T) {
	s, applied, _ := openAt(t, filepath.Join(t.TempDir(), "missing", "steering.json"))
	if got, err := s.Change(func(s *Settings) { s.Workers = 2 }); err == nil || got.Workers != 0 || len(*applied) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnInvalidFileIsIgnored(t *testing.T) {
	for _, text := range []string{"", "{", `{"workers": 1000}`, `{"cpu_target": "many"}`} {
		file := filepath.Join(t.TempDir(), "steering.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, applied, log := openAt(t, file)
		if s.Status().Settings != (Settings{}) || len(*applied) > 0 || !bytes.Contains(log.Bytes(), []byte("is invalid")) {
			t.Errorf("%q: %+v, %s", text, s.Status(), log)
		}
	}
}
