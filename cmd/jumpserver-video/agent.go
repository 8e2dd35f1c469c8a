package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/systemd"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// options are what nobody but tests changes about the agent.
type options struct {
	refresh       time.Duration // between two reads of core's settings
	beat          time.Duration // between two heartbeats
	lease         time.Duration // how long an agent that has fallen silent keeps its tasks
	playCache     time.Duration // how long core hands out the address of a replay that somebody has begun to watch
	uploadReserve int64         // bytes of disk that uploads leave free
	expireEvery   time.Duration // between two looks for old uploads
}

// defaultOptions are those of the agent as it is shipped.
func defaultOptions() options {
	return options{
		refresh: 5 * time.Minute, beat: 30 * time.Second, lease: 30 * time.Second, playCache: 10 * time.Minute,
		uploadReserve: 1 << 30, expireEvery: time.Hour,
	}
}

func (a *app) agentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the service: register with core, find recordings, convert and replace them",
		Long: `Run the service: register with core, find recordings, convert and replace them.

  jumpserver-video agent --config /opt/jumpserver/config/config.txt

It needs CORE_HOST and BOOTSTRAP_TOKEN, and core's replay folder at REPLAY_DIR.
MP4s go where core keeps this component's replays: its own folder, or a bucket.
Settings come from the environment and from the file; the environment wins.
It stops on SIGTERM or SIGINT, and what was in work goes on at the next start.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			log := logging.New(a.err, cfg.LogLevel)
			slog.SetDefault(log)
			agent, err := newAgent(c.Context(), cfg, a.options, log)
			if err != nil {
				return err
			}
			defer agent.close()
			return agent.run(c.Context())
		},
	}
	// Tests of several agents shorten the lease. All agents of a queue must agree on it.
	cmd.Flags().DurationVar(&a.options.lease, "lease", a.options.lease, "how long a silent agent keeps its tasks; the same for all agents of a queue")
	_ = cmd.Flags().MarkHidden("lease") // it was defined just now
	// Tests have no time to wait for viewers that they do not have.
	cmd.Flags().DurationVar(&a.options.playCache, "play-cache", a.options.playCache, "how long core hands out the address of a replay")
	_ = cmd.Flags().MarkHidden("play-cache")
	return cmd
}

// agent is the whole service. newAgent builds its parts, complete and at rest;
// run sets them to work; close gives back what newAgent took.
type agent struct {
	cfg       config.Config
	opt       options
	log       *slog.Logger
	component *coreapi.Component
	tasks     *queue.Queue
	ledger    *ledger.Ledger
	governor  *throttle.Governor
	pool      *transcode.Pool
	follower  *destination.Follower
	intake    *upload.Intake
	uploads   *upload.Server
	volume    *watcher.Watcher // nil = none
	cleaner   *cleanup.Cleaner
	health    health.Sources
	view      *agentView
	handler   http.Handler
	serving   chan struct{} // closed once handler is served
	service   *systemd.Service

	undo []func() // what close does, the last first
}

// newAgent builds an agent. It locks the data folder and opens the queue; an
// embedded queue is ready when it returns, a shared one need not be there yet.
func newAgent(ctx context.Context, cfg config.Config, opt options, log *slog.Logger) (_ *agent, err error) {
	a := &agent{cfg: cfg, opt: opt, log: log, serving: make(chan struct{})}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	log.Info("starting", "version", version, "config", cfg)
	limitProcess(log)
	if err := a.takeDataDir(); err != nil {
		return nil, err
	}
	tool, err := findTool(ctx, log)
	if err != nil {
		return nil, err
	}
	count, err := newTally(cfg, log)
	if err != nil {
		return nil, err
	}
	core, err := a.newCore(count)
	if err != nil {
		return nil, err
	}
	a.component = a.newComponent(core)
	if err := a.openQueue(ctx); err != nil {
		return nil, err
	}
	if err := a.openLedger(); err != nil {
		return nil, err
	}
	a.governor = newGovernor(cfg, log)
	a.follower = a.newFollower(count)
	spool, err := a.newSpool()
	if err != nil {
		return nil, err
	}
	key, err := sealKey(cfg)
	if err != nil {
		return nil, err
	}
	a.pool = a.newPool(core, spool, tool, count, key)
	if a.intake, err = a.newIntake(spool); err != nil {
		return nil, err
	}
	a.volume = a.newVolume()
	a.health = a.newHealth(tool)
	if a.uploads, err = a.newUploads(core, spool); err != nil {
		return nil, err
	}
	a.cleaner = a.newCleaner()
	a.view = a.newView(count)
	a.handler = a.newHandler()
	a.service = a.newService()
	return a, nil
}

// run works until ctx ends and everything has stopped, or until a part cannot
// go on. It is called once.
func (a *agent) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{
		a.watchQueue, a.governor.Run, a.component.Run, a.view.run, a.serve, a.service.Run, a.cleaner.Run, a.work,
	} {
		group.Go(func() error { return part(ctx) })
	}
	err := waitStopped(ctx, group.Wait, stopWithin, a.log)
	if err == nil || errors.Is(err, context.Canceled) {
		a.log.Info("stopped")
		return nil
	}
	return err
}

// close gives back what newAgent took, the queue and the lock among it.
func (a *agent) close() {
	for len(a.undo) > 0 {
		last := len(a.undo) - 1
		undo := a.undo[last]
		a.undo = a.undo[:last]
		undo()
	}
}
