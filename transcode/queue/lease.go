package queue

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Lease is the right of this process to work on a task, until it is released or lost. It
// is safe for concurrent use.
type Lease struct {
	q      *Queue
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	beat   chan struct{} // closed when renew has returned

	progress atomic.Uint64 // the bits of a float64, 0 to 1

	mu      sync.Mutex
	task    Task                      // guarded by mu
	over    bool                      // released or lost; guarded by mu
	renewed atomic.Pointer[time.Time] // when the last write of the record began
}

// Lease waits until a task is due and takes it; of several, the first by [Before].
// Errors: [ErrClosed], the context's, and those of writing the record.
func (q *Queue) Lease(ctx context.Context) (*Lease, error) { return q.LeaseIf(ctx, nil) }

// Admit reports whether a due task may be taken, in addition to the held tasks of this
// process. It is called with the queue's lock held, and must not call the queue. If it
// returns false, it is called again within a second.
type Admit func(t Task, held int) bool

// LeaseIf is Lease for the tasks for which admit returns true; nil admits all.
func (q *Queue) LeaseIf(ctx context.Context, admit Admit) (*Lease, error) {
	refused := map[string]uint64{} // revisions on which a compare-and-set failed
	for {
		q.mu.Lock()
		if q.ended {
			q.mu.Unlock()
			return nil, ErrClosed
		}
		task, due := q.pick(refused, admit)
		wake := q.wake
		if task.ID != "" {
			q.held[task.ID] = nil // keeps other workers of this process from taking it
		}
		q.mu.Unlock()

		if task.ID != "" {
			l, err := q.take(ctx, task)
			if err == nil {
				return l, nil
			}
			q.unhold(task.ID)
			if !errors.Is(err, errConflict) {
				return nil, err
			}
			refused[task.ID] = task.Rev
			continue
		}
		timer := time.NewTimer(due)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// maxWait bounds how long Lease sleeps before it looks for a due task again;
// refusedWait does so after a task was not admitted.
const (
	maxWait     = time.Minute
	refusedWait = time.Second
)

// pick returns the task to take next; if there is none, it returns a task without an id,
// and how long to wait before the next call. The caller must hold mu.
func (q *Queue) pick(refused map[string]uint64, admit Admit) (Task, time.Duration) {
	var best Task
	due := maxWait
	now := time.Now()
	for id := range q.open { // not the whole view: most tasks have ended
		s := q.view[id]
		if _, ours := q.held[id]; ours || refused[id] == s.task.Rev {
			continue
		}
		wait := q.due(s, now)
		if wait > 0 {
			due = min(due, wait)
			continue
		}
		if best.ID != "" && !before(s.task, best) {
			continue // thousands may be due, and admit is called for few of them
		}
		if admit != nil && !admit(s.task, len(q.held)) {
			due = min(due, refusedWait)
			continue
		}
		best = s.task
	}
	return best, due
}

func before(a, b Task) bool { return Before(a, b) < 0 }

// Before compares tasks by the order in which they are processed, for [slices.SortFunc]:
// the higher priority first, then the newer source, then the older task.
func Before(a, b Task) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), b.Date.Compare(a.Date), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// due returns how long to wait until a task may be taken; 0 or less if it may be taken
// now. For a task that has ended it is always positive.
func (q *Queue) due(s seen, now time.Time) time.Duration {
	t := s.task
	switch {
	case t.Held() && q.server != nil:
		// The queue is embedded: this agent held the task before it was restarted.
		return takeoverBackoff(t.Takeovers) - now.Sub(s.at)
	case t.Held():
		return q.opt.Lease + takeoverBackoff(t.Takeovers) - now.Sub(s.at)
	case t.State.Final():
		return maxWait
	default:
		// Next was computed with the writer's clock. The second term prevents a longer
		// wait than intended if a clock was set back since.
		return min(t.Next.Sub(now), t.Next.Sub(t.Updated)-now.Sub(s.at))
	}
}

// unhold records that this process does not hold a task, and wakes all that wait for one.
func (q *Queue) unhold(id string) {
	q.mu.Lock()
	delete(q.held, id)
	q.wakeAll()
	q.mu.Unlock()
}

// take writes a lease of this process into a task's record, and renews it from then on.
// Errors: those of [Queue.write].
func (q *Queue) take(ctx context.Context, t Task) (*Lease, error) {
	if t.Held() {
		t.Takeovers++
	}
	t.Owner, t.Lease, t.Next = q.opt.Owner, uuid.NewString(), time.Time{}
	began := time.Now()
	t, err := q.write(ctx, t)
	if err != nil {
		return nil, err
	}
	l := &Lease{q: q, id: t.ID, task: t, beat: make(chan struct{})}
	l.renewed.Store(&began)
	l.progress.Store(math.Float64bits(t.Progress))
	l.ctx, l.cancel = context.WithCancelCause(q.life)
	q.mu.Lock()
	q.held[t.ID] = l
	q.mu.Unlock()
	go l.renew()
	if q.server == nil {
		go l.fence()
	}
	return l, nil
}

// Context returns a context that ends with the lease; its cause is ErrLeaseLost if the
// lease was lost.
func (l *Lease) Context() context.Context { return l.ctx }

// Task returns the task as last written.
func (l *Lease) Task() Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.task
}

