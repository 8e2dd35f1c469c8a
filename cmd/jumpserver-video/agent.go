package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// niceness of the agent: the host's other work goes first. ffmpeg goes last of all.
const niceness = 10

// refresh is the time between two reads of core's settings. Tests shorten it.
var refresh = 5 * time.Minute

// beat is the time between two heartbeats. Tests shorten it.
var beat = 30 * time.Second

// lease is how long an agent that has fallen silent keeps its tasks. Agents of
// one queue must agree on it; the linker sets another one for tests.
var lease = "30s"

func (a *app) agentCommand() *cobra.Command {
	return &cobra.Command{
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
			return runAgent(c.Context(), cfg, log)
		},
	}
}

// runAgent is the whole service. It returns when ctx ends and everything has
// stopped, or when a part cannot go on.
func runAgent(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	log.Info("starting", "version", version, "config", cfg)
	// What is in memory is nobody's business, nor is ffmpeg's.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		log.Warn("core dumps cannot be switched off", "error", err)
	}
	for _, dir := range []string{"keys", "tasks", "queue", "work"} {
		if err := os.MkdirAll(cfg.Dir(dir), 0o750); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	unlock, err := lockDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	tool, err := video.Find(ctx, "")
	if err != nil {
		return err
	}
	log.Info("ffmpeg found", "path", tool.Path, "version", tool.Version)

	shown, err := newSite(cfg, log)
	if err != nil {
		return err
	}
	core, err := coreapi.New(coreapi.Options{
		BaseURL: cfg.CoreURL(), Insecure: bool(cfg.IgnoreVerifyCerts), Log: log, UserAgent: "github.com/jumpserver-video/jumpserver-video/" + version,
		Observe: shown.metrics.Core,
	})
	if err != nil {
		return err
	}
	component := &coreapi.Component{
		Client: core,
		Registrar: &coreapi.Registrar{
			Client: core, Name: cfg.Name, Token: string(cfg.BootstrapToken), Keys: coreapi.KeyFile{Dir: cfg.Dir("keys")}, Log: log,
		},
		Gauges: func(ctx context.Context) coreapi.Stat { return coreapi.ReadGauges(ctx, cfg.DataDir) },
		Beat:   beat, Refresh: refresh, Log: log,
	}
	keep, err := time.ParseDuration(lease)
	if err != nil {
		return err
	}
	tasks, err := queue.Open(ctx, queueOptions(cfg, keep, log))
	if err != nil {
		return err
	}
	defer func() {
		if err := tasks.Close(); err != nil {
			log.Warn("the queue did not close cleanly", "error", err)
		}
	}()

	governor := throttle.New(throttle.Config{
		Target: int(cfg.CPUTarget), Hours: cfg.WorkHours, Otherwise: cfg.WorkOtherwise, Exempt: time.Duration(cfg.WorkExempt), Log: log,
	}, &throttle.Host{})
	throttle.Yield(niceness)
	tool.Started = throttle.YieldChild

	pool := &transcode.Pool{
		Governor: governor,
		Queue:    tasks, Core: core, ReplayDir: cfg.ReplayDir, WorkDir: cfg.Dir("work"), TasksDir: cfg.Dir("tasks"),
		Workers: cfg.WorkerCount(), Originals: cfg.Originals, Settle: time.Duration(cfg.SettleTime), Log: log,
		Observer: shown,
		Render: render.Options{
			Tool: tool, FPS: int(cfg.VideoFPS), CRF: int(cfg.VideoCRF), Codec: string(cfg.VideoCodec),
			Audio: bool(cfg.VideoAudio), Nice: niceness, Agent: "github.com/jumpserver-video/jumpserver-video/" + version, Workers: 1,
		},
	}
	cleaner := &cleanup.Cleaner{
		TasksDir: cfg.Dir("tasks"), TaskLogKeep: cfg.CleanPeriod.Duration(),
		WorkDir: cfg.Dir("work"), WorkInUse: pool.InUse, Clock: cfg.Dir("cleaned-up-at"), Log: log,
	}

	stored := &replays{cfg: cfg, component: component, pool: pool, observe: shown.metrics.Storage, log: log}
	pool.Storage = stored.storage
	uploaded, err := newUploads(cfg, core, component, pool, stored, log)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var volume *watcher.Watcher
	if cfg.ReplayDir != "" {
		volume = &watcher.Watcher{
			Root: cfg.ReplayDir, Interval: time.Duration(cfg.ScanInterval), Settle: time.Duration(cfg.SettleTime),
			Mode: watcher.Mode(cfg.WatchMode), Found: pool.Found, Log: log,
		}
		cleaner.Trash = &cleanup.Trash{Root: cfg.ReplayDir}
		cleaner.TrashKeep = cfg.OriginalsKeep.Duration()
	}
	shown.tasks, shown.core, shown.volume, shown.stored, shown.uploaded, shown.governor = tasks, component, volume, stored, uploaded, governor
	group.Go(func() error {
		select {
		case err := <-tasks.Gone(): // the next start finds out anew what is to be done
			return err
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return governor.Run(ctx) })
	group.Go(func() error { return component.Run(ctx) })
	group.Go(func() error { return shown.run(ctx) })
	serving := make(chan struct{})
	group.Go(func() error {
		return serve(ctx, cfg, log, newHandler(component, volume, stored, shown, uploaded), serving)
	})
	group.Go(func() error { return newService(cfg, shown, serving).Run(ctx) })
	group.Go(func() error { return cleaner.Run(ctx) })
	group.Go(func() error {
		// Without a key every step would fail: begin when core knows us.
		if err := waitRegistered(ctx, component); err != nil {
			return err
		}
		work, ctx := errgroup.WithContext(ctx)
		work.Go(func() error { return stored.run(ctx) })
		// Nor is anything to be done before we know where MP4s go.
		if err := stored.wait(ctx); err != nil {
			return errors.Join(err, work.Wait())
		}
		work.Go(func() error { return pool.Run(ctx) })
		work.Go(func() error { return followCore(ctx, component, pool, log) })
		work.Go(func() error { return purge(ctx, tasks, cfg.CleanPeriod.Duration(), log) })
		work.Go(func() error { return uploaded.run(ctx) })
		if volume != nil {
			work.Go(func() error {
				volume.State, volume.Epoch = remembered(ctx, cfg, tasks)
				return volume.Run(ctx)
			})
		}
		return work.Wait()
	})
	err = ended(ctx, group.Wait, stopWithin, log)
	if err == nil || errors.Is(err, context.Canceled) {
		log.Info("stopped")
		return nil
	}
	return err
}

// waitRegistered returns when core has accepted the component's key.
func waitRegistered(ctx context.Context, component *coreapi.Component) error {
	for !component.State().Registered {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// followCore tells the pool when core is there again after it was away, or had
// refused our key.
func followCore(ctx context.Context, component *coreapi.Component, pool *transcode.Pool, log *slog.Logger) error {
	for away := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		was := away
		if away = component.State().LastError != ""; was && !away {
			log.Info("core is back; what waited for it goes on")
			if err := pool.CoreIsBack(ctx); err != nil && ctx.Err() == nil {
				log.Warn("what waited for core goes on later", "error", err)
			}
		}
	}
}

// remembered is where the watcher of the volume keeps what it is done with, and
// for which queue that counts. While a shared queue is away nothing does.
func remembered(ctx context.Context, cfg config.Config, tasks *queue.Queue) (state, epoch string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	born, err := tasks.Born(ctx)
	if err != nil {
		return "", ""
	}
	state = filepath.Join(cfg.DataDir, "volume.json")
	if distrusts(ctx, tasks) {
		_ = os.Remove(state)
	}
	return state, born.UTC().Format(time.RFC3339Nano)
}

// purge forgets tasks that ended long ago, once a day.
func purge(ctx context.Context, tasks *queue.Queue, keep time.Duration, log *slog.Logger) error {
	for {
		if n, err := tasks.Purge(ctx, keep); err != nil && ctx.Err() == nil {
			log.Warn("old tasks could not be forgotten", "error", err)
		} else if n > 0 {
			log.Info("forgot old tasks", "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(24 * time.Hour):
		}
	}
}

// owner names this agent among those that share a queue.
func owner(cfg config.Config) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, cfg.Port)
}

// lockDir makes sure that one agent only uses a data folder.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another agent uses %s; stop it or set another DATA_DIR: %w", dir, err)
	}
	return func() { f.Close() }, nil
}
