package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/container"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// niceness of the agent: other processes of the host take precedence, also over ffmpeg.
const niceness = 10

// limitProcess disables core dumps: the memory of the agent and of ffmpeg may contain keys
// and screen contents.
func limitProcess(log *slog.Logger) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		log.Warn("cannot disable core dumps", "error", err)
	}
}

// takeDataDir creates the data folder, and locks it for this agent.
func (a *agent) takeDataDir() error {
	for _, dir := range container.Lost(a.cfg.Kept()) {
		a.log.Warn(i18n.T("doctor.unmounted", "dir", dir).String())
	}
	for _, dir := range []string{"keys", "tasks", "queue", "work"} {
		if err := os.MkdirAll(a.cfg.Dir(dir), 0o750); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	unlock, err := lockDir(a.cfg.DataDir)
	if err != nil {
		return err
	}
	a.undo = append(a.undo, unlock)
	return nil
}

// lockDir ensures that only one agent uses a data folder.
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

// enterContainer makes the agent in the image run as an ordinary user.
func enterContainer(cfg config.Config, log *slog.Logger) error {
	return container.Start{Folders: cfg.Kept(), ReplayDir: cfg.ReplayDir, Log: log}.Enter()
}

// findTool finds ffmpeg, and sets its priority below that of other processes.
func findTool(ctx context.Context, cfg config.Config, log *slog.Logger) (*video.Tool, error) {
	tool, err := video.FindFor(ctx, cfg.FFmpeg, string(cfg.VideoCodec))
	if err != nil {
		return nil, err
	}
	log.Info("ffmpeg found", "path", tool.Path, "version", tool.Version)
	tool.OnStart = throttle.YieldChild
	return tool, nil
}

func (a *agent) newCore(count *tally) (*coreapi.Client, error) {
	core, err := coreapi.New(coreapi.Options{
		BaseURL: a.cfg.CoreURL(), Insecure: bool(a.cfg.IgnoreVerifyCerts), Log: a.log, UserAgent: userAgent(), Observe: count.metrics.Core,
	})
	if err != nil {
		return nil, err
	}
	a.undo = append(a.undo, core.Close)
	return core, nil
}

func (a *agent) newComponent(core *coreapi.Client) *coreapi.Component {
	return &coreapi.Component{
		Client: core,
		Registrar: &coreapi.Registrar{
			Client: core, Name: a.cfg.Name, Token: string(a.cfg.BootstrapToken), Keys: coreapi.KeyFile{Dir: a.cfg.Dir("keys")}, Log: a.log,
		},
		Gauges: func(ctx context.Context) coreapi.Stat { return coreapi.ReadGauges(ctx, a.cfg.DataDir) },
		Beat:   a.opt.beat, Refresh: a.opt.refresh, Log: a.log,
	}
}

func (a *agent) openQueue(ctx context.Context) (err error) {
	a.tasks, err = queue.Open(ctx, queueOptions(a.cfg, a.opt.lease, a.log))
	if err != nil {
		return err
	}
	a.undo = append(a.undo, func() {
		if err := a.tasks.Close(); err != nil {
			a.log.Warn("the queue did not close cleanly", "error", err)
		}
	})
	return nil
}

// openLedger opens the ledger of replacements. If the ledger does not verify, the doctor
// and the log report that; the agent converts recordings all the same.
func (a *agent) openLedger() (err error) {
	if a.ledger, err = ledger.Open(a.cfg.DataDir, owner(a.cfg), a.log); err != nil {
		return err
	}
	a.undo = append(a.undo, func() {
		if err := a.ledger.Close(); err != nil {
			a.log.Warn("the ledger did not close cleanly", "error", err)
		}
	})
	return nil
}

// noteDeleted adds an entry to the ledger: something is permanently deleted from a trash.
func (a *agent) noteDeleted(trashed string) error { return a.ledger.Append(ledger.Deleted(trashed)) }

// owner returns the name of this agent among those that share a queue.
func owner(cfg config.Config) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, cfg.Port)
}

