package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options of a queue.
type Options struct {
	Dir   string        // folder of the embedded queue
	URL   string        // nats://… of a shared queue; empty = embedded
	Owner string        // this agent's name in the tasks that it holds
	Lease time.Duration // how long a task stays with a holder that does not renew it; 0 = 30 s
	Log   *slog.Logger  // nil = discarded

	// Seal returns the seal of a record's content, and Holds reports whether a seal is
	// valid for a content. Set both or neither. With both, a record without a valid
	// seal is not trusted: its task has failed with [Forged]. With neither, a record
	// that has a seal is not trusted. They are called from several goroutines.
	Seal  func(content []byte) []byte
	Holds func(seal, content []byte) bool
}

// Queue is an open queue. It is safe for concurrent use.
type Queue struct {
	opt    Options
	server *server.Server // nil when shared
	conn   *nats.Conn
	life   context.Context // ends with the queue
	stop   context.CancelFunc
	done   chan struct{} // closed when run has returned
	ready  chan struct{} // closed when kv is set and the view was complete for the first time
	kv     jetstream.KeyValue
	gone   chan error  // receives ErrRemoved once, when the tasks were removed
	folder os.FileInfo // of an embedded queue; owned by run
	born   time.Time   // when the bucket of a shared queue was created; owned by run

	mu      sync.Mutex
	view    map[string]seen   // all tasks as last seen; guarded by mu
	order   recency           // all tasks by their last change; guarded by mu
	open    map[string]bool   // ids of the tasks that are held or not final; guarded by mu
	held    map[string]*Lease // tasks that this process holds, nil while it takes them; guarded by mu
	wake    chan struct{}     // closed and replaced when view or held changes; guarded by mu
	trouble error             // why the queue cannot be used, as of the last check; guarded by mu
	ended   bool              // Close was called; guarded by mu

	untrusted int // records that existed at the start and are not trusted; guarded by mu
}

// seen is a record, and when this version of it was first seen, on the local clock.
type seen struct {
	task Task
	at   time.Time
}

// Open opens a queue. An embedded queue is ready when Open returns. A shared queue may
// still be unreachable: the queue then retries in the background, [Queue.Trouble]
// returns the reason, and no task is leased until it is reached.
func Open(ctx context.Context, opt Options) (*Queue, error) {
	if opt.Lease <= 0 {
		opt.Lease = 30 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if (opt.Seal == nil) != (opt.Holds == nil) {
		return nil, errors.New("queue: set both Seal and Holds, or neither")
	}
	q := &Queue{
		opt: opt, done: make(chan struct{}), ready: make(chan struct{}), gone: make(chan error, 1),
		view: map[string]seen{}, open: map[string]bool{}, held: map[string]*Lease{}, wake: make(chan struct{}),
	}
	var err error
	if opt.URL == "" {
		q.server, q.conn, q.kv, err = openEmbedded(ctx, opt.Dir, opt.Log)
	} else {
		q.trouble = fmt.Errorf("%w yet", ErrUnreached)
		q.conn, err = q.connect()
	}
	if err != nil {
		return nil, err
	}
	q.life, q.stop = context.WithCancel(context.Background())
	go q.run()
	if opt.URL != "" {
		return q, nil
	}
	select {
	case <-q.ready:
		return q, nil
	case <-ctx.Done():
		_ = q.Close()
		return nil, context.Cause(ctx)
	}
}

// put adds a record that was read or written to the view, unless a later version is
// there already.
func (q *Queue) put(t Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.view[t.ID].task.Rev >= t.Rev {
		return
	}
	q.view[t.ID] = seen{t, time.Now()}
	q.order.put(&t)
	if t.Held() || !t.State.Final() {
		q.open[t.ID] = true
	} else {
		delete(q.open, t.ID)
	}
	q.wakeAll()
}

// drop removes a task from the view. The caller must hold mu.
func (q *Queue) drop(id string) {
	delete(q.view, id)
	delete(q.open, id)
	q.order.drop(id)
}

// wakeAll wakes all callers that wait for a task. The caller must hold mu.
func (q *Queue) wakeAll() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// Close closes the queue. The contexts of its leases end; their tasks are not released.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.ended {
		q.mu.Unlock()
		return nil
	}
	q.ended = true
	q.wakeAll()
	q.mu.Unlock()
	q.stop()
	<-q.done
	q.shutdown()
	return nil
}

func (q *Queue) shutdown() {
	q.conn.Close()
	if q.server != nil {
		stopServer(q.server)
	}
}

