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
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/notify"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/systemd"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// options are parameters of the agent that only tests change.
type options struct {
	refresh       time.Duration // interval of reading core's settings
	beat          time.Duration // interval of heartbeats
	lease         time.Duration // how long an agent that does not respond keeps its tasks
	playCache     time.Duration // how long core caches the address of a replay after a user has begun to watch it
	uploadReserve int64         // disk space that uploads must leave free, in bytes
	expireEvery   time.Duration // interval of searching for old uploads
	measureEvery  time.Duration // interval of measuring spool and trash; 0 = the default of package health

	notifySettle, notifyEvery, notifyPoll time.Duration // for package notify; 0 = its defaults
}

// defaultOptions returns the options of the released agent.
func defaultOptions() options {
	return options{
		refresh: 5 * time.Minute, beat: 30 * time.Second, lease: 30 * time.Second, playCache: 10 * time.Minute,
		uploadReserve: 1 << 30, expireEvery: time.Hour,
	}
}

func (a *app) agentCommand() *cobra.Command {
	var profile string
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the service: register with core, find recordings, convert and replace them",
		Long: `Run the service: register with core, find recordings, convert and replace them.

  jumpserver-video agent --config /opt/jumpserver/config/config.txt

It needs CORE_HOST and BOOTSTRAP_TOKEN, and core's replay folder at REPLAY_DIR.
MP4s are stored where core keeps this component's replays: in its own folder, or
in a bucket. Settings come from the environment and from the file; the
environment takes precedence. The agent stops on SIGTERM or SIGINT, and continues
unfinished tasks at the next start.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			log := logging.New(a.err, cfg.LogLevel)
			slog.SetDefault(log)
			// At any LOG_LEVEL: JumpServer's config.txt sets ERROR, and a service that
			// prints nothing seems dead.
			logging.New(a.err, min(cfg.LogLevel.Level(), slog.LevelInfo)).Info("starting", "version", version, "log_level", cfg.LogLevel.Level(), "config", cfg)
			if err := enterContainer(cfg, log); err != nil {
				return err
			}
			agent, err := newAgent(c.Context(), cfg, a.options, log)
			if err != nil {
				return err
			}
			defer agent.close()
			stop, err := profileCPU(profile)
			if err != nil {
				return err
			}
			return errors.Join(agent.run(c.Context()), stop())
		},
	}
	// Tests with several agents shorten the lease. All agents of a queue must use the same.
	cmd.Flags().DurationVar(&a.options.lease, "lease", a.options.lease, "how long an agent that does not respond keeps its tasks; the same for all agents of a queue")
	_ = cmd.Flags().MarkHidden("lease") // impossible: the flag was just defined
	// Tests have no viewers, so they need not wait for core's cache.
	cmd.Flags().DurationVar(&a.options.playCache, "play-cache", a.options.playCache, "how long core caches the address of a replay")
	_ = cmd.Flags().MarkHidden("play-cache")
	// bench backlog uses it to show what CPU time was used for.
	cmd.Flags().StringVar(&profile, "cpu-profile", "", "write a CPU profile of the agent to this file, in pprof's format")
	_ = cmd.Flags().MarkHidden("cpu-profile")
	return cmd
}

// agent is the service. newAgent builds all its parts without starting them; run runs
// them; close releases what newAgent has acquired.
type agent struct {
	cfg       config.Config
	opt       options
	log       *slog.Logger
	component *coreapi.Component
	tasks     *queue.Queue
	ledger    *ledger.Ledger
	governor  *throttle.Governor
	pool      *transcode.Pool
	steering  *steering.Steering
	follower  *destination.Follower
	intake    *upload.Intake
	uploads   *upload.Server
	mount     *watcher.Mount
	volume    *watcher.Watcher // nil = none
	rights    *rights.Prober   // nil = the agent changes nothing on the volume
	cleaner   *cleanup.Cleaner
	health    health.Sources
	notifier  *notify.Notifier
	view      *agentView
	handler   http.Handler
	serving   chan struct{} // closed once the server accepts requests
	service   *systemd.Service

	undo []func() // what close calls, in reverse order
}

// newAgent builds an agent. It locks the data folder and opens the queue. When it
// returns, an embedded queue is ready; a shared one may still be unreachable.
func newAgent(ctx context.Context, cfg config.Config, opt options, log *slog.Logger) (_ *agent, err error) {
	a := &agent{cfg: cfg, opt: opt, log: log, serving: make(chan struct{})}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	limitProcess(log)
	if err := a.takeDataDir(); err != nil {
		return nil, err
	}
	if a.mount, err = watcher.NewMount(cfg.ReplayDir, cfg.DataDir); err != nil {
		return nil, err
	}
	tool, err := findTool(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	count, err := newTally(cfg, log)
	if err != nil {
		return nil, err
	}
	tool.OnExit = func(step video.Step, cpu time.Duration) { count.metrics.FFmpeg(string(step), cpu) }
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
	spool, err := a.newSpool(count)
	if err != nil {
		return nil, err
	}
	key, err := sealKey(cfg)
	if err != nil {
		return nil, err
	}
	a.rights = a.newRights()
	a.pool = a.newPool(core, spool, tool, count, key)
	if a.steering, err = a.newSteering(); err != nil {
		return nil, err
	}
	if a.intake, err = a.newIntake(spool); err != nil {
		return nil, err
	}
	a.volume = a.newVolume()
	if a.notifier, err = a.newNotifier(count); err != nil {
		return nil, err
	}
	a.health = a.newHealth(tool)
	if a.uploads, err = a.newUploads(core, spool); err != nil {
		return nil, err
	}
	a.cleaner = a.newCleaner()
	a.view = a.newView(core, count, a.newHoldings(spool))
	a.handler = a.newHandler()
	a.service = a.newService()
	return a, nil
}

// run runs the parts until ctx ends and all have stopped, or until one of them fails. It
// must be called at most once.
func (a *agent) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{
		a.watchQueue, a.governor.Run, a.component.Run, a.view.run, a.serve, a.service.Run, a.cleaner.Run, a.work, a.notifier.Run,
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

// close releases what newAgent has acquired, such as the queue and the lock.
func (a *agent) close() {
	for len(a.undo) > 0 {
		last := len(a.undo) - 1
		undo := a.undo[last]
		a.undo = a.undo[:last]
		undo()
	}
}
