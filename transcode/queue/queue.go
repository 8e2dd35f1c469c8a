package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
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
	Lease time.Duration // how long a silent holder keeps a task (30 s)
	Log   *slog.Logger

	// Seal returns the seal of a record's content, and Holds reports whether a
	// seal is that of a content. With both, a record without a seal that holds
	// is not worked on: its task has failed with [Forged]. With neither, nor is
	// one that has a seal. They are called from several goroutines.
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
	done   chan struct{} // closed when the follower has ended
	ready  chan struct{} // closed when kv is set and the view was complete for the first time
	kv     jetstream.KeyValue
	gone   chan error  // told when the tasks have been removed under us
	folder os.FileInfo // of an embedded queue; owned by run
	born   time.Time   // when the bucket of a shared one was made; owned by run

	mu      sync.Mutex
	view    map[string]seen   // all tasks as last seen; guarded by mu
	open    map[string]bool   // those of them that may be taken some day; guarded by mu
	held    map[string]*Lease // tasks that this process holds, nil while it takes them; guarded by mu
	wake    chan struct{}     // closed and replaced when view or held changes; guarded by mu
	trouble error             // why the queue cannot be used, as of the last look; guarded by mu
	ended   bool              // guarded by mu

	distrusted int // records that were there at the start and are not believed; guarded by mu
}

// seen is a record and when, on our own clock, it was first seen like this.
type seen struct {
	task Task
	at   time.Time
}

// Open opens a queue. An embedded one is ready when it returns. A shared one
// need not be there yet: it is tried until it is, [Queue.Trouble] tells why it
// is not, and meanwhile no task is leased.
func Open(ctx context.Context, opt Options) (*Queue, error) {
	if opt.Lease <= 0 {
		opt.Lease = 30 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if (opt.Seal == nil) != (opt.Holds == nil) {
		return nil, errors.New("queue: records are sealed and seals are looked at, or neither")
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

// put notes a record that was read or written.
func (q *Queue) put(t Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.view[t.ID].task.Rev >= t.Rev {
		return
	}
	q.view[t.ID] = seen{t, time.Now()}
	if t.Held() || !t.State.Final() {
		q.open[t.ID] = true
	} else {
		delete(q.open, t.ID)
	}
	q.wakeAll()
}

// drop forgets a task. The caller holds mu.
func (q *Queue) drop(id string) {
	delete(q.view, id)
	delete(q.open, id)
}

// wakeAll wakes those who wait for a task. The caller holds mu.
func (q *Queue) wakeAll() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// Close ends the queue. Leases end with it, without being given back.
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

// Submit makes a task, or opens one again whose source has become another.
// It answers the task as it is and whether there is now something to do that
// there was not before. A task whose source is the same is left as it is,
// whatever its state; one that is being worked on, too: submit it again later.
// One whose record is not believed ([Forged]) is made anew.
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

// Get reads a task, or answers ErrNotFound.
func (q *Queue) Get(ctx context.Context, id string) (Task, error) {
	t, err := q.get(ctx, id)
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current(t), err
}

// current is a task with its progress as of now, if this process works on
// it: records have it as of the last renewal. The caller holds mu.
func (q *Queue) current(t Task) Task {
	if l := q.held[t.ID]; l != nil && t.Held() {
		t.Progress = l.now()
	}
	return t
}

// List answers all tasks, the one that changed last first. Errors: ErrClosed,
// and ErrUnreached as long as a shared queue has never been reached.
func (q *Queue) List(context.Context) ([]Task, error) {
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
	tasks := make([]Task, 0, len(q.view))
	for _, s := range q.view {
		tasks = append(tasks, q.current(s.task))
	}
	slices.SortFunc(tasks, func(a, b Task) int {
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.ID, b.ID))
	})
	return tasks, nil
}

// Retry puts a waiting or ended task back into the queue, to be done now. One
// whose record is not believed ([Forged]) is forgotten: it becomes a task when
// its recording is found again. Errors: ErrNotFound, ErrActive.
func (q *Queue) Retry(ctx context.Context, id string) error {
	for {
		t, err := q.get(ctx, id)
		if err != nil {
			return err
		}
		if t.forged {
			if err := q.forget(ctx, t); !errors.Is(err, errConflict) {
				return err
			}
			continue
		}
		if t.Held() {
			return ErrActive
		}
		t.State, t.Next, t.Attempt, t.Reason, t.Error, t.Progress = StateQueued, time.Time{}, 0, "", "", 0
		if _, err = q.write(ctx, t); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// RetryClass is Retry for all that failed, wait or were skipped for one
// reason, and counts them.
func (q *Queue) RetryClass(ctx context.Context, class Class) (int, error) {
	tasks, err := q.List(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range tasks {
		if t.Reason != class || t.State == StateDone {
			continue
		}
		switch err := q.Retry(ctx, t.ID); {
		case err == nil:
			n++
		case !errors.Is(err, ErrActive) && !errors.Is(err, ErrNotFound):
			return n, err
		}
	}
	return n, nil
}

// Purge forgets tasks that ended longer than age ago, and counts them.
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
			continue // it has come back to life
		}
		if err != nil {
			return n, fmt.Errorf("queue: %w", err)
		}
		n++
	}
	return n, nil
}
