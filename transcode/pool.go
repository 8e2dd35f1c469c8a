package transcode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"jumpserver-video/cleanup"
	"jumpserver-video/coreapi"
	"jumpserver-video/transcode/queue"
	"jumpserver-video/transcode/render"
	"jumpserver-video/transcode/throttle"
	"jumpserver-video/watcher"
	"jumpserver-video/watcher/recording"
)

// Pool runs tasks. The exported fields are its configuration and are not
// changed after Run has begun.
type Pool struct {
	Queue     *queue.Queue
	Core      *coreapi.Client
	ReplayDir string          // core's replay folder as mounted here
	WorkDir   string          // a folder of its own per task, for the MP4 in the making
	TasksDir  string          // a folder per task that stays: log and task.json
	Workers   int             // tasks at once
	Render    render.Options  // how videos are made
	SpoolDir  string          // of uploads, a folder each; empty = none are taken
	Uploaded  func(id string) // told when an upload needs its spool no more; may be nil
	Originals cleanup.Policy  // what becomes of originals
	Settle    time.Duration   // how long a changed recording is left to rest
	MaxTries  int             // failures that may be the recording's fault; 0 = 5
	Log       *slog.Logger

	// Governor, when not nil, says when a task may begin, and paces it.
	Governor *throttle.Governor
	// Observer, when not nil, is told of the work, for statistics.
	Observer Observer

	// Boundary, when not nil, is called at every step boundary with its
	// name. Tests kill the process there.
	Boundary func(name string)

	mu     sync.Mutex
	active map[string]*job // by task id; guarded by mu
}

// Observer is told what a pool does, from several goroutines.
type Observer interface {
	// Stage tells that a task has left a state after so long.
	Stage(state queue.State, took time.Duration)
	// Ended tells what a task came to when it was given back.
	Ended(View)
}

// incompleteLimit is how long after its last change a recording whose end is
// missing is given up as cut for good.
const incompleteLimit = 24 * time.Hour

// maxIdle bounds how rarely a waiting task is looked at.
const maxIdle = 15 * time.Minute

// Found takes a recording that the watcher found: it becomes a task unless
// there is one for it. It has the signature of [watcher.Watcher]'s Found.
func (p *Pool) Found(ctx context.Context, c watcher.Candidate) error {
	source := Source{Path: c.Path, Size: c.Size, ModTime: c.ModTime}
	task, created, err := p.Queue.Submit(ctx, queue.Task{
		ID: c.Session, Source: encode(source), Fingerprint: source.Fingerprint(), Date: c.ModTime.UTC(), Created: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", c.Session, err)
	}
	if created {
		p.Log.Info("recording found", "session", c.Session, "path", c.Path, "size_mb", megabytes(c.Size))
		return nil
	}
	if task.Fingerprint != source.Fingerprint() {
		return fmt.Errorf("session %s has a task in work; its other recording %s waits", c.Session, c.Path)
	}
	return nil
}

// Upload takes an upload that is complete in the spool: it becomes a task
// unless there is one. path is that of the recording, relative to SpoolDir.
func (p *Pool) Upload(ctx context.Context, session, path string) error {
	rec, err := recording.Open(abs(p.SpoolDir, path))
	if err != nil {
		return err
	}
	source := Source{Spool: path, Size: rec.Size, ModTime: rec.ModTime}
	task, created, err := p.Queue.Submit(ctx, queue.Task{
		ID: session, Source: encode(source), Fingerprint: source.Fingerprint(), Date: rec.ModTime.UTC(), Created: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", session, err)
	}
	if created {
		p.Log.Info("upload queued", "session", session, "size_mb", megabytes(rec.Size))
		return nil
	}
	if task.Fingerprint != source.Fingerprint() {
		return fmt.Errorf("session %s has a task in work; its upload waits", session)
	}
	return nil
}

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

// admits tells whether a task may begin beside those that are held.
func (p *Pool) admits(t queue.Task, held int) bool {
	var source Source
	if json.Unmarshal(t.Source, &source) == nil && source.Spool != "" {
		// An upload in the spool of another agent is that agent's.
		if _, err := os.Stat(abs(p.SpoolDir, source.Spool)); p.SpoolDir == "" || err != nil {
			return false
		}
	}
	return p.Governor == nil || p.Governor.Admit(held, t.Date)
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
