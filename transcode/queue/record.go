package queue

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var idPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// opTimeout bounds one operation on the bucket, and tryTimeout one request to a shared
// queue. A request to a server that has just died gets no response, and is sent again.
const (
	opTimeout  = 15 * time.Second
	tryTimeout = 3 * time.Second
)

// errConflict means that the record was changed by another writer meanwhile.
var errConflict = errors.New("conflict")

// get reads a record from the server. Errors: ErrNotFound, and those of [Queue.try].
func (q *Queue) get(ctx context.Context, id string) (Task, error) {
	if !idPattern.MatchString(id) {
		return Task{}, ErrNotFound
	}
	var entry jetstream.KeyValueEntry
	err := q.try(ctx, func(ctx context.Context) (err error) {
		entry, err = q.kv.Get(ctx, id)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return Task{}, err
	}
	return q.decode(entry)
}

// write stores a record if its revision is still t.Rev; 0 means that there must be no
// record. It returns the task with its new revision. Errors: errConflict, and those of
// [Queue.try].
func (q *Queue) write(ctx context.Context, t Task) (Task, error) {
	t.Updated = time.Now().UTC()
	data, err := q.encode(t)
	if err != nil {
		return t, fmt.Errorf("queue: %w", err)
	}
	tries := 0
	var rev uint64
	err = q.try(ctx, func(ctx context.Context) (err error) {
		tries++
		if t.Rev == 0 {
			rev, err = q.kv.Create(ctx, t.ID, data)
		} else {
			rev, err = q.kv.Update(ctx, t.ID, data, t.Rev)
		}
		if errors.Is(err, jetstream.ErrKeyExists) || isCode(err, jetstream.JSErrCodeStreamWrongLastSequence) {
			return errConflict
		}
		return err
	})
	if errors.Is(err, errConflict) && tries > 1 {
		// An earlier try of this write may have succeeded, and only its response was lost.
		if have, getErr := q.get(ctx, t.ID); getErr == nil && have.Updated.Equal(t.Updated) && have.Lease == t.Lease {
			rev, err = have.Rev, nil
		}
	}
	if err != nil {
		return t, err
	}
	t.Rev = rev
	q.put(t)
	return t, nil
}

// try sends a request, and sends it again when a shared queue does not respond.
// ErrNotFound and errConflict are responses. Other errors: [ErrClosed], [ErrUnreached],
// and the server's.
func (q *Queue) try(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := q.reach(ctx); err != nil {
		return err
	}
	for {
		timeout := opTimeout
		if q.server == nil {
			timeout = tryTimeout
		}
		once, cancel := context.WithTimeout(ctx, timeout)
		err := request(once)
		cancel()
		switch {
		case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, errConflict):
			return err
		case q.server != nil || ctx.Err() != nil || q.life.Err() != nil:
			return fmt.Errorf("queue: %w", err)
		}
		select { // the cluster may be electing a leader
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}
