package transcode

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/job"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
)

// Pool runs tasks. The exported fields are its configuration and are not
// changed after Run has begun.
type Pool struct {
	Queue        *queue.Queue
	Core         *coreapi.Client
	ReplayDir    string         // core's replay folder as mounted here; "" = none
	WorkDir      string         // a folder of its own per task, for the MP4 in the making
	TasksDir     string         // a folder per task that stays: log and task.json
	Workers      int            // tasks at once
	Render       render.Options // how videos are made
	SpoolDir     string         // of uploads, a folder each; empty = none are taken
	Originals    cleanup.Policy // what becomes of originals
	Settle       time.Duration  // how long a changed recording is left to rest
	PlayCache    time.Duration  // how long core hands out the address of a replay that somebody has begun to watch
	MaxTries     int            // failures that may be the recording's fault; 0 = 5
	MaxTakeovers int            // agents that die in a row in one state of a task before it is held to be why; 0 = 8
	Log          *slog.Logger

	// Uploaded, when not nil, is told when an upload needs its spool no more,
	// and why.
	Uploaded func(id string, end task.UploadEnd)

	// Ledger, when not nil, notes replacements.
	Ledger job.Ledger

	// Storage returns where MP4s go now: a bucket, or nil for core's own
	// storage. Errors: [destination.ErrNullStorage],
	// [destination.ErrStorageUnknown], and those of settings that cannot be
	// used. A nil Storage stands for core's own.
	Storage func() (storage.Storage, error)

	// Governor, when not nil, says when a task may begin, and paces it.
	Governor *throttle.Governor
	// Observer, when not nil, is told of the work, for statistics.
	Observer task.Observer

	// Boundary, when not nil, is called at every step boundary with its
	// name. Tests kill the process there.
	Boundary func(name string)

	breaker breaker
	spool   spool
	backlog backlog

	mu     sync.Mutex
	active map[string]bool // by task id; guarded by mu
}

// Defaults of Pool.
const (
	defaultTries     = 5
	defaultTakeovers = 8
)

// InUse reports whether a task is being worked on in this process; cleanup
// leaves its work folder alone.
func (p *Pool) InUse(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active[id]
}

// Run works on tasks until ctx ends, and returns when all workers have put
// their tasks back.
func (p *Pool) Run(ctx context.Context) error {
	p.mu.Lock()
	p.active = map[string]bool{}
	p.mu.Unlock()
	host := &host{p: p, sessions: sessions{core: p.Core, queue: p.Queue, log: p.Log}}
	var wg sync.WaitGroup
	for range p.Workers {
		wg.Go(func() { p.work(ctx, host) })
	}
	wg.Wait()
	return nil
}

// work is one worker.
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
		p.Log.Error("the queue gives no task; trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// jobs returns what the pool's jobs have in common.
func (p *Pool) jobs() job.Config {
	cfg := job.Config{
		Core: p.Core, ReplayDir: p.ReplayDir, WorkDir: p.WorkDir, TasksDir: p.TasksDir, SpoolDir: p.SpoolDir,
		Render: p.Render, Originals: p.Originals, Settle: p.Settle, PlayCache: p.PlayCache, MaxTries: p.MaxTries, MaxTakeovers: p.MaxTakeovers,
		Governor: p.Governor, Observer: p.Observer, Storage: p.Storage, Ledger: p.Ledger, Boundary: p.Boundary, Log: p.Log,
	}
	if cfg.MaxTries == 0 {
		cfg.MaxTries = defaultTries
	}
	if cfg.MaxTakeovers == 0 {
		cfg.MaxTakeovers = defaultTakeovers
	}
	return cfg
}

// admits reports whether a task may begin beside those that are held. The
// queue stands still meanwhile: no file is touched here, for that may hang,
// and no lock is taken that somebody holds who asks the queue.
func (p *Pool) admits(t queue.Task, beside int) bool {
	if source := task.SourceOf(t); source.Spooled() && !p.spool.has(source) {
		return false // the upload is in the spool of another agent, and that agent's
	}
	if p.breaker.isOpen() {
		return false
	}
	return p.Governor == nil || p.Governor.Admit(beside, t.Date)
}

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

// host is the pool as its jobs see it.
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
func (h *host) UploadDone(path string, end task.UploadEnd) { h.p.uploadDone(path, end) }

// UploadEnded implements [job.Host].
func (h *host) UploadEnded(path string) { h.p.spool.end(path) }

func megabytes(n int64) float64 { return float64(n/10_000) / 100 }
