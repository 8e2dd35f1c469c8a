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
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
)

// Pool runs tasks. The exported fields are its configuration and are not
// changed after Run has begun.
type Pool struct {
	Queue     *queue.Queue
	Core      *coreapi.Client
	ReplayDir string         // core's replay folder as mounted here; "" = none
	WorkDir   string         // a folder of its own per task, for the MP4 in the making
	TasksDir  string         // a folder per task that stays: log and task.json
	Workers   int            // tasks at once
	Render    render.Options // how videos are made
	SpoolDir  string         // of uploads, a folder each; empty = none are taken
	Originals cleanup.Policy // what becomes of originals
	Settle    time.Duration  // how long a changed recording is left to rest
	MaxTries  int            // failures that may be the recording's fault; 0 = 5
	Log       *slog.Logger

	// Uploaded, when not nil, is told when an upload needs its spool no more:
	// its session has a replay in the storage, or else core does not know it.
	Uploaded func(id string, stored bool)

	// Storage tells where MP4s go now: to the bucket that it answers, or to
	// core's own storage when that is nil. Errors:
	// [destination.ErrNullStorage], [destination.ErrStorageUnknown], and those of settings that cannot be used. A nil
	// Storage stands for core's own.
	Storage func() (storage.Storage, error)

	// Governor, when not nil, says when a task may begin, and paces it.
	Governor *throttle.Governor
	// Observer, when not nil, is told of the work, for statistics.
	Observer task.Observer

	// Boundary, when not nil, is called at every step boundary with its
	// name. Tests kill the process there.
	Boundary func(name string)

	asked asked // of core, about sessions

	mu     sync.Mutex
	active map[string]*job // by task id; guarded by mu
	held   circuit         // guarded by mu
	ended  map[string]bool // uploads that came to nothing, by place in the spool; guarded by mu
	spool  map[string]bool // uploads that can be read here, by place in the spool; guarded by mu

	count      sync.Mutex // held while tasks are counted
	unfinished int        // tasks, when they were counted; guarded by count
	counted    time.Time  // guarded by count
}

// incompleteLimit is how long after its last change a recording whose end is
// missing is given up as cut for good.
const incompleteLimit = 24 * time.Hour

// maxIdle bounds how rarely a waiting task is looked at.
const maxIdle = 15 * time.Minute

// InUse tells whether a task is being worked on in this process; cleanup
// leaves its work folder alone.
func (p *Pool) InUse(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active[id] != nil
}

// Run works on tasks until ctx ends, and returns when all workers have put
// their tasks back.
func (p *Pool) Run(ctx context.Context) error {
	if p.MaxTries == 0 {
		p.MaxTries = 5
	}
	p.mu.Lock()
	p.active = map[string]*job{}
	p.mu.Unlock()
	var wg sync.WaitGroup
	for range p.Workers {
		wg.Go(func() { p.work(ctx) })
	}
	wg.Wait()
	return nil
}

// work is one worker.
func (p *Pool) work(ctx context.Context) {
	for ctx.Err() == nil {
		lease, err := p.Queue.LeaseIf(ctx, p.admits)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
				return
			}
			p.Log.Error("the queue gives no task; trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
			continue
		}
		p.do(ctx, lease)
	}
}

// admits tells whether a task may begin beside those that are held. The queue
// stands still meanwhile: no file is touched here, for that may hang, and no
// lock is taken that somebody holds who asks the queue.
func (p *Pool) admits(t queue.Task, beside int) bool {
	if source := task.SourceOf(t); source.Spool != "" && !p.inSpool(source) {
		return false // the upload is in the spool of another agent, and that agent's
	}
	p.mu.Lock()
	held := time.Now().Before(p.held.until)
	p.mu.Unlock()
	if held {
		return false
	}
	return p.Governor == nil || p.Governor.Admit(beside, t.Date)
}

func (p *Pool) do(ctx context.Context, lease *queue.Lease) {
	j, err := p.newJob(lease)
	if err != nil {
		p.Log.Error("task cannot start", "session", lease.Task().ID, "error", err)
		j.end(ctx, err)
		return
	}
	p.mu.Lock()
	p.active[j.id] = j
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.active, j.id)
		p.mu.Unlock()
		j.close()
	}()

	// The job stops when the agent does, and when the lease is lost.
	jobCtx, cancel := context.WithCancelCause(lease.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	defer cancel(nil)
	j.end(ctx, j.run(jobCtx))
}

func (p *Pool) boundary(name string) {
	if p.Boundary != nil {
		p.Boundary(name)
	}
}

func megabytes(n int64) float64 { return float64(n/10_000) / 100 }
