package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// niceness of the agent: the host's other work goes first. ffmpeg goes last of all.
const niceness = 10

// limitProcess disables core dumps, for the memory of the agent and of ffmpeg
// may hold keys and what was on screens.
func limitProcess(log *slog.Logger) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		log.Warn("core dumps cannot be switched off", "error", err)
	}
}

// takeDataDir makes the data folder, for this agent alone.
func (a *agent) takeDataDir() error {
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

// findTool finds ffmpeg, which then makes way for everybody else.
func findTool(ctx context.Context, log *slog.Logger) (*video.Tool, error) {
	tool, err := video.Find(ctx, "")
	if err != nil {
		return nil, err
	}
	log.Info("ffmpeg found", "path", tool.Path, "version", tool.Version)
	tool.Started = throttle.YieldChild
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

// openLedger opens the ledger of replacements. One that does not verify is told
// by the doctor and in the log; it keeps nothing from being converted.
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

// noteDeleted notes in the ledger that something leaves a trash for good.
func (a *agent) noteDeleted(trashed string) error { return a.ledger.Append(ledger.Deleted(trashed)) }

// owner names this agent among those that share a queue.
func owner(cfg config.Config) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, cfg.Port)
}

// newGovernor makes the process give way to others, and the governor that
// holds the host at its target.
func newGovernor(cfg config.Config, log *slog.Logger) *throttle.Governor {
	throttle.Yield(niceness)
	return throttle.New(throttle.Config{
		Target: int(cfg.CPUTarget), Hours: cfg.WorkHours, Otherwise: cfg.WorkOtherwise, Exempt: time.Duration(cfg.WorkExempt), Log: log,
	}, &throttle.Host{})
}

// newFollower is what knows where MP4s go.
func (a *agent) newFollower(count *tally) *destination.Follower {
	return destination.NewFollower(destination.FollowerOptions{
		Settings: a.component.Watch, ReplayDir: a.cfg.ReplayDir, Storage: storageOptions(a.cfg),
		Interval: time.Duration(a.cfg.StorageScan), Settle: time.Duration(a.cfg.SettleTime), Sweep: time.Duration(a.cfg.StorageSweep),
		MaxRequests: int(a.cfg.StorageRequests), State: a.cfg.Dir("bucket.json"),
		TrashKeep: a.cfg.OriginalsKeep.Duration(), Removing: a.noteDeleted, Clock: a.cfg.Dir("bucket-cleaned-up-at"), Observe: count.metrics.Storage, Log: a.log,
	})
}

// newPool is what converts recordings. What it is done with it gives back to
// the spool.
func (a *agent) newPool(core *coreapi.Client, spool *upload.Spool, tool *video.Tool, count *tally, key seal.Key) *transcode.Pool {
	return &transcode.Pool{
		Queue: a.tasks, Core: core, Governor: a.governor, Observer: count, Storage: a.follower.Current, Ledger: a.ledger, Log: a.log,
		ReplayDir: a.cfg.ReplayDir, WorkDir: a.cfg.Dir("work"), TasksDir: a.cfg.Dir("tasks"), SpoolDir: spool.Dir,
		Workers: a.cfg.WorkerCount(), Originals: a.cfg.Originals, Settle: time.Duration(a.cfg.SettleTime), PlayCache: a.opt.playCache,
		Render: render.Options{
			Tool: tool, FPS: int(a.cfg.VideoFPS), CRF: int(a.cfg.VideoCRF), Codec: string(a.cfg.VideoCodec),
			Audio: bool(a.cfg.VideoAudio), Nice: niceness, Agent: userAgent(), Workers: 1, Seal: key,
		},
		Uploaded: func(id string, end task.UploadEnd) {
			if err := spool.Release(id, needOf(end)); err != nil {
				a.log.Warn("an upload stays in the spool", "upload", id, "error", err)
			}
		},
	}
}

// needOf is what an upload is still good for when its task is done with it.
func needOf(end task.UploadEnd) upload.Need {
	switch end {
	case task.UploadStored:
		return upload.NeedNothing
	case task.UploadUnknown:
		return upload.NeedUnknown
	default:
		return upload.NeedContent
	}
}

// sealKey is the key that authenticates what the agent reads back later: the one
// that all agents of a fleet have in common, or its own.
func sealKey(cfg config.Config) (seal.Key, error) {
	if cfg.SecretKey != "" {
		return seal.FromSecret(string(cfg.SecretKey)), nil
	}
	return seal.Open(filepath.Join(cfg.Dir("keys"), "seal.key"))
}

// newVolume is the watcher of the replay volume; nil when there is none.
func (a *agent) newVolume() *watcher.Watcher {
	if a.cfg.ReplayDir == "" {
		return nil
	}
	return &watcher.Watcher{
		Root: a.cfg.ReplayDir, Interval: time.Duration(a.cfg.ScanInterval), Settle: time.Duration(a.cfg.SettleTime),
		Mode: watcher.Mode(a.cfg.WatchMode), Found: a.pool.Found, Log: a.log,
	}
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

// newHealth is what is asked how everything stands.
func (a *agent) newHealth(tool *video.Tool) health.Sources {
	s := health.Sources{
		Core: a.component.State, Queue: a.tasks.Trouble, Storage: a.follower.Trouble, Takes: a.follower.Takes, Spool: a.intake.Room,
		FFmpeg: func() error {
			if _, err := exec.LookPath(tool.Path); err != nil {
				return errors.New("ffmpeg is not there any more: " + tool.Path)
			}
			return nil
		},
	}
	if a.volume != nil {
		s.Volume = a.volume.Status
	}
	return s
}

// storageOptions are what the settings add to core's settings of a storage.
func storageOptions(cfg config.Config) storage.Options {
	return storage.Options{Region: cfg.StorageRegion, UserAgent: userAgent()}
}
