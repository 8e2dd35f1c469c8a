package transcode

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// Found takes a recording that the watcher found: it becomes a task unless
// there is one for it. It has the signature of [watcher.Watcher]'s Found, and
// answers [watcher.ErrBusy] while very many tasks wait, except to what is
// recent.
func (p *Pool) Found(ctx context.Context, c watcher.Candidate) error {
	if !c.Recent {
		if full, err := p.full(ctx); err != nil {
			return err
		} else if full {
			return watcher.ErrBusy
		}
	}
	source := task.Source{Path: c.Path, Size: c.Size, ModTime: c.ModTime}
	if t, err := p.Queue.Get(ctx, c.Session); err == nil {
		if err := p.before(t); err != nil {
			return err
		}
		// Core copies to the volume what somebody watches of a bucket, of a
		// recording in parts perhaps some only: the whole is worked on first.
		if task.SourceOf(t).Bucket != nil && !t.State.Final() {
			return fmt.Errorf("%w: the recording in the bucket", watcher.ErrInWork)
		}
	}
	return p.submit(ctx, c.Session, source)
}

// before returns [watcher.ErrInWork] when the session's upload has to be worked on before
// what was found elsewhere: it is whole, and nobody else has it.
func (p *Pool) before(t queue.Task) error {
	if p.spool.has(task.SourceOf(t)) && !t.State.Final() {
		return fmt.Errorf("%w: its upload", watcher.ErrInWork)
	}
	return nil
}

// InBucket takes a recording that was found in a bucket: it becomes a task
// unless there is one for it. It has the signature of [bucket.Watcher]'s Found,
// and answers [watcher.ErrBusy] while very many tasks wait.
func (p *Pool) InBucket(ctx context.Context, c bucket.Candidate) error {
	if c.HasVideo && p.Originals == cleanup.PolicyKeep {
		return nil // kept beside its MP4, as it was asked for
	}
	if full, err := p.full(ctx); err != nil {
		return err
	} else if full {
		return watcher.ErrBusy
	}
	if t, err := p.Queue.Get(ctx, c.Session); err == nil {
		if err := p.before(t); err != nil {
			return err
		}
	}
	source := task.Source{
		Bucket: &task.BucketSource{Place: c.Storage.Place(), Key: c.Key, Objects: c.Objects},
		Size:   c.Size, ModTime: c.ModTime,
	}
	return p.submit(ctx, c.Session, source)
}

// maxQueued is how many tasks may wait before no more old recordings are taken,
// and countEvery how long a count is valid.
const (
	maxQueued  = 2000
	countEvery = 10 * time.Second
)

// backlog is how many tasks have not ended.
type backlog struct {
	mu      sync.Mutex // held while tasks are counted; guards what follows
	tasks   int        // when they were counted, and those taken since
	counted time.Time
}

// full reports whether more tasks wait than are worth queueing.
func (p *Pool) full(ctx context.Context) (bool, error) {
	b := &p.backlog
	b.mu.Lock() // a lock that the queue never waits for, when it asks whether a task may begin
	defer b.mu.Unlock()
	if time.Since(b.counted) > countEvery {
		tasks, err := p.Queue.List(ctx)
		if err != nil {
			return false, err
		}
		b.tasks = 0
		for _, t := range tasks {
			if !t.State.Final() {
				b.tasks++
			}
		}
		b.counted = time.Now()
	}
	b.tasks++
	return b.tasks > maxQueued, nil
}

func (p *Pool) submit(ctx context.Context, session string, source task.Source) error {
	t, created, err := p.Queue.Submit(ctx, queue.Task{
		ID: session, Source: task.Encode(source), Fingerprint: source.Fingerprint(), Date: source.ModTime.UTC(), Created: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", session, err)
	}
	if created {
		p.Log.Info("recording found", "session", session, "path", source.Name(), "size_mb", megabytes(source.Size))
		return nil
	}
	if t.Fingerprint != source.Fingerprint() {
		return fmt.Errorf("%w; %s waits", watcher.ErrInWork, source.Name())
	}
	return nil
}
