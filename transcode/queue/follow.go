package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// How often the follower looks whether the queue is still there, how long that
// may take, and how long it waits before it tries again.
const (
	lookEvery = 5 * time.Second
	lookTime  = 5 * time.Second
	firstWait = 200 * time.Millisecond
	lastWait  = 10 * time.Second
)

// run keeps the view up to date until the queue ends.
func (q *Queue) run() {
	defer close(q.done)
	told := ""
	for wait := firstWait; q.life.Err() == nil; wait = min(2*wait, lastWait) {
		began := time.Now()
		err := q.follow()
		if q.life.Err() != nil {
			return
		}
		q.note(err)
		if errors.Is(err, ErrRemoved) {
			q.gone <- err
			return
		}
		if err.Error() != told {
			told = err.Error()
			q.opt.Log.Warn("the queue cannot be followed; trying until it can", "error", err)
		}
		if time.Since(began) > lastWait {
			wait = firstWait
		}
		select {
		case <-q.life.Done():
		case <-time.After(wait):
		}
	}
}

// follow opens the bucket when that has not been done, and keeps the view up
// to date until that fails or the queue ends.
func (q *Queue) follow() error {
	kv := q.kv
	if kv == nil {
		var err error
		if kv, err = q.openShared(q.life); err != nil {
			return fmt.Errorf("%w: %w", ErrUnreached, err)
		}
	}
	if err := q.look(kv); err != nil {
		return err
	}
	watch, err := kv.WatchAll(q.life)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreached, err)
	}
	defer func() { _ = watch.Stop() }()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	there := map[string]bool{} // what the watch began with; nil when that is complete
	for {
		select {
		case <-q.life.Done():
			return nil
		case entry, ok := <-watch.Updates():
			switch {
			case !ok:
				return fmt.Errorf("%w: the server has ended the watch", ErrUnreached)
			case entry != nil:
				if there != nil {
					there[entry.Key()] = true
				}
				q.see(entry, there != nil)
			case there != nil: // all that was there has been seen
				q.complete(kv, there)
				there = nil
			}
		case <-ticker.C:
			err := q.look(kv)
			if errors.Is(err, ErrRemoved) {
				return err
			}
			if err != nil || there == nil {
				q.note(err)
			}
		}
	}
}

// complete takes note that the view has all that there is, and forgets what was
// removed while nobody looked.
func (q *Queue) complete(kv jetstream.KeyValue, there map[string]bool) {
	q.mu.Lock()
	for id := range q.view {
		if !there[id] {
			q.drop(id)
		}
	}
	q.trouble = nil
	q.wakeAll()
	q.mu.Unlock()
	q.tellDistrusted()
	select {
	case <-q.ready:
		return
	default:
	}
	q.kv = kv
	close(q.ready)
	if q.server == nil {
		q.opt.Log.Info("the shared queue is reached", "server", q.conn.ConnectedUrlRedacted())
	}
}

// see brings the view up to date; starting says that it is not complete yet.
func (q *Queue) see(entry jetstream.KeyValueEntry, starting bool) {
	if entry.Operation() != jetstream.KeyValuePut {
		q.mu.Lock()
		if q.view[entry.Key()].task.Rev < entry.Revision() {
			q.drop(entry.Key())
		}
		q.mu.Unlock()
		return
	}
	task, err := q.decode(entry)
	if err != nil {
		q.opt.Log.Error("a task's record cannot be read; it is left alone", "key", entry.Key(), "error", err)
		return
	}
	q.suspect(task, starting)
	q.put(task)
}

// look finds out whether the queue can be used and is still the one that was
// opened. A cluster that has lost its majority still takes connections, and a
// folder that was removed still takes writes.
func (q *Queue) look(kv jetstream.KeyValue) error {
	if q.server != nil {
		now, err := os.Stat(q.server.StoreDir())
		switch {
		case q.folder == nil:
			q.folder = now
		case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, q.folder):
			return fmt.Errorf("%w: its folder %s is not there any more", ErrRemoved, q.opt.Dir)
		}
		return nil
	}
	born, err := born(q.life, kv)
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && !q.born.IsZero() && !born.Equal(q.born):
		return fmt.Errorf("%w: somebody has deleted the bucket %q at QUEUE_URL", ErrRemoved, bucketName)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnreached, err)
	}
	q.born = born
	return nil
}

// born asks the server that leads the bucket when it was made.
func born(ctx context.Context, kv jetstream.KeyValue) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	status, err := kv.Status(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("the tasks' bucket: %w", err)
	}
	bucket, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok {
		return time.Time{}, errors.New("the server does not tell when the tasks' bucket was made")
	}
	return bucket.StreamInfo().Created, nil
}

// Born is when the queue was made, once it has been reached. When it is another
// time than before, the queue was lost meanwhile, and all its tasks with it.
func (q *Queue) Born(ctx context.Context) (time.Time, error) {
	if err := q.reach(ctx); err != nil {
		return time.Time{}, err
	}
	return born(ctx, q.kv)
}

// note keeps what is wrong with the queue; nil when nothing is.
func (q *Queue) note(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trouble = err
}

// Trouble tells why the queue cannot be used; nil when it can be, as of a
// moment ago.
func (q *Queue) Trouble() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.trouble
}

// Gone tells once, with [ErrRemoved], when the embedded queue's folder or the
// shared bucket was removed. What is to be done must then be found out anew.
func (q *Queue) Gone() <-chan error { return q.gone }

// reach waits until the queue has been reached.
func (q *Queue) reach(ctx context.Context) error {
	select {
	case <-q.ready:
		return nil
	case <-q.life.Done():
		return ErrClosed
	case <-ctx.Done():
		if err := q.Trouble(); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUnreached, context.Cause(ctx))
	}
}
