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

// How often run checks that the queue still exists, how long a check may take, and how
// long run waits after an error: minRetry at first, then twice as long up to maxRetry.
const (
	checkInterval = 5 * time.Second
	checkTimeout  = 5 * time.Second
	minRetry      = 200 * time.Millisecond
	maxRetry      = 10 * time.Second
)

// run keeps the view up to date until the queue is closed or removed.
func (q *Queue) run() {
	defer close(q.done)
	logged := ""
	for wait := minRetry; q.life.Err() == nil; wait = min(2*wait, maxRetry) {
		began := time.Now()
		err := q.follow()
		if q.life.Err() != nil {
			return
		}
		q.setTrouble(err)
		if errors.Is(err, ErrRemoved) {
			q.gone <- err
			return
		}
		if err.Error() != logged {
			logged = err.Error()
			q.opt.Log.Warn("cannot read the queue; retrying", "error", err)
		}
		if time.Since(began) > maxRetry {
			wait = minRetry
		}
		select {
		case <-q.life.Done():
		case <-time.After(wait):
		}
	}
}

// follow opens the bucket if it is not open yet, and keeps the view up to date until
// there is an error or the queue is closed. Errors: [ErrUnreached], [ErrRemoved].
func (q *Queue) follow() error {
	kv := q.kv
	if kv == nil {
		var err error
		if kv, err = q.openShared(q.life); err != nil {
			return fmt.Errorf("%w: %w", ErrUnreached, err)
		}
	}
	if err := q.check(kv); err != nil {
		return err
	}
	watch, err := kv.WatchAll(q.life)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreached, err)
	}
	defer func() { _ = watch.Stop() }()
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	there := map[string]bool{} // keys that existed when the watch began; nil once all were received
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
				q.apply(entry, there != nil)
			case there != nil: // all existing records were received
				q.complete(kv, there)
				there = nil
			}
		case <-ticker.C:
			err := q.check(kv)
			if errors.Is(err, ErrRemoved) {
				return err
			}
			if err != nil || there == nil {
				q.setTrouble(err)
			}
		}
	}
}

// complete removes from the view what is not in the bucket any more, and marks the queue
// as ready. there has the keys of all records in the bucket.
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
	q.logUntrusted()
	select {
	case <-q.ready:
		return
	default:
	}
	q.kv = kv
	close(q.ready)
	if q.server == nil {
		q.opt.Log.Info("connected to the shared queue", "server", q.conn.ConnectedUrlRedacted())
	}
}

// apply applies a change in the bucket to the view; starting means that the view is not
// complete yet.
func (q *Queue) apply(entry jetstream.KeyValueEntry, starting bool) {
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
		q.opt.Log.Error("cannot read the record of a task; it is ignored", "key", entry.Key(), "error", err)
		return
	}
	q.logForged(task, starting)
	q.put(task)
}

// check returns an error if the queue cannot be used, or is not the one that was opened
// any more. Connections and writes do not show that: a cluster that has lost its majority
// still accepts connections, and a removed folder still accepts writes. Errors:
// [ErrUnreached], [ErrRemoved].
func (q *Queue) check(kv jetstream.KeyValue) error {
	if q.server != nil {
		now, err := os.Stat(q.server.StoreDir())
		switch {
		case q.folder == nil:
			q.folder = now
		case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, q.folder):
			return fmt.Errorf("%w: its folder %s was removed or replaced", ErrRemoved, q.opt.Dir)
		}
		return nil
	}
	born, err := born(q.life, kv)
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && !q.born.IsZero() && !born.Equal(q.born):
		return fmt.Errorf("%w: the bucket %q at QUEUE_URL was deleted", ErrRemoved, bucketName)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnreached, err)
	}
	q.born = born
	return nil
}

// born returns when the bucket was created. The server that leads the bucket responds, so
// that a cluster without a majority gives an error.
func born(ctx context.Context, kv jetstream.KeyValue) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	status, err := kv.Status(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("the bucket of tasks: %w", err)
	}
	bucket, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok {
		return time.Time{}, errors.New("the server does not report when the bucket of tasks was created")
	}
	return bucket.StreamInfo().Created, nil
}

// Born returns when the queue was created; it waits until the queue is reached. If the
// time differs from an earlier one, the queue and all its tasks were lost meanwhile.
// Errors: [ErrClosed], [ErrUnreached].
func (q *Queue) Born(ctx context.Context) (time.Time, error) {
	if err := q.reach(ctx); err != nil {
		return time.Time{}, err
	}
	return born(ctx, q.kv)
}

// setTrouble sets why the queue cannot be used; nil if it can.
func (q *Queue) setTrouble(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trouble = err
}

// Trouble returns why the queue cannot be used, as of the last check some seconds ago;
// nil if it can.
func (q *Queue) Trouble() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.trouble
}

// Gone returns a channel that receives an [ErrRemoved] once, when the embedded queue's
// folder or the shared bucket was removed. All recordings must then be submitted again.
func (q *Queue) Gone() <-chan error { return q.gone }

// reach waits until the queue was reached for the first time. Errors: [ErrClosed],
// [ErrUnreached].
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
