package transcode

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/job"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// Pool runs tasks. Its exported fields are its configuration, and must not be changed
// after Run was called.
type Pool struct {
	Queue        *queue.Queue
	Core         *coreapi.Client
	ReplayDir    string         // core's replay folder as mounted here; "" = none
	Mount        *watcher.Mount // reports whether the replay folder is mounted; nil = one without memory of earlier runs
	WorkDir      string         // has a folder per task for temporary files and the MP4
	TasksDir     string         // has a folder per task for files that stay: log and task.json
	Workers      int            // tasks at once; see SetWorkers
	Render       render.Options // how videos are made
	SpoolDir     string         // has a folder per upload; "" = uploads are not accepted
	Originals    cleanup.Policy // what happens to originals
	Settle       time.Duration  // the shortest wait before a recording that is not ready is checked again
	PlayCache    time.Duration  // how long the address of a replay is valid that core gives to a viewer
	MaxTries     int            // a task fails after that many failures that the recording may have caused; 0 = 5
	MaxTakeovers int            // a task fails after that many takeovers in a row in one state; 0 = 8
	KeepNames    bool           // store in tasks what core reports of their sessions
	Log          *slog.Logger

	// Uploaded is called with the id of an upload whose task no longer needs it, and the
	// result. asIs means that core has the recording itself in place of an MP4. May be
	// nil.
	Uploaded func(id string, end task.UploadEnd, asIs bool)

	// Stays is called with the reason why an upload stays in the spool although its task
	// has ended; may be nil.
	Stays func(reason task.Class)

	// Trash keeps uploads whose tasks no longer need them; may be nil.
	Trash UploadTrash

	// Ledger records replacements; may be nil.
	Ledger job.Ledger

	// Storage returns where MP4s go now: a bucket, or nil for core's own storage. Errors:
	// [destination.ErrNullStorage], [destination.ErrStorageUnknown], and those of settings
	// that cannot be used. A nil Storage means core's own storage.
	Storage func() (storage.Storage, error)

	// Rights checks the permissions that retiring needs on the replay volume. Tasks of
	// days for which they are missing wait. May be nil.
	Rights *rights.Prober

	// Governor decides when a task may begin, and paces it; may be nil.
	Governor *throttle.Governor
	// Observer is notified of the work, for statistics; may be nil.
	Observer task.Observer

	// Boundary is called with a name at every boundary between steps; may be nil. Tests
	// kill the process there.
	Boundary func(name string)

	breaker breaker
	spool   spool
	backlog backlog

	workers atomic.Int32 // tasks at once now; 0 = Workers

	mu      sync.Mutex
	active  map[string]bool // ids of tasks that this process works on; guarded by mu
	running int             // workers that were started; guarded by mu
	start   func()          // starts one more worker; nil unless Run runs; guarded by mu
}

// Defaults of Pool.
const (
	defaultTries     = 5
	defaultTakeovers = 8
)

// InUse reports whether this process works on a task, so that cleanup must not remove its
// work folder.
func (p *Pool) InUse(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active[id]
}

// Run works on tasks until ctx ends, and returns when all workers have released their
// tasks.
func (p *Pool) Run(ctx context.Context) error {
	p.mu.Lock()
	p.active = map[string]bool{}
	p.mu.Unlock()
	if p.Mount == nil {
		mount, err := watcher.NewMount(p.ReplayDir, "")
		if err != nil {
			return err
		}
		p.Mount = mount
	}
	host := &host{p: p, sessions: sessions{core: p.Core, queue: p.Queue, log: p.Log}}
	var wg sync.WaitGroup
	p.mu.Lock()
	p.running, p.start = 0, func() { wg.Go(func() { p.work(ctx, host) }) }
	p.mu.Unlock()
	wg.Go(func() { // no worker is started after ctx has ended
		<-ctx.Done()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.start = nil
	})
	p.startMissing()
	wg.Wait()
	return nil
}

// MaxWorkers limits [Pool.SetWorkers].
const MaxWorkers = 256

// SetWorkers changes how many tasks are worked on at once, 1 to [MaxWorkers]; 0 restores
// Workers. It may be called while Run runs. A smaller number takes effect as running tasks
// end.
func (p *Pool) SetWorkers(n int) {
	p.workers.Store(int32(max(0, min(n, MaxWorkers)))) //nolint:gosec // limited to MaxWorkers
	p.startMissing()
}

