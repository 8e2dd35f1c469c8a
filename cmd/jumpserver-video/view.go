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
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/container"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/report"
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

// tally counts events of the agent, from its start.
type tally struct {
	metrics *metrics.Metrics
	savings *savings.Account
	ended   func(task.View) // also called for each task that has ended
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
	if t.ended != nil {
		t.ended(v)
	}
	if v.Converted() {
		t.savings.Add(time.Now(), v.Before, v.After, time.Duration(v.Duration)*time.Millisecond)
	}
}

// agentView is what the agent shows to people, scripts and Prometheus.
type agentView struct {
	cfg      config.Config
	count    *tally
	tasks    *queue.Queue
	core     *coreapi.Component
	volume   *watcher.Watcher // nil = none
	follower *destination.Follower
	health   health.Sources
	governor *throttle.Governor
	disks    map[string]*health.Disk // by their content
	holdings holdings
	access   *taskapi.Access
	api      *taskapi.Server
	client   *coreapi.Client
	log      *slog.Logger
}

func (a *agent) newView(core *coreapi.Client, count *tally, holdings holdings) *agentView {
	disks := map[string]*health.Disk{"data": {Dir: a.cfg.DataDir}}
	if a.cfg.ReplayDir != "" {
		disks["replay"] = &health.Disk{Dir: a.cfg.ReplayDir}
	}
	v := &agentView{
		cfg: a.cfg, count: count, tasks: a.tasks, core: a.component, volume: a.volume, follower: a.follower, health: a.health,
		governor: a.governor, disks: disks, holdings: holdings, access: taskapi.NewAccess(string(a.cfg.StatusToken), a.log), client: core, log: a.log,
	}
	v.api = &taskapi.Server{
		Queue: a.tasks, Retry: a.pool.Retry, Steering: a.steering, Trash: a.pool, TasksDir: a.cfg.Dir("tasks"), Settling: v.settling, HideNames: !bool(a.cfg.ShowNames), Access: v.access, Log: a.log,
	}
	return v
}

// run measures until ctx ends.
func (v *agentView) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, disk := range v.disks {
		group.Go(func() error { return disk.Run(ctx) })
	}
	group.Go(func() error { return v.holdings.run(ctx) })
	group.Go(func() error { return v.api.Warm(ctx) })
	return group.Wait()
}

// conditions returns the current conditions of all parts.
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

	v.count.metrics.Watch(v.measured(metrics.Sources{
		Tasks: v.tasks.Newest, Settling: v.settling, Core: v.core.State, Volume: volume, Bucket: v.follower.Status, CPU: v.governor.Status, Disks: disks,
		Health: v.conditions,
	}))
	mux.Handle("GET "+metrics.Path, v.access.Guard(v.count.metrics.Handler()))

	mux.Handle(taskapi.Prefix+"/", v.api.Handler())
	mux.Handle("GET "+report.Path, v.access.Guard(&report.Maker{
		Sessions: v.client.Sessions, Tasks: v.tasks.Newest, View: v.api.View, Ledger: ledger.Path(v.cfg.DataDir), ReplayDir: v.cfg.ReplayDir,
		HideNames: v.api.HideNames,
	}))

	page := &statuspage.Server{
		Version: fmt.Sprintf("%s (%s, %s)", version, commit, date), Access: v.access, CoreURL: v.cfg.CoreURL(), Keep: keepText(v.cfg),
		Public: v.cfg.PublicJumpServer(), Tasks: v.tasks.Newest, View: v.api.View, Settling: v.settling, Core: v.core.State, Volume: volume, Storage: v.storage, Health: v.conditions,
		CPU: v.governor.Status, Steering: v.api.Steering.Status, Disks: disks, Savings: v.count.savings, Log: v.log,
	}
	page.Register(mux)
}

// serveHealth responds with 200 if the agent can work, or else with 503. Reasons contain
// names of hosts and folders, so only clients that may see the page get them.
func (v *agentView) serveHealth(w http.ResponseWriter, r *http.Request) {
	report := health.NewReport(v.core.State().Name, v.conditions())
	for _, dir := range container.Lost(v.cfg.Kept()) {
		report.Warnings = append(report.Warnings, i18n.T("doctor.unmounted", "dir", dir).String())
	}
	status := http.StatusOK
	if report.Status == health.Failing {
		status = http.StatusServiceUnavailable
	}
	if !v.access.Trusted(r) {
		report.Reasons, report.Warnings, report.Conditions = nil, nil, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}

// storage returns the state of the storage of MP4s for the status page.
func (v *agentView) storage() statuspage.Storage {
	var s statuspage.Storage
	if b, ok := v.follower.Status(); ok {
		s.Place, s.LastPoll, s.LastSweep, s.Waiting = b.Place, statuspage.Some(b.LastPoll), statuspage.Some(b.LastSweep), b.Waiting
	}
	return s
}

// keepText says when the saved space is freed.
func keepText(cfg config.Config) i18n.Text {
	switch days := int(cfg.OriginalsKeep); cfg.Originals {
	case cleanup.PolicyDelete:
		return i18n.T("page.keep_delete")
	case cleanup.PolicyKeep:
		return i18n.T("page.keep_keep")
	default:
		return i18n.T("page.keep_trash", "n", days)
	}
}

// settling returns the recordings that the watcher has found, but that have not settled.
func (v *agentView) settling() []task.View {
	if v.volume == nil {
		return nil
	}
	var views []task.View
	for _, c := range v.volume.Settling() {
		v := task.View{ID: c.Session, State: queue.StateSettling, Path: c.Path, Before: c.Size, Created: c.ModTime, Updated: c.ModTime}
		if c.Lacks {
			v.Reason, v.Error = task.ClassIncomplete, "the index, or parts that it lists, do not exist yet"
		}
		views = append(views, v)
	}
	return views
}
