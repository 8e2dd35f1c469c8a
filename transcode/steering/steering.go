// Package steering keeps the settings that an operator changes while the agent runs:
// whether it is paused, its CPU target, and how many recordings it works on at once.
//
// Changes are stored in a file in the data folder, and stay in force over restarts until
// they are reset. Each agent of a shared queue has its own.
package steering

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// Settings replace those of the configuration. For a zero value, the configuration is in
// force.
type Settings struct {
	Paused    *Pause `json:"paused,omitempty"`     // nil = not paused
	CPUTarget int    `json:"cpu_target,omitempty"` // percent of the host's processors, 1 to 100
	Workers   int    `json:"workers,omitempty"`    // recordings at once, 1 to Status.MaxWorkers
}

// Pause says since when all work is paused, and who requested it.
type Pause struct {
	Since time.Time `json:"since"`
	By    string    `json:"by"`
}

// Status has the settings in force and those of the configuration.
type Status struct {
	Settings
	ConfiguredCPUTarget int `json:"configured_cpu_target"`
	ConfiguredWorkers   int `json:"configured_workers"`
	MaxWorkers          int `json:"max_workers"`
}

// ErrRange means that a setting is out of its range.
var ErrRange = errors.New("out of range")

// Steering stores settings in a file and puts them into force. It is safe for concurrent
// use.
type Steering struct {
	file   string
	status Status // with the configuration only
	apply  func(Settings)

	mu  sync.Mutex
	now Settings // guarded by mu
}

// Open reads the settings of an earlier run from file and puts them into force. status
// has those of the configuration. apply is called with the settings after each change, by
// one goroutine at a time. If the file is invalid, Open logs a warning and ignores it: the
// configuration is then in force.
func Open(file string, status Status, apply func(Settings), log *slog.Logger) (*Steering, error) {
	s := &Steering{file: file, status: status, apply: apply}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("read the operator's settings: %w", err)
	}
	var stored Settings
	if err = json.Unmarshal(data, &stored); err == nil {
		err = s.check(stored)
	}
	if err != nil {
		log.Warn("the file with the operator's settings is invalid; using the configuration", "file", file, "error", err)
		return s, nil
	}
	s.now = stored
	apply(stored)
	return s, nil
}

// Status returns the settings in force and those of the configuration.
func (s *Steering) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Settings = s.now
	return status
}

// Change changes the settings, and returns the status after that. If it returns an error,
// nothing has changed: [ErrRange], or an error of writing the file.
func (s *Steering) Change(change func(*Settings)) (Status, error) {
	s.mu.Lock()
	next := s.now
	change(&next)
	err := s.check(next)
	if err == nil {
		err = s.save(next)
	}
	if err == nil {
		s.now = next
		s.apply(next)
	}
	s.mu.Unlock()
	return s.Status(), err
}

func (s *Steering) check(next Settings) error {
	switch {
	case next.CPUTarget < 0 || next.CPUTarget > 100:
		return fmt.Errorf("%w: the CPU target must be 1 to 100 percent, or 0 for the configured one", ErrRange)
	case next.Workers < 0 || next.Workers > s.status.MaxWorkers:
		return fmt.Errorf("%w: the number of workers must be 1 to %d, or 0 for the configured one", ErrRange, s.status.MaxWorkers)
	}
	return nil
}

func (s *Steering) save(next Settings) error {
	data, err := json.MarshalIndent(next, "", "  ")
	if err == nil {
		err = durable.WriteFile(s.file, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("store the operator's settings: %w", err)
	}
	return nil
}
