package main

import (
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"jumpserver-video/cmd/config"
	"jumpserver-video/cmd/metrics"
	"jumpserver-video/cmd/monitor"
	"jumpserver-video/coreapi"
	"jumpserver-video/transcode"
	"jumpserver-video/transcode/queue"
	"jumpserver-video/transcode/taskapi"
	"jumpserver-video/watcher"
)

// site is what the agent shows of itself to people, scripts and Prometheus.
type site struct {
	cfg     config.Config
	tasks   *queue.Queue
	core    *coreapi.Component
	volume  *watcher.Watcher // nil = none
	metrics *metrics.Metrics
	cpu     *monitor.CPU
	disks   map[string]*monitor.Disk // by what is on them
	log     *slog.Logger
}

// newSite prepares what is measured. Its parts are set by the caller.
func newSite(cfg config.Config, log *slog.Logger) *site {
	s := &site{
		cfg: cfg, log: log,
		metrics: metrics.New(metrics.Build{Version: version, Commit: commit, Date: date}),
		cpu:     &monitor.CPU{Target: int(cfg.CPUTarget)},
		disks:   map[string]*monitor.Disk{"data": {Dir: cfg.DataDir}},
	}
	if cfg.ReplayDir != "" {
		s.disks["replay"] = &monitor.Disk{Dir: cfg.ReplayDir}
	}
	return s
}

// run measures until ctx ends.
func (s *site) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.cpu.Run(ctx) })
	for _, disk := range s.disks {
		group.Go(func() error { return disk.Run(ctx) })
	}
	return group.Wait()
}

// register adds the task API and the metrics to the agent's server.
func (s *site) register(mux *http.ServeMux) {
	sources := metrics.Sources{
		Tasks: s.tasks.List, Settling: s.settling, Core: s.core.State, CPU: s.cpu.Status, Disks: map[string]func() monitor.Space{},
	}
	if s.volume != nil {
		sources.Volume = s.volume.Status
	}
	for holds, disk := range s.disks {
		sources.Disks[holds] = disk.Status
	}
	s.metrics.Watch(sources)

	token := string(s.cfg.StatusToken)
	api := &taskapi.Server{Queue: s.tasks, TasksDir: s.cfg.Dir("tasks"), Settling: s.settling, Token: token, Log: s.log}
	mux.Handle(taskapi.Prefix+"/", api.Handler())
	mux.Handle("GET "+metrics.Path, taskapi.Guard(token, s.metrics.Handler()))
}

// settling are the recordings that the watcher has found and waits for.
func (s *site) settling() []transcode.View {
	if s.volume == nil {
		return nil
	}
	return settlingViews(s.volume)
}
