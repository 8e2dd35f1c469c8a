package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/savings"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// tally counts what the agent does, from the moment that it begins.
type tally struct {
	metrics *metrics.Metrics
	savings *savings.Account
}

func newTally(cfg config.Config, log *slog.Logger) (*tally, error) {
	account, err := savings.Open(cfg.Dir("savings.json"), log)
	if err != nil {
		return nil, err
	}
	return &tally{metrics: metrics.New(metrics.Build{Version: version, Commit: commit, Date: date}), savings: account}, nil
}

// Stage implements [task.Observer].
func (t *tally) Stage(state queue.State, took time.Duration) { t.metrics.Stage(state, took) }

// Ended implements [task.Observer].
func (t *tally) Ended(v task.View) {
	t.metrics.Ended(v)
	if v.Converted() {
		t.savings.Add(time.Now(), v.Before, v.After, time.Duration(v.Duration)*time.Millisecond)
	}
}

// agentView is what the agent shows of itself to people, scripts and Prometheus.
type agentView struct {
	cfg      config.Config
	count    *tally
	tasks    *queue.Queue
	core     *coreapi.Component
	volume   *watcher.Watcher // nil = none
	follower *destination.Follower
	health   health.Sources
	governor *throttle.Governor
	disks    map[string]*health.Disk // by what is on them
	access   *taskapi.Access
	log      *slog.Logger
}

func (a *agent) newView(count *tally) *agentView {
	disks := map[string]*health.Disk{"data": {Dir: a.cfg.DataDir}}
	if a.cfg.ReplayDir != "" {
		disks["replay"] = &health.Disk{Dir: a.cfg.ReplayDir}
	}
	return &agentView{
		cfg: a.cfg, count: count, tasks: a.tasks, core: a.component, volume: a.volume, follower: a.follower, health: a.health,
		governor: a.governor, disks: disks, access: taskapi.NewAccess(string(a.cfg.StatusToken), a.log), log: a.log,
	}
}

// run measures until ctx ends.
func (v *agentView) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, disk := range v.disks {
		group.Go(func() error { return disk.Run(ctx) })
	}
	return group.Wait()
}

// conditions are how everything stands now.
func (v *agentView) conditions() health.Conditions { return v.health.Conditions() }

// register adds the health endpoint, the status page, the task API and the
// metrics to the agent's server.
func (v *agentView) register(mux *http.ServeMux) {
	var volume func() watcher.Status
	if v.volume != nil {
		volume = v.volume.Status
	}
	disks := map[string]func() health.Space{}
	for holds, disk := range v.disks {
		disks[holds] = disk.Status
	}

	mux.HandleFunc("GET /video-worker/health/{$}", v.serveHealth)
	mux.HandleFunc("GET /video-worker/health", v.serveHealth)

	v.count.metrics.Watch(metrics.Sources{
		Tasks: v.tasks.List, Settling: v.settling, Core: v.core.State, Volume: volume, Bucket: v.follower.Status, CPU: v.governor.Status, Disks: disks,
		Health: v.conditions,
	})
	mux.Handle("GET "+metrics.Path, v.access.Guard(v.count.metrics.Handler()))

	api := &taskapi.Server{Queue: v.tasks, TasksDir: v.cfg.Dir("tasks"), Settling: v.settling, Access: v.access, Log: v.log}
	mux.Handle(taskapi.Prefix+"/", api.Handler())

	page := &statuspage.Server{
		Version: fmt.Sprintf("%s (%s, %s)", version, commit, date), Access: v.access, CoreURL: v.cfg.CoreURL(), Keep: keepText(v.cfg),
		Tasks: v.tasks.List, Settling: v.settling, Core: v.core.State, Volume: volume, Storage: v.storage, Health: v.conditions,
		CPU: v.governor.Status, Disks: disks, Savings: v.count.savings, Log: v.log,
	}
	page.Register(mux)
}

// serveHealth answers whether the agent can do its work: 200, or 503. Reasons
// name hosts and folders, and are for those only who may see the rest as well.
func (v *agentView) serveHealth(w http.ResponseWriter, r *http.Request) {
	report := health.NewReport(v.core.State().Name, v.conditions())
	status := http.StatusOK
	if len(report.Reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	if !v.access.Trusted(r) {
		report.Reasons, report.Conditions = nil, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}

// storage is what the status page shows of where MP4s go.
func (v *agentView) storage() statuspage.Storage {
	var s statuspage.Storage
	if b, ok := v.follower.Status(); ok {
		s.Place, s.LastPoll, s.LastSweep, s.Waiting = b.Place, statuspage.Some(b.LastPoll), statuspage.Some(b.LastSweep), b.Waiting
	}
	return s
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
func (v *agentView) settling() []task.View {
	if v.volume == nil {
		return nil
	}
	var views []task.View
	for _, c := range v.volume.Settling() {
		views = append(views, task.View{
			ID: c.Session, State: queue.StateSettling, Path: c.Path, Before: c.Size, Created: c.ModTime, Updated: c.ModTime,
		})
	}
	return views
}