// newGovernor lowers the priority of the process, and returns the governor that keeps the
// host's CPU use at the target.
func newGovernor(cfg config.Config, log *slog.Logger) *throttle.Governor {
	throttle.Yield(niceness)
	return throttle.New(throttle.Config{
		Target: int(cfg.CPUTarget), Hours: cfg.WorkHours, Otherwise: cfg.WorkOtherwise, Exempt: time.Duration(cfg.WorkExempt), Log: log,
	}, &throttle.Host{})
}

// newSteering returns the settings that an operator can change at run time.
func (a *agent) newSteering() (*steering.Steering, error) {
	configured := steering.Status{ConfiguredCPUTarget: int(a.cfg.CPUTarget), ConfiguredWorkers: a.cfg.WorkerCount(), MaxWorkers: transcode.MaxWorkers}
	s, err := steering.Open(a.cfg.Dir("steering.json"), configured, func(s steering.Settings) {
		a.governor.SetTarget(s.CPUTarget)
		a.pool.SetWorkers(s.Workers)
		a.governor.Pause(s.Paused != nil)
	}, a.log)
	if err != nil {
		return nil, err
	}
	switch now := s.Status(); {
	case now.Paused != nil:
		a.log.Warn("paused: nothing is converted until you run jumpserver-video resume", "since", now.Paused.Since, "by", now.Paused.By)
	case now.CPUTarget != 0 || now.Workers != 0:
		a.log.Info("an operator has set limits, which take precedence over the configuration", "cpu_target", now.CPUTarget, "workers", now.Workers)
	}
	return s, nil
}

// newFollower returns the follower of core's settings for the destination of MP4s.
func (a *agent) newFollower(count *tally) *destination.Follower {
	return destination.NewFollower(destination.FollowerOptions{
		Settings: a.component.Watch, ReplayDir: a.cfg.ReplayDir, Storage: storageOptions(a.cfg),
		Interval: time.Duration(a.cfg.StorageScan), Settle: time.Duration(a.cfg.SettleTime), Sweep: time.Duration(a.cfg.StorageSweep),
		MaxRequests: int(a.cfg.StorageRequests), State: a.cfg.Dir("bucket.json"),
		TrashKeep: a.cfg.OriginalsKeep.Duration(), Removing: a.noteDeleted, Clock: a.cfg.Dir("bucket-cleaned-up-at"), Observe: count.metrics.Storage, Log: a.log,
	})
}

// newPool returns the pool, which converts recordings. It releases uploads in the spool
// when their tasks have ended.
func (a *agent) newPool(core *coreapi.Client, spool *upload.Spool, tool *video.Tool, count *tally, key seal.Key) *transcode.Pool {
	return &transcode.Pool{
		Queue: a.tasks, Core: core, Rights: a.rights, Governor: a.governor, Observer: count, Storage: a.follower.Current, Ledger: a.ledger, Log: a.log,
		ReplayDir: a.cfg.ReplayDir, Mount: a.mount, Trash: spool, WorkDir: a.cfg.Dir("work"), TasksDir: a.cfg.Dir("tasks"), SpoolDir: spool.Dir,
		Workers: a.cfg.WorkerCount(), Originals: a.cfg.Originals, Settle: time.Duration(a.cfg.SettleTime), PlayCache: a.opt.playCache, KeepNames: bool(a.cfg.ShowNames),
		Render: render.Options{
			Tool: tool, FPS: int(a.cfg.VideoFPS), CRF: int(a.cfg.VideoCRF), Codec: string(a.cfg.VideoCodec),
			Audio: bool(a.cfg.VideoAudio), MaxSize: image.Point(a.cfg.VideoMaxSize), Nice: niceness, Agent: userAgent(), Workers: 1, Seal: key,
		},
		Uploaded: func(id string, end task.UploadEnd, asIs bool) {
			if err := spool.Release(id, needOf(end), resultOf(end, asIs)); err != nil {
				a.log.Warn("cannot release an upload; it stays in the spool", "upload", id, "error", err)
			}
		},
		Stays: func(reason task.Class) { count.metrics.Upload(upload.Failed, string(reason)) },
	}
}

