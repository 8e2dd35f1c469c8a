package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/monitor"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/savings"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// site is what the agent shows of itself to people, scripts and Prometheus.
type site struct {
	cfg      config.Config
	tasks    *queue.Queue
	core     *coreapi.Component
	volume   *watcher.Watcher // nil = none
	stored   *replays
	uploaded *uploads
	governor *throttle.Governor
	metrics  *metrics.Metrics
	disks    map[string]*monitor.Disk // by what is on them
	savings  *savings.Account
	access   *taskapi.Access
	log      *slog.Logger
}

// newSite prepares what is counted and measured. Its other parts are set by
// the caller.
func newSite(cfg config.Config, log *slog.Logger) (*site, error) {
	account, err := savings.Open(cfg.Dir("savings.json"), log)
	if err != nil {
		return nil, err
	}
	s := &site{
		cfg: cfg, log: log, savings: account, access: taskapi.NewAccess(string(cfg.StatusToken), log),
		metrics: metrics.New(metrics.Build{Version: version, Commit: commit, Date: date}),
		disks:   map[string]*monitor.Disk{"data": {Dir: cfg.DataDir}},
	}
	if cfg.ReplayDir != "" {
		s.disks["replay"] = &monitor.Disk{Dir: cfg.ReplayDir}
	}
	return s, nil
}

// Stage implements [task.Observer].
func (s *site) Stage(state queue.State, took time.Duration) { s.metrics.Stage(state, took) }

// Ended implements [task.Observer].
func (s *site) Ended(v task.View) {
	s.metrics.Ended(v)
	if v.Converted() {
		s.savings.Add(time.Now(), v.Before, v.After, time.Duration(v.Duration)*time.Millisecond)
	}
}

// run measures until ctx ends.
func (s *site) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, disk := range s.disks {
		group.Go(func() error { return disk.Run(ctx) })
	}
	return group.Wait()
}

// register adds the status page, the task API and the metrics to the agent's
// server.
func (s *site) register(mux *http.ServeMux) {
	var volume func() watcher.Status
	if s.volume != nil {
		volume = s.volume.Status
	}
	disks := map[string]func() monitor.Space{}
	for holds, disk := range s.disks {
		disks[holds] = disk.Status
	}

	s.metrics.Watch(metrics.Sources{
		Tasks: s.tasks.List, Settling: s.settling, Core: s.core.State, Volume: volume, Bucket: s.stored.status, CPU: s.governor.Status, Disks: disks,
	})
	mux.Handle("GET "+metrics.Path, s.access.Guard(s.metrics.Handler()))

	api := &taskapi.Server{Queue: s.tasks, TasksDir: s.cfg.Dir("tasks"), Settling: s.settling, Access: s.access, Log: s.log}
	mux.Handle(taskapi.Prefix+"/", api.Handler())

	page := &statuspage.Server{
		Version: fmt.Sprintf("%s (%s, %s)", version, commit, date), Access: s.access, CoreURL: s.cfg.CoreURL(), Keep: keepText(s.cfg),
		Tasks: s.tasks.List, Settling: s.settling, Core: s.core.State, Volume: volume, Storage: s.stored.shown, Uploads: s.uploaded.server.Ready,
		CPU: s.governor.Status, Disks: disks, Savings: s.savings, Log: s.log,
	}
	page.Register(mux)
}

// keepText tells when the space saved is really free.
func keepText(cfg config.Config) string {
	switch days := int(cfg.OriginalsKeep); cfg.Originals {
	case cleanup.PolicyDelete:
		return "Originals are deleted when their MP4 is in place."
	case cleanup.PolicyKeep:
		return "Originals are kept beside their MP4s (ORIGINALS=keep), so the space is not free."
	default:
		return fmt.Sprintf("Originals are in the trash for %d days; then the space is free.", days)
	}
}

// settling are the recordings that the watcher has found and waits for.
func (s *site) settling() []task.View {
	if s.volume == nil {
		return nil
	}
	return settlingViews(s.volume)
}
