package transcode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// ErrInWork means that another recording of the session is worked on: this
// one is to be offered again later.
var ErrInWork = errors.New("the session has a task in work")

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
	source := Source{Path: c.Path, Size: c.Size, ModTime: c.ModTime}
	if task, err := p.Queue.Get(ctx, c.Session); err == nil {
		if err := p.before(task); err != nil {
			return err
		}
		// Core copies to the volume what somebody watches of a bucket, of a
		// recording in parts perhaps some only: the whole is worked on first.
		if SourceOf(task).Bucket != nil && !task.State.Final() {
			return fmt.Errorf("%w: the recording in the bucket", ErrInWork)
		}
	}
	return p.submit(ctx, c.Session, source)
}

// before answers ErrInWork when the session's upload has to be worked on before
// what was found elsewhere: it is whole, and nobody else has it.
func (p *Pool) before(task queue.Task) error {
	if p.inSpool(SourceOf(task)) && !task.State.Final() {
		return fmt.Errorf("%w: its upload", ErrInWork)
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
	if task, err := p.Queue.Get(ctx, c.Session); err == nil {
		if err := p.before(task); err != nil {
			return err
		}
	}
	source := Source{
		Bucket: &BucketSource{Place: c.Storage.Place(), Key: c.Key, Objects: c.Objects},
		Size:   c.Size, ModTime: c.ModTime,
	}
	return p.submit(ctx, c.Session, source)
}

// most is how many tasks may wait before no more old recordings are taken, and
// countEvery how long a count holds.
const (
	most       = 2000
	countEvery = 10 * time.Second
)

// full tells whether more tasks wait than are worth queueing.
func (p *Pool) full(ctx context.Context) (bool, error) {
	p.count.Lock() // not mu, which the queue waits for when it asks whether a task may begin
	defer p.count.Unlock()
	if time.Since(p.counted) > countEvery {
		tasks, err := p.Queue.List(ctx)
		if err != nil {
			return false, err
		}
		p.unfinished = 0
		for _, t := range tasks {
			if !t.State.Final() {
				p.unfinished++
			}
		}
		p.counted = time.Now()
	}
	p.unfinished++
	return p.unfinished > most, nil
}

func (p *Pool) submit(ctx context.Context, session string, source Source) error {
	task, created, err := p.Queue.Submit(ctx, queue.Task{
		ID: session, Source: encode(source), Fingerprint: source.Fingerprint(), Date: source.ModTime.UTC(), Created: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", session, err)
	}
	if created {
		p.Log.Info("recording found", "session", session, "path", source.Name(), "size_mb", megabytes(source.Size))
		return nil
	}
	if task.Fingerprint != source.Fingerprint() {
		return fmt.Errorf("%w; %s waits", ErrInWork, source.Name())
	}
	return nil
}
