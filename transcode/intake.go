package transcode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// Found creates a task for a recording that the watcher has found, unless there is one for
// it. It has the signature of [watcher.Watcher]'s Found. Errors: [watcher.ErrBusy] while
// very many tasks wait, except for recent recordings; [watcher.ErrInWork]; the queue's.
func (p *Pool) Found(ctx context.Context, c watcher.Candidate) error {
	if !c.Recent {
		if full, err := p.full(ctx); err != nil {
			return err
		} else if full {
			return watcher.ErrBusy
		}
	}
	source := task.Source{Path: c.Path, Size: c.Size, ModTime: c.ModTime, Early: c.Early}
	if t, err := p.Queue.Get(ctx, c.Session); err == nil {
		if isRestored(t) {
			return nil
		}
		if err := p.uploadFirst(t); err != nil {
			return err
		}
		// Core copies a recording from a bucket to the volume when someone watches it,
		// and may copy only some parts of it. The complete one is worked on first.
		if c.Lacks && t.State == queue.StateDone {
			return nil // the remains of the recording, or parts that core has copied for a viewer
		}
		if task.SourceOf(t).Bucket != nil && !t.State.Final() {
			return fmt.Errorf("%w: the recording in the bucket", watcher.ErrInWork)
		}
	}
	return p.submit(ctx, c.Session, source)
}

// isRestored reports whether an operator has restored the session's original, which is then
// not converted until its task is retried.
func isRestored(t queue.Task) bool {
	return t.State == queue.StateSkipped && t.Reason == task.ClassRestored
}

// uploadFirst returns [watcher.ErrInWork] if the session has an upload that must be worked on
// before a recording found elsewhere: the upload is complete, and only the spool has it.
func (p *Pool) uploadFirst(t queue.Task) error {
	if p.spool.has(task.SourceOf(t)) && !t.State.Final() {
		return fmt.Errorf("%w: its upload", watcher.ErrInWork)
	}
	return nil
}

// InBucket creates a task for a recording that was found in a bucket, unless there is one
// for it. It has the signature of [bucket.Watcher]'s Found. Errors: [watcher.ErrBusy] while
// very many tasks wait; [watcher.ErrInWork]; the queue's and the storage's.
func (p *Pool) InBucket(ctx context.Context, c bucket.Candidate) error {
	if c.HasVideo && p.Originals == cleanup.PolicyKeep {
		return nil // already converted; the policy keeps the original
	}
	if full, err := p.full(ctx); err != nil {
		return err
	} else if full {
		return watcher.ErrBusy
	}
	source := task.Source{
		Bucket: &task.BucketSource{Place: c.Storage.Place(), Key: c.Key, Objects: c.Objects},
		Size:   c.Size, ModTime: c.ModTime,
	}
	if t, err := p.Queue.Get(ctx, c.Session); err == nil {
		if isRestored(t) {
			return nil
		}
		if err := p.uploadFirst(t); err != nil {
			return err
		}
		// A task for core's copy on the volume also removes the object. If the object was
		// listed before that, the task must stay done and not end as source_gone.
		if t.State.Final() && t.Fingerprint != source.Fingerprint() {
			if _, err := c.Storage.Stat(ctx, c.Key); errors.Is(err, storage.ErrNotFound) {
				return nil
			}
		}
	}
	return p.submit(ctx, c.Session, source)
}

// maxQueued is how many tasks may wait before old recordings are no longer accepted, and
// countEvery how long a count is valid.
const (
	maxQueued  = 2000
	countEvery = 10 * time.Second
)

// backlog is the number of tasks that have not ended.
type backlog struct {
	mu      sync.Mutex // held while tasks are counted; guards the fields below
	tasks   int        // tasks at the last count, and those accepted since
	counted time.Time
}

// full counts one more task, and reports whether too many wait to accept it.
func (p *Pool) full(ctx context.Context) (bool, error) {
	b := &p.backlog
	b.mu.Lock() // admits must not acquire this lock, because the queue is called with it held
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

// submit creates or updates the session's task. It returns [watcher.ErrInWork] if the task
// is in progress for another source.
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