// Submit creates a task, or queues an existing task again if its source has changed. It
// returns the task as it is now, and whether this call has created or queued it. A task
// whose fingerprint is the same stays as it is, whatever its state. So does one that is
// being worked on, even if its source has changed: submit it again later. A task whose
// record is not trusted ([Forged]) is created again. Errors: [ErrID], [ErrClosed],
// [ErrUnreached].
func (q *Queue) Submit(ctx context.Context, t Task) (Task, bool, error) {
	if !idPattern.MatchString(t.ID) {
		return Task{}, false, fmt.Errorf("%w, not %q", ErrID, t.ID)
	}
	for {
		have, err := q.get(ctx, t.ID)
		fresh := Task{ID: t.ID, Source: t.Source, Fingerprint: t.Fingerprint, Date: t.Date, Priority: t.Priority,
			State: StateQueued, Created: t.Created}
		switch {
		case errors.Is(err, ErrNotFound):
			if fresh.Created.IsZero() {
				fresh.Created = time.Now().UTC()
			}
		case err != nil:
			return Task{}, false, err
		case !have.forged && (have.Fingerprint == t.Fingerprint || have.Held()):
			return have, false, nil
		default:
			fresh.Rev, fresh.Data = have.Rev, have.Data
		}
		made, err := q.write(ctx, fresh)
		if errors.Is(err, errConflict) {
			continue
		}
		return made, err == nil, err
	}
}

// Get returns a task as the server has it now. Errors: [ErrNotFound], [ErrClosed],
// [ErrUnreached].
func (q *Queue) Get(ctx context.Context, id string) (Task, error) {
	t, err := q.get(ctx, id)
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current(t), err
}

// current returns a task with its progress as of now, if this process works on it: its
// record has the progress of the last renewal. The caller must hold mu.
func (q *Queue) current(t Task) Task {
	if l := q.held[t.ID]; l != nil && t.Held() {
		t.Progress = l.now()
	}
	return t
}

// List returns all tasks, the latest change first. Errors: [ErrClosed], and
// [ErrUnreached] until a shared queue is reached for the first time.
func (q *Queue) List(ctx context.Context) ([]Task, error) {
	newest, err := q.Newest(ctx)
	if err != nil {
		return nil, err
	}
	tasks := make([]Task, len(newest))
	for i, t := range newest {
		tasks[i] = *t
	}
	return tasks, nil
}

// Newest is [Queue.List] without copies, for callers that read many tasks often. The
// caller must not change the tasks. It takes 10 ms for a hundred thousand.
func (q *Queue) Newest(context.Context) ([]*Task, error) {
	select {
	case <-q.ready:
	default:
		return nil, cmp.Or(q.Trouble(), ErrUnreached)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return nil, ErrClosed
	}
	tasks := q.order.all()
	for i, t := range tasks {
		if t.Held() && q.held[t.ID] != nil {
			now := q.current(*t)
			tasks[i] = &now
		}
	}
	return tasks, nil
}

// minPrefix is the length of the shortest prefix of an id that may name a task.
const minPrefix = 4

// Resolve returns the id of the task whose id begins with a prefix. A whole id is
// returned without looking for its task. Errors: [ErrNotFound], [ErrAmbiguous], those of
// [Queue.List].
func (q *Queue) Resolve(ctx context.Context, prefix string) (string, error) {
	prefix = strings.ToLower(prefix)
	if idPattern.MatchString(prefix) {
		return prefix, nil
	}
	if len(prefix) < minPrefix {
		return "", fmt.Errorf("%w: %q; name at least %d characters of the id", ErrNotFound, prefix, minPrefix)
	}
	tasks, err := q.Newest(ctx)
	if err != nil {
		return "", err
	}
	found := ""
	for _, t := range tasks {
		switch {
		case !strings.HasPrefix(t.ID, prefix):
		case found != "":
			return "", fmt.Errorf("%w: %s and %s", ErrAmbiguous, found, t.ID)
		default:
			found = t.ID
		}
	}
	if found == "" {
		return "", fmt.Errorf("%w: %.40q", ErrNotFound, prefix)
	}
	return found, nil
}

// Purge removes the records of tasks that ended longer than age ago, and returns how
// many it has removed.
func (q *Queue) Purge(ctx context.Context, age time.Duration) (int, error) {
	tasks, err := q.List(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range tasks {
		if !t.State.Final() || t.Held() || time.Since(t.Updated) < age {
			continue
		}
		err := q.kv.Purge(ctx, t.ID, jetstream.LastRevision(t.Rev))
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			continue // it has changed meanwhile
		}
		if err != nil {
			return n, fmt.Errorf("queue: %w", err)
		}
		n++
	}
	return n, nil
}
