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

// opTime bounds one operation on the bucket, and tryTime one request of a
// shared queue: those that were on their way to a server that died get no
// answer, and are sent again.
const (
	opTime  = 15 * time.Second
	tryTime = 3 * time.Second
)

// errConflict says that the record has changed meanwhile.
var errConflict = errors.New("conflict")

// get reads a record; ErrNotFound when there is none.
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

// write stores a record if it is still at t.Rev (0: if there is none).
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
		// Our own write may have arrived while its answer was lost.
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

// try makes a request, and again when it gets no answer from a shared queue.
// What the record says, ErrNotFound and errConflict, is an answer.
func (q *Queue) try(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	if err := q.reach(ctx); err != nil {
		return err
	}
	for {
		bound := opTime
		if q.server == nil {
			bound = tryTime
		}
		once, cancel := context.WithTimeout(ctx, bound)
		err := request(once)
		cancel()
		switch {
		case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, errConflict):
			return err
		case q.server != nil || ctx.Err() != nil || q.life.Err() != nil:
			return fmt.Errorf("queue: %w", err)
		}
		select { // an election takes a moment
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}
