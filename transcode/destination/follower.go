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

// FollowerOptions configure a [Follower].
type FollowerOptions struct {
	// Settings returns core's settings, false until they are known, and a channel
	// that is closed when they change; see [coreapi.Component.Watch].
	Settings  func() (c coreapi.TerminalConfig, known bool, changed <-chan struct{})
	ReplayDir string          // core's replay folder as mounted here; "" = none
	Storage   storage.Options // our settings in addition to core's settings of a bucket

	// How to search a bucket for recordings; see [bucket.Watcher].
	Interval, Settle, Sweep time.Duration
	MaxRequests             int
	State                   string

	TrashKeep time.Duration           // how long the trash of a bucket keeps originals
	Removing  func(path string) error // called before an object is permanently deleted from that trash; see [storage.Trash]
	Clock     string                  // file that stores when that trash was last emptied; see [cleanup.Cleaner]

	Observe func(call, outcome string, took time.Duration) // called for each call to a bucket; see [storage.Observed]
	Log     *slog.Logger
}

// Taker is notified by a [Follower].
type Taker interface {
	// InBucket is called with each recording in the bucket; see Found of
	// [bucket.Watcher].
	InBucket(ctx context.Context, c bucket.Candidate) error
	// StorageChanged is called after the storage of MP4s has changed or became
	// known.
	StorageChanged(ctx context.Context) error
}

// Follower follows core's setting of the replay storage of this component. If that
// is a bucket, it also searches it for recordings and empties its trash. Its
// methods may be called from many goroutines.
type Follower struct {
	opt FollowerOptions

	mu      sync.Mutex // guards what follows
	known   bool
	in      storage.Storage // nil = core's own storage
	err     error           // why nothing can be published
	watcher *bucket.Watcher // nil = none
}

// NewFollower returns a follower that does not know the settings yet.
func NewFollower(opt FollowerOptions) *Follower { return &Follower{opt: opt} }

// Current returns where MP4s are stored now: a bucket, or nil for core's own
// storage. Errors: [ErrStorageUnknown], [ErrNullStorage], and those of settings
// that cannot be used.
func (f *Follower) Current() (storage.Storage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known {
		return nil, ErrStorageUnknown
	}
	return f.in, f.err
}

// Takes returns why uploads cannot be accepted now, nil if they can. Components
// then store refused recordings themselves.
func (f *Follower) Takes() error {
	_, err := f.Current()
	return err
}

// Trouble returns the error that keeps replays from being published, or recordings
// in a bucket from being found.
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

// Status returns the state of the bucket and the cost of all requests to it; false
// if there is no bucket.
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

// Wait returns nil when the storage of MP4s is known, or the cause of ctx's end.
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
				f.opt.Log.Warn("tasks that wait for the replay storage could not be resumed; retrying when its settings change", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// use applies new settings. Calling stop ends what it started.
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
		_ = group.Wait() // neither returns an error
	}
}

// removing returns the function that is called before an object is deleted from the
// trash of a bucket. It passes on the name that Retire returned for the object.
func (f *Follower) removing(in storage.Storage) func(key string) error {
	if f.opt.Removing == nil {
		return nil
	}
	return func(key string) error { return f.opt.Removing(in.Place() + "/" + key) }
}

// open connects to the storage of core's settings. The second connection is for
// listings; both are nil for core's own storage.
func (f *Follower) open(c coreapi.TerminalConfig) (in, listing storage.Storage, err error) {
	settings, err := storage.Parse(c.ReplayStorage)
	if err == nil && settings.Target() == storage.TargetNowhere {
		err = ErrNullStorage
	}
	if err == nil && settings.Target() == storage.TargetServer {
		f.opt.Log.Info("MP4s go to core's own storage")
		if f.opt.ReplayDir == "" {
			f.opt.Log.Warn("core keeps replays in its own storage and REPLAY_DIR is empty: only uploads are converted, and core's response is the only proof that it has their MP4s")
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
		f.opt.Log.Warn("REPLAY_DIR is empty: copies of originals that core has made for viewers cannot be found, and core still serves them")
	}
	return storage.Observed(in, f.opt.Observe), storage.Observed(listing, f.opt.Observe), nil
}
