package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/open"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// replays follows core's settings of where this component's replays go. When
// that is a bucket, it also looks for recordings in there and empties its
// trash.
type replays struct {
	cfg       config.Config
	component *coreapi.Component
	observe   func(call, outcome string, took time.Duration) // of calls to a bucket
	log       *slog.Logger

	mu      sync.Mutex // guards what follows
	known   bool
	in      storage.Storage // nil = core's own storage
	err     error           // why nothing can be published
	watcher *bucket.Watcher // nil = none
}

// storage implements [transcode.Pool]'s Storage.
func (r *replays) storage() (storage.Storage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return nil, destination.ErrStorageUnknown
	}
	return r.in, r.err
}

// takes tells why uploads cannot be taken now: their components then store
// them by themselves.
func (r *replays) takes() error {
	in, err := r.storage()
	if err == nil && in == nil && r.cfg.ReplayDir == "" {
		return errors.New("REPLAY_DIR is empty: there is no way to check that core has the MP4")
	}
	return err
}

// trouble is what keeps replays from being published; "" if nothing does.
func (r *replays) trouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.known:
		return destination.ErrStorageUnknown.Error()
	case r.err != nil:
		return r.err.Error()
	case r.watcher == nil:
		return ""
	default:
		return r.watcher.Status().Reason
	}
}

// status is how the bucket stands; false when there is none.
func (r *replays) status() (bucket.Status, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watcher == nil {
		return bucket.Status{}, false
	}
	s := r.watcher.Status()
	s.Cost = s.Cost.Add(r.in.Usage())
	return s, true
}

// shown is what the status page tells of where MP4s go.
func (r *replays) shown() statuspage.Storage {
	s := statuspage.Storage{Error: r.trouble()}
	if b, ok := r.status(); ok {
		s.Place, s.LastPoll, s.LastSweep, s.Waiting = b.Place, statuspage.Some(b.LastPoll), statuspage.Some(b.LastSweep), b.Waiting
	}
	return s
}

// wait returns when it is known where replays go.
func (r *replays) wait(ctx context.Context) error {
	for !r.isKnown() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// run follows core's settings until ctx ends. The pool is handed what is found
// in a bucket, and told when another storage is in use.
func (r *replays) run(ctx context.Context, pool *transcode.Pool) error {
	var now coreapi.TerminalConfig
	stop := func() {}
	defer func() { stop() }()
	for {
		config, known, changed := r.component.Watch()
		if known && (!r.isKnown() || !config.Equal(now)) {
			stop()
			now, stop = config, r.use(ctx, config, pool)
			if err := pool.StorageChanged(ctx); err != nil && ctx.Err() == nil {
				r.log.Warn("tasks that waited for the replay storage go on waiting", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (r *replays) isKnown() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known
}

// use takes up new settings. What it begins ends with the function that it
// answers.
func (r *replays) use(ctx context.Context, c coreapi.TerminalConfig, pool *transcode.Pool) (stop func()) {
	in, listing, err := r.open(c)
	var w *bucket.Watcher
	if in != nil {
		w = &bucket.Watcher{
			Storage: listing, Interval: time.Duration(r.cfg.StorageScan), Settle: time.Duration(r.cfg.SettleTime), Sweep: time.Duration(r.cfg.StorageSweep),
			MaxRequests: int(r.cfg.StorageRequests), KeepDays: c.KeepDays, State: filepath.Join(r.cfg.DataDir, "bucket.json"),
			Found: pool.InBucket, Log: r.log,
		}
	}
	r.mu.Lock()
	r.known, r.in, r.err, r.watcher = true, in, err, w
	r.mu.Unlock()
	if w == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Run(ctx) })
	cleaner := &cleanup.Cleaner{
		TrashKeep: r.cfg.OriginalsKeep.Duration(), Clock: r.cfg.Dir("bucket-cleaned-up-at"), Log: r.log,
		Bucket: func(ctx context.Context, keep time.Duration) (int, error) {
			count, _, err := storage.Trash{Storage: in}.Expire(ctx, int(keep/(24*time.Hour)))
			return count, err
		},
	}
	group.Go(func() error { return cleaner.Run(ctx) })
	return func() {
		cancel()
		_ = group.Wait() // neither ends with an error
	}
}

// open connects to the storage that core is set to, and says where MP4s go.
// The second connection is for looking what is in there.
func (r *replays) open(c coreapi.TerminalConfig) (in, listing storage.Storage, err error) {
	settings, err := storage.Parse(c.ReplayStorage)
	if err == nil && settings.Target() == storage.TargetNowhere {
		err = destination.ErrNullStorage
	}
	if err == nil && settings.Target() == storage.TargetServer {
		r.log.Info("MP4s go to core's own storage")
		if r.cfg.ReplayDir == "" {
			r.log.Warn("core keeps replays in its own storage and REPLAY_DIR is empty: nothing can be converted")
		}
		return nil, nil, nil
	}
	if err == nil {
		in, err = open.Storage(settings, storageOptions(r.cfg))
	}
	if err == nil {
		listing, err = open.Storage(settings, storageOptions(r.cfg))
	}
	if err != nil {
		r.log.Error("nothing can be published", "error", err)
		return nil, nil, err
	}
	r.log.Info("MP4s go to the replay storage", "storage", in.Place())
	if r.cfg.ReplayDir == "" {
		r.log.Warn("REPLAY_DIR is empty: copies of originals that core has made for viewers cannot be found, and core goes on serving them")
	}
	return storage.Observed(in, r.observe), storage.Observed(listing, r.observe), nil
}
