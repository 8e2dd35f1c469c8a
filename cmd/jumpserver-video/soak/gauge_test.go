package soak

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// gauge is a measurement of the agent's resources.
type gauge struct {
	memory     uint64 // bytes resident, without its children
	goroutines int
	files      int // open file descriptors
	children   int
	temps      int // files in its temporary folder, work folder and spool
}

func (g gauge) String() string {
	return fmt.Sprintf("%4d MB, %4d goroutines, %3d file descriptors, %d children, %d temporary files", g.memory>>20, g.goroutines, g.files, g.children, g.temps)
}

func (s *simulation) measure(ctx context.Context) (g gauge, err error) {
	pid := s.pid()
	p := process.Process{Pid: pid}
	info, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return g, err
	}
	files, err := p.NumFDsWithContext(ctx)
	if err != nil {
		return g, err
	}
	g.memory, g.files, g.children = info.RSS, int(files), len(family(pid))-1
	for _, dir := range []string{s.agent.Temp(), s.agent.Data("work"), s.agent.Data("spool")} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "done" { // finished uploads in the spool
				return fs.SkipDir
			}
			if err == nil && path != dir { // files that were just removed are not counted
				g.temps++
			}
			return nil
		})
	}
	goroutines, err := s.agent.Metric(ctx, "go_goroutines")
	g.goroutines = int(goroutines)
	return g, err
}

// family returns the processes of the agent's session, including the agent.
func family(session int32) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		// pid (name) state ppid pgrp session …
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 3 && fields[0] != "Z" && fields[3] == strconv.Itoa(int(session)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sample is a gauge, with how fast the agent responded.
type sample struct {
	gauge
	at       time.Time
	health   time.Duration
	status   int
	lifetime time.Duration // of the process
}

// watch measures once per second until ctx ends.
func (s *simulation) watch(ctx context.Context) (all []sample) {
	for ; ctx.Err() == nil; agenttest.Pause(ctx, time.Second) {
		pid := s.pid()
		now := sample{at: time.Now()}
		now.status, now.health = s.agent.Health(ctx)
		g, err := s.measure(ctx)
		created, createdErr := (&process.Process{Pid: pid}).CreateTimeWithContext(ctx)
		if err != nil || createdErr != nil || pid != s.pid() { // killed meanwhile
			continue
		}
		now.gauge, now.lifetime = g, time.Since(time.UnixMilli(created))
		all = append(all, now)
	}
	return all
}

// idle waits until the agent has no task in progress, and then measures it.
func (s *simulation) idle(ctx context.Context, patience time.Duration) (g gauge, err error) {
	for end := time.Now().Add(patience); ; agenttest.Pause(ctx, time.Second) {
		g, err = s.measure(ctx)
		if err == nil && g.children == 0 && g.temps == 0 {
			break
		}
		if time.Now().After(end) {
			return g, fmt.Errorf("not idle after %s: %s, %v", patience, g, err)
		}
	}
	// Connections that are kept open for a while are not leaks, so the minimum is used.
	var all []gauge
	for range 5 {
		agenttest.Pause(ctx, time.Second)
		if g, err = s.measure(ctx); err != nil {
			return g, err
		}
		all = append(all, g)
	}
	return slices.MinFunc(all, func(a, b gauge) int { return a.goroutines - b.goroutines }), nil
}