// atOnce returns how many tasks may be worked on at once.
func (p *Pool) atOnce() int {
	if n := int(p.workers.Load()); n > 0 {
		return n
	}
	return p.Workers
}

// startMissing starts workers until as many run as tasks may be worked on at once. Workers
// beyond that number continue to run, but get no tasks: see admits.
func (p *Pool) startMissing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.start != nil && p.running < p.atOnce(); p.running++ {
		p.start()
	}
}

// work is the loop of one worker; it returns when ctx ends or the queue is closed.
func (p *Pool) work(ctx context.Context, host *host) {
	cfg := p.jobs()
	for ctx.Err() == nil {
		lease, err := p.Queue.LeaseIf(ctx, p.admits)
		if err == nil {
			p.do(ctx, cfg, host, lease)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		p.Log.Error("cannot take a task from the queue; retrying", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// jobs returns the configuration of the pool's jobs.
func (p *Pool) jobs() job.Config {
	cfg := job.Config{
		Core: p.Core, ReplayDir: p.ReplayDir, Mount: p.Mount, WorkDir: p.WorkDir, TasksDir: p.TasksDir, SpoolDir: p.SpoolDir, Render: p.Render,
		Originals: p.Originals, Settle: p.Settle, PlayCache: p.PlayCache, KeepNames: p.KeepNames, MaxTries: p.MaxTries, MaxTakeovers: p.MaxTakeovers,
		Governor: p.Governor, Observer: p.Observer, Storage: p.Storage, Rights: p.Rights, Ledger: p.Ledger, Boundary: p.Boundary, Log: p.Log,
	}
	if cfg.MaxTries == 0 {
		cfg.MaxTries = defaultTries
	}
	if cfg.MaxTakeovers == 0 {
		cfg.MaxTakeovers = defaultTakeovers
	}
	return cfg
}

// admits reports whether a task may be taken while this process holds a number of others.
// It is called with the queue's lock held. Therefore it must not access files, which may
// hang, nor acquire a lock whose holder may call the queue.
func (p *Pool) admits(t queue.Task, held int) bool {
	source := task.SourceOf(t)
	switch {
	case held >= p.atOnce():
		return false
	case source.Spooled() && !p.spool.has(source):
		return false // the upload is in the spool of another agent
	case source.OnVolume() && p.Mount != nil && p.Mount.None():
		return false // this agent has no replay volume, but another agent has
	case source.OnVolume() && p.Rights != nil && p.Rights.Holds(source.Path):
		return false
	}
	if p.breaker.isOpen() {
		return false
	}
	return p.Governor == nil || p.Governor.Admit(held, t.Date)
}

// do works on one leased task.
func (p *Pool) do(ctx context.Context, cfg job.Config, host *host, lease *queue.Lease) {
	id := lease.Task().ID
	p.mu.Lock()
	p.active[id] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.active, id)
		p.mu.Unlock()
	}()
	job.Do(ctx, cfg, host, lease)
}

// host implements [job.Host] for the pool's jobs.
type host struct {
	p        *Pool
	sessions sessions
}

// Session implements [job.Host].
func (h *host) Session(ctx context.Context, id string) (coreapi.Session, error) {
	return h.sessions.get(ctx, id)
}

// CoreAnswered implements [job.Host].
func (h *host) CoreAnswered() { h.p.breaker.reset() }

// Waits implements [job.Host].
func (h *host) Waits(class task.Class, err error) { h.p.breaker.trip(class, err, h.p.Log) }

// UploadDone implements [job.Host].
func (h *host) UploadDone(path string, end task.UploadEnd, asIs bool) {
	h.p.uploadDone(path, end, asIs)
}

// UploadEnded implements [job.Host].
func (h *host) UploadEnded(path string, stays task.Class) {
	if h.p.spool.end(path) && stays != "" && h.p.Stays != nil {
		h.p.Stays(stays)
	}
}

// megabytes returns n bytes in units of 10⁶ bytes, with two decimal places.
func megabytes(n int64) float64 { return float64(n/10_000) / 100 }
