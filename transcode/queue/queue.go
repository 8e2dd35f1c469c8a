package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
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
}

// Queue is an open queue. It is safe for concurrent use.
type Queue struct {
	opt    Options
	server *server.Server // nil when shared
	conn   *nats.Conn
	kv     jetstream.KeyValue
	life   context.Context // ends with the queue
	stop   context.CancelFunc
	done   chan struct{} // closed when the follower has ended

	mu    sync.Mutex
	view  map[string]seen   // all tasks as last seen; guarded by mu
	held  map[string]*Lease // tasks that this process holds, nil while it takes them; guarded by mu
	wake  chan struct{}     // closed and replaced when view or held changes; guarded by mu
	ended bool              // guarded by mu
}

// seen is a record and when, on our own clock, it was first seen like this.
type seen struct {
	task Task
	at   time.Time
}

// Open opens a queue and reads what is in it.
func Open(ctx context.Context, opt Options) (*Queue, error) {
	if opt.Lease <= 0 {
		opt.Lease = 30 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{opt: opt, done: make(chan struct{}), view: map[string]seen{}, held: map[string]*Lease{}, wake: make(chan struct{})}
	var err error
	if opt.URL == "" {
		q.server, q.conn, q.kv, err = openEmbedded(ctx, opt.Dir, opt.Log)
	} else {
		q.conn, q.kv, err = openShared(ctx, opt)
	}
	if err != nil {
		return nil, err
	}
	if err := q.follow(ctx); err != nil {
		q.shutdown()
		return nil, err
	}
	return q, nil
}

// replicas of the bucket on a cluster of three or more servers.
const replicas = 3

func openShared(ctx context.Context, opt Options) (*nats.Conn, jetstream.KeyValue, error) {
	conn, err := nats.Connect(opt.URL, nats.Name("jumpserver-video "+opt.Owner), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(false))
	if err != nil {
		return nil, nil, fmt.Errorf("queue: QUEUE_URL: %w", err)
	}
	kv, err := bucket(ctx, conn, replicas)
	if err != nil { // one server, or a cluster of fewer
		kv, err = bucket(ctx, conn, 1)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, kv, nil
}

// follow keeps the view up to date, and returns when it is complete.
func (q *Queue) follow(ctx context.Context) error {
	q.life, q.stop = context.WithCancel(context.Background())
	watch, err := q.kv.WatchAll(q.life)
	if err != nil {
		q.stop()
		return fmt.Errorf("queue: %w", err)
	}
	complete := make(chan struct{})
	go func() {
		defer close(q.done)
		first := true
		for {
			select {
			case <-q.life.Done():
				_ = watch.Stop()
				return
			case entry, ok := <-watch.Updates():
				switch {
				case !ok:
					return
				case entry != nil:
					q.see(entry)
				case first: // all that was there has been seen
					first = false
					close(complete)
				}
			}
		}
	}()
	select {
	case <-complete:
		return nil
	case <-ctx.Done():
		q.stop()
		<-q.done
		return context.Cause(ctx)
	}
}

func (q *Queue) see(entry jetstream.KeyValueEntry) {
	if entry.Operation() != jetstream.KeyValuePut {
		q.mu.Lock()
		if q.view[entry.Key()].task.Rev < entry.Revision() {
			delete(q.view, entry.Key())
		}
		q.mu.Unlock()
		return
	}
	task, err := decode(entry)
	if err != nil {
		q.opt.Log.Error("a task's record cannot be read; it is left alone", "key", entry.Key(), "error", err)
		return
	}
	q.put(task)
}

// put notes a record that was read or written.
func (q *Queue) put(t Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.view[t.ID].task.Rev >= t.Rev {
		return
	}
	q.view[t.ID] = seen{t, time.Now()}
	q.wakeAll()
}

// wakeAll wakes those who wait for a task. The caller holds mu.
func (q *Queue) wakeAll() {
	close(q.wake)
	q.wake = make(chan struct{})
}

func decode(entry jetstream.KeyValueEntry) (Task, error) {
	var t Task
	err := json.Unmarshal(entry.Value(), &t)
	t.Rev = entry.Revision()
	return t, err
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

var idPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// opTime bounds one operation on the bucket.
const opTime = 15 * time.Second

// get reads a record; ErrNotFound when there is none.
func (q *Queue) get(ctx context.Context, id string) (Task, error) {
	if !idPattern.MatchString(id) {
		return Task{}, ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	entry, err := q.kv.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Task{}, ErrNotFound
	}
	if err != nil {
		return Task{}, fmt.Errorf("queue: %w", err)
	}
	return decode(entry)
}

// errConflict says that the record has changed meanwhile.
var errConflict = errors.New("conflict")

// write stores a record if it is still at t.Rev (0: if there is none).
func (q *Queue) write(ctx context.Context, t Task) (Task, error) {
	t.Updated = time.Now().UTC()
	data, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("queue: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	var rev uint64
	if t.Rev == 0 {
		rev, err = q.kv.Create(ctx, t.ID, data)
	} else {
		rev, err = q.kv.Update(ctx, t.ID, data, t.Rev)
	}
	var api *jetstream.APIError
	if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return t, errConflict
	}
	if err != nil {
		return t, fmt.Errorf("queue: %w", err)
	}
	t.Rev = rev
	q.put(t)
	return t, nil
}

// Submit makes a task, or opens one again whose source has become another.
// It answers the task as it is and whether there is now something to do that
// there was not before. A task whose source is the same is left as it is,
// whatever its state; one that is being worked on, too: submit it again later.
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
		case have.Fingerprint == t.Fingerprint || have.Held():
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

// List answers all tasks, the one that changed last first.
func (q *Queue) List(context.Context) ([]Task, error) {
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

// Retry puts a waiting or ended task back into the queue, to be done now.
// Errors: ErrNotFound, ErrActive.
func (q *Queue) Retry(ctx context.Context, id string) error {
	for {
		t, err := q.get(ctx, id)
		if err != nil {
			return err
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
