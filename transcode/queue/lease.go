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

// Lease is a task that is ours until it is released or lost.
type Lease struct {
	q      *Queue
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	beat   chan struct{} // closed when the heartbeat has ended

	progress atomic.Uint64 // of a float64

	mu      sync.Mutex
	task    Task                      // guarded by mu
	over    bool                      // released or lost; guarded by mu
	renewed atomic.Pointer[time.Time] // when the last write of the record began
}

// Lease waits until a task is due and takes it: by priority, then the newest
// source first. Errors: ErrClosed, the context's.
func (q *Queue) Lease(ctx context.Context) (*Lease, error) { return q.LeaseIf(ctx, nil) }

// An Admit tells whether a due task may be taken beside those that this
// process holds. It must not call the queue, and is asked again soon when it
// refuses.
type Admit func(t Task, held int) bool

// LeaseIf is Lease for the tasks that admit lets pass; nil lets all.
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
			q.held[task.ID] = nil // no other worker of ours tries the same
		}
		q.mu.Unlock()

		if task.ID != "" {
			l, err := q.take(ctx, task)
			if err == nil {
				return l, nil
			}
			q.letGo(task.ID)
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

// maxWait bounds how long Lease sleeps without looking again, and
// refusedWait how long after a task was not admitted.
const (
	maxWait     = time.Minute
	refusedWait = time.Second
)

// pick chooses a due task, or answers how long until one may be due. The
// caller holds mu.
func (q *Queue) pick(refused map[string]uint64, admit Admit) (Task, time.Duration) {
	var best Task
	due := maxWait
	now := time.Now()
	for id := range q.open { // not all: most have ended
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
			continue // thousands may be due: not each is worth asking about
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

// Before compares tasks by the order in which they are done: by priority, then
// the newer source, then the one that has waited longer.
func Before(a, b Task) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), b.Date.Compare(a.Date), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// due is how long until a task may be taken; never, for one that has ended.
func (q *Queue) due(s seen, now time.Time) time.Duration {
	t := s.task
	switch {
	case t.Held() && q.server != nil:
		// Nobody else can hold it: it was ours before we were restarted.
		return vanished(t.Takeovers) - now.Sub(s.at)
	case t.Held():
		return q.opt.Lease + vanished(t.Takeovers) - now.Sub(s.at)
	case t.State.Final():
		return maxWait
	default:
		// Next counts by the clock of whoever wrote it. One that was set back
		// since makes nobody wait for longer than was meant.
		return min(t.Next.Sub(now), t.Next.Sub(t.Updated)-now.Sub(s.at))
	}
}

func (q *Queue) letGo(id string) {
	q.mu.Lock()
	delete(q.held, id)
	q.wakeAll()
	q.mu.Unlock()
}

// take writes our lease into a task's record.
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

// Context ends when the lease does; its cause is ErrLeaseLost if it was lost.
func (l *Lease) Context() context.Context { return l.ctx }

// Task is the task as last written.
func (l *Lease) Task() Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.task
}

// Progress notes how far the state has come, 0 to 1. This process sees it at
// once, others with the next renewal.
func (l *Lease) Progress(p float64) { l.progress.Store(math.Float64bits(max(0, min(1, p)))) }

// now is the progress as last noted.
func (l *Lease) now() float64 { return math.Float64frombits(l.progress.Load()) }

// Update changes the task durably. ErrLeaseLost means that the task is
// somebody else's; any other error that it could not be written.
func (l *Lease) Update(change func(*Task)) error { return l.update(change, false) }

// Release changes the task and gives it back. The lease is over even when
// an error is returned; the task is then taken up again in time.
func (l *Lease) Release(change func(*Task)) error {
	err := l.update(func(t *Task) {
		change(t)
		t.Owner, t.Lease, t.Takeovers = "", "", 0
	}, true)
	l.end(context.Canceled)
	<-l.beat
	l.q.letGo(l.id)
	return err
}

func (l *Lease) update(change func(*Task), last bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return ErrLeaseLost
	}
	if errors.Is(context.Cause(l.ctx), ErrLeaseLost) { // the fence
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
	written, err := l.q.write(l.ctx, t) // which the fence ends, too
	if errors.Is(err, errConflict) {
		// A write that failed earlier may have arrived after all.
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

// lose ends the lease. The caller holds mu.
func (l *Lease) lose() error {
	l.over = true
	l.cancel(ErrLeaseLost)
	l.q.letGo(l.id)
	return ErrLeaseLost
}

func (l *Lease) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.cancel(cause)
}

// fence ends the lease before another may take it for abandoned: when no write
// has succeeded for nine tenths of its time. It goes by the monotonic clock,
// which also runs while the process is stopped, and does not wait for writes
// that hang.
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

// renew keeps the lease while it is not over.
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
				l.q.opt.Log.Warn("a lease could not be renewed; trying again", "task", l.id, "error", err)
			}
		}
	}
}