// needOf returns what an upload is still needed for after its task has ended.
func needOf(end task.UploadEnd) upload.Need {
	switch end {
	case task.UploadStored:
		return upload.NeedNothing
	case task.UploadUnknown:
		return upload.NeedUnknown
	case task.UploadUnseen:
		return upload.NeedAgain
	default:
		return upload.NeedContent
	}
}

// resultOf returns the result of an upload for the metrics.
func resultOf(end task.UploadEnd, asIs bool) upload.Result {
	switch {
	case asIs:
		return upload.AsIs
	case end == task.UploadUnknown:
		return upload.Unwanted
	default:
		return upload.Published
	}
}

// sealKey returns the key that authenticates what the agent reads back later: the common
// key of all agents of a fleet, or the agent's own.
func sealKey(cfg config.Config) (seal.Key, error) {
	if cfg.SecretKey != "" {
		return seal.FromSecret(string(cfg.SecretKey)), nil
	}
	return seal.Open(filepath.Join(cfg.Dir("keys"), "seal.key"))
}

// newVolume returns the watcher of the replay volume; nil if there is none.
func (a *agent) newVolume() *watcher.Watcher {
	if a.cfg.ReplayDir == "" {
		return nil
	}
	return &watcher.Watcher{
		Root: a.cfg.ReplayDir, Mount: a.mount, Interval: time.Duration(a.cfg.ScanInterval), Settle: time.Duration(a.cfg.SettleTime),
		Mode: watcher.Mode(a.cfg.WatchMode), Found: a.pool.Found, Log: a.log,
	}
}

// newRights returns the prober that checks whether originals on the volume can be retired;
// nil if the agent must not retire them.
func (a *agent) newRights() *rights.Prober {
	if a.cfg.ReplayDir == "" || a.cfg.Originals == cleanup.PolicyKeep {
		return nil
	}
	p := rights.New(a.cfg.ReplayDir, owner(a.cfg), a.log)
	p.Times = func() bool { // times are not set on MP4s in a bucket
		bucket, err := a.follower.Current()
		return err != nil || bucket == nil
	}
	return p
}

func (a *agent) newCleaner() *cleanup.Cleaner {
	c := &cleanup.Cleaner{
		TasksDir: a.cfg.Dir("tasks"), TaskLogKeep: a.cfg.CleanPeriod.Duration(),
		WorkDir: a.cfg.Dir("work"), WorkInUse: a.pool.InUse, Clock: a.cfg.Dir("cleaned-up-at"), Log: a.log,
	}
	if a.cfg.ReplayDir != "" {
		c.Trash, c.TrashKeep = &cleanup.Trash{Root: a.cfg.ReplayDir, Removing: a.noteDeleted}, a.cfg.OriginalsKeep.Duration()
	}
	return c
}

// newHealth returns the sources of the agent's health.
func (a *agent) newHealth(tool *video.Tool) health.Sources {
	s := health.Sources{
		Core: a.component.State, Queue: a.tasks.Trouble, Storage: a.follower.Trouble, Takes: a.follower.Takes, Spool: a.intake.Room,
		FFmpeg: func() error {
			if _, err := exec.LookPath(tool.Path); err != nil {
				return errors.New("ffmpeg does not exist any more: " + tool.Path)
			}
			return nil
		},
	}
	if a.volume != nil {
		s.Volume = a.volume.Status
	}
	if a.rights != nil {
		s.Rights = a.rights.Trouble
	}
	s.Paused = func() error {
		if p := a.steering.Status().Paused; p != nil {
			return fmt.Errorf("since %s, by %s", p.Since.Local().Format(time.DateTime), p.By)
		}
		return nil
	}
	if len(a.notifier.Targets) > 0 {
		s.Notify = a.notifier.Trouble
	}
	s.Tasks = health.Remember(func() health.Work {
		tasks, err := a.tasks.Newest(context.Background())
		if err != nil {
			return health.Work{} // the queue's condition reports it
		}
		return health.WorkOf(tasks)
	})
	return s
}

// storageOptions returns options that extend core's settings of a storage.
func storageOptions(cfg config.Config) storage.Options {
	return storage.Options{Region: cfg.StorageRegion, UserAgent: userAgent()}
}