// Progress sets the progress of the task's state, 0 to 1. This process sees it at once,
// other processes after the next renewal.
func (l *Lease) Progress(p float64) { l.progress.Store(math.Float64bits(max(0, min(1, p)))) }

// now returns the progress as last set.
func (l *Lease) now() float64 { return math.Float64frombits(l.progress.Load()) }

// Update changes the task durably. After ErrLeaseLost, this process must no longer work
// on the task; after any other error, the change may not have been written.
func (l *Lease) Update(change func(*Task)) error { return l.update(change, false) }

// Release changes the task and ends the lease, also when it returns an error. After an
// error, the record may still show a holder; the task is then taken over when the lease
// expires.
func (l *Lease) Release(change func(*Task)) error {
	err := l.update(func(t *Task) {
		change(t)
		t.Owner, t.Lease, t.Takeovers = "", "", 0
	}, true)
	l.end(context.Canceled)
	<-l.beat
	l.q.unhold(l.id)
	return err
}

func (l *Lease) update(change func(*Task), last bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return ErrLeaseLost
	}
	if errors.Is(context.Cause(l.ctx), ErrLeaseLost) { // ended by fence
		return l.lose()
	}
	t := l.task
	before := t.State
	t.Progress = l.now()
	change(&t)
	if t.State != before {
		l.progress.Store(math.Float64bits(t.Progress))
		t.Takeovers = 0
	}
	began := time.Now()
	written, err := l.q.write(l.ctx, t) // fence ends its context, too
	if errors.Is(err, errConflict) {
		// An earlier write that returned an error may have succeeded nevertheless.
		var have Task
		if have, err = l.q.get(l.ctx, t.ID); err == nil {
			if have.Lease != l.task.Lease {
				return l.lose()
			}
			t.Rev = have.Rev
			written, err = l.q.write(l.ctx, t)
		}
		if errors.Is(err, errConflict) || errors.Is(err, ErrNotFound) {
			return l.lose()
		}
	}
	if err != nil {
		if errors.Is(context.Cause(l.ctx), ErrLeaseLost) {
			return l.lose()
		}
		return err
	}
	l.task = written
	l.renewed.Store(&began)
	l.over = last
	return nil
}

// lose ends the lease as lost, and returns ErrLeaseLost. The caller must hold mu.
func (l *Lease) lose() error {
	l.over = true
	l.cancel(ErrLeaseLost)
	l.q.unhold(l.id)
	return ErrLeaseLost
}

func (l *Lease) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.cancel(cause)
}

// fence ends the lease when no write has succeeded for nine tenths of its time, and so
// before another agent may take the task over. It uses the monotonic clock, which also
// runs while the process is stopped. It does not wait for writes that hang.
func (l *Lease) fence() {
	for {
		left := time.Until(l.renewed.Load().Add(l.q.opt.Lease - l.q.opt.Lease/10))
		if left <= 0 {
			l.cancel(ErrLeaseLost)
			return
		}
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(left):
		}
	}
}

// renew renews the lease until it ends.
func (l *Lease) renew() {
	defer close(l.beat)
	ticker := time.NewTicker(l.q.opt.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
			if err := l.Update(func(*Task) {}); err != nil && !errors.Is(err, ErrLeaseLost) {
				l.q.opt.Log.Warn("cannot renew the lease of a task; retrying", "task", l.id, "error", err)
			}
		}
	}
}
