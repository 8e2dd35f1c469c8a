package destination

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/open"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// FollowerOptions are what a [Follower] works with.
type FollowerOptions struct {
	// Settings returns core's settings, false until they are known, and a
	// channel that is closed when they become others; see
	// [coreapi.Component.Watch].
	Settings  func() (c coreapi.TerminalConfig, known bool, changed <-chan struct{})
	ReplayDir string          // core's replay folder as mounted here; "" = none
	Storage   storage.Options // what is added to core's settings of a bucket

	// How recordings are looked for in a bucket; see [bucket.Watcher].
	Interval, Settle, Sweep time.Duration
	MaxRequests             int
	State                   string

	TrashKeep time.Duration           // how long the trash of a bucket keeps originals
	Removing  func(path string) error // told of what is about to leave that trash for good; see [storage.Trash]
	Clock     string                  // file that keeps when that trash was last emptied; see [cleanup.Cleaner]

	Observe func(call, outcome string, took time.Duration) // told of each call to a bucket; see [storage.Observed]
	Log     *slog.Logger
}

// Taker is told what a [Follower] finds out.
type Taker interface {
	// InBucket is offered each recording in the bucket; see Found of
	// [bucket.Watcher].
	InBucket(ctx context.Context, c bucket.Candidate) error
	// StorageChanged is called after MP4s have begun to go somewhere else, or
	// to go somewhere at all.
	StorageChanged(ctx context.Context) error
}

// Follower follows core's settings of where this component's replays go. When
// that is a bucket, it also looks for recordings in there and empties its
// trash. Its methods may be called from many goroutines.
type Follower struct {
	opt FollowerOptions

	mu      sync.Mutex // guards what follows
	known   bool
	in      storage.Storage // nil = core's own storage
	err     error           // why nothing can be published
	watcher *bucket.Watcher // nil = none
}

// NewFollower returns one that knows of no settings yet.
func NewFollower(opt FollowerOptions) *Follower { return &Follower{opt: opt} }

// Current returns where MP4s go now: a bucket, or nil for core's own storage.
// Errors: [ErrStorageUnknown], [ErrNullStorage], and those of settings that
// cannot be used.
func (f *Follower) Current() (storage.Storage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known {
		return nil, ErrStorageUnknown
	}
	return f.in, f.err
}

// Takes returns why uploads cannot be taken now: their components then store
// them by themselves.
func (f *Follower) Takes() error {
	in, err := f.Current()
	if err == nil && in == nil && f.opt.ReplayDir == "" {
		return errors.New("REPLAY_DIR is empty: there is no way to check that core has the MP4")
	}
	return err
}

// Trouble returns what keeps replays from being published, or recordings in a
// bucket from being found.
func (f *Follower) Trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.known:
		return ErrStorageUnknown
	case f.err != nil:
		return f.err
	case f.watcher == nil:
		return nil
	}
	if reason := f.watcher.Status().Reason; reason != "" {
		return errors.New(reason)
	}
	return nil
}

// Status returns how the bucket stands, with the cost of all that was asked of
// it; false when there is none.
func (f *Follower) Status() (bucket.Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watcher == nil {
		return bucket.Status{}, false
	}
	s := f.watcher.Status()
	s.Cost = s.Cost.Add(f.in.Usage())
	return s, true
}

// Wait returns when it is known where MP4s go, or with the cause of ctx's end.
func (f *Follower) Wait(ctx context.Context) error {
	for !f.isKnown() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (f *Follower) isKnown() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

// Run follows core's settings until ctx ends, and then returns nil.
func (f *Follower) Run(ctx context.Context, taker Taker) error {
	var now coreapi.TerminalConfig
	stop := func() {}
	defer func() { stop() }()
	for {
		settings, known, changed := f.opt.Settings()
		if known && (!f.isKnown() || !settings.Equal(now)) {
			stop()
			now, stop = settings, f.use(ctx, settings, taker)
			if err := taker.StorageChanged(ctx); err != nil && ctx.Err() == nil {
				f.opt.Log.Warn("tasks that waited for the replay storage go on waiting", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// use takes up new settings. What it begins ends with the function that it
// returns.
func (f *Follower) use(ctx context.Context, c coreapi.TerminalConfig, taker Taker) (stop func()) {
	in, listing, err := f.open(c)
	var w *bucket.Watcher
	if in != nil {
		w = &bucket.Watcher{
			Storage: listing, Interval: f.opt.Interval, Settle: f.opt.Settle, Sweep: f.opt.Sweep,
			MaxRequests: f.opt.MaxRequests, KeepDays: c.KeepDays, State: f.opt.State,
			Found: taker.InBucket, Log: f.opt.Log,
		}
	}
	f.mu.Lock()
	f.known, f.in, f.err, f.watcher = true, in, err, w
	f.mu.Unlock()
	if w == nil {
		return func() {}
	}
	cleaner := &cleanup.Cleaner{
		TrashKeep: f.opt.TrashKeep, Clock: f.opt.Clock, Log: f.opt.Log,
		Bucket: func(ctx context.Context, keep time.Duration) (int, error) {
			count, _, err := storage.Trash{Storage: in, Removing: f.removing(in)}.Expire(ctx, int(keep/(24*time.Hour)))
			return count, err
		},
	}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Run(ctx) })
	group.Go(func() error { return cleaner.Run(ctx) })
	return func() {
		cancel()
		_ = group.Wait() // neither ends with an error
	}
}

// removing is told of what leaves the trash of a bucket, by the name that Retire
// has returned for it.
func (f *Follower) removing(in storage.Storage) func(key string) error {
	if f.opt.Removing == nil {
		return nil
	}
	return func(key string) error { return f.opt.Removing(in.Place() + "/" + key) }
}

// open connects to the storage that core is set to. The second connection is
// for looking what is in there; both are nil for core's own storage.
func (f *Follower) open(c coreapi.TerminalConfig) (in, listing storage.Storage, err error) {
	settings, err := storage.Parse(c.ReplayStorage)
	if err == nil && settings.Target() == storage.TargetNowhere {
		err = ErrNullStorage
	}
	if err == nil && settings.Target() == storage.TargetServer {
		f.opt.Log.Info("MP4s go to core's own storage")
		if f.opt.ReplayDir == "" {
			f.opt.Log.Warn("core keeps replays in its own storage and REPLAY_DIR is empty: nothing can be converted")
		}
		return nil, nil, nil
	}
	if err == nil {
		in, err = open.Storage(settings, f.opt.Storage)
	}
	if err == nil {
		listing, err = open.Storage(settings, f.opt.Storage)
	}
	if err != nil {
		f.opt.Log.Error("nothing can be published", "error", err)
		return nil, nil, err
	}
	f.opt.Log.Info("MP4s go to the replay storage", "storage", in.Place())
	if f.opt.ReplayDir == "" {
		f.opt.Log.Warn("REPLAY_DIR is empty: copies of originals that core has made for viewers cannot be found, and core goes on serving them")
	}
	return storage.Observed(in, f.opt.Observe), storage.Observed(listing, f.opt.Observe), nil
}
