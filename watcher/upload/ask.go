package upload

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxQuestions is how many requests of one kind are sent to core at the same time.
// Core responds in tens of milliseconds; if it does not, more requests would not
// help.
const maxQuestions = 8

// errCrowded means that too many other requests are being handled. The client may
// retry soon, and has a fallback.
var errCrowded = errors.New("too many other requests are in progress")

// slots limits concurrency. The zero value is ready to use.
type slots struct {
	once sync.Once
	c    chan struct{}
}

// take waits until fewer than limit slots are in use and takes one; give returns
// it. Its error is that of the context.
func (s *slots) take(ctx context.Context, limit int) error {
	s.once.Do(func() { s.c = make(chan struct{}, limit) })
	select {
	case s.c <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *slots) give() { <-s.c }

// inquiries are requests to core. Callers with the same question share one request,
// the number of concurrent requests is limited, and a request ends when its clients
// have disconnected. The zero value is ready to use.
type inquiries[A any] struct {
	slots slots

	mu   sync.Mutex
	open map[string]*inquiry[A] // guarded by mu
}

type inquiry[A any] struct {
	waiting int // callers that wait for the answer; guarded by inquiries.mu
	cancel  context.CancelFunc
	done    chan struct{} // closed when answer and err are set
	answer  A
	err     error
}

// ask returns the result of put. key identifies the question; wait limits the total
// time. Its own errors are errCrowded and that of the context.
func (q *inquiries[A]) ask(ctx context.Context, key string, wait time.Duration, put func(context.Context) (A, error)) (A, error) {
	pending := q.join(ctx, key, wait, put)
	select {
	case <-pending.done:
		return pending.answer, pending.err
	case <-ctx.Done():
		q.leave(key, pending)
		var none A
		return none, context.Cause(ctx)
	}
}

// join joins the callers that wait for the same question, or begins a request.
func (q *inquiries[A]) join(ctx context.Context, key string, wait time.Duration, put func(context.Context) (A, error)) *inquiry[A] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if pending := q.open[key]; pending != nil {
		pending.waiting++
		return pending
	}
	// Do not use the first client's context: the others also need the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	pending := &inquiry[A]{waiting: 1, cancel: cancel, done: make(chan struct{})}
	if q.open == nil {
		q.open = map[string]*inquiry[A]{}
	}
	q.open[key] = pending
	go func() {
		defer cancel()
		pending.answer, pending.err = q.put(ctx, put)
		q.mu.Lock()
		q.forget(key, pending)
		q.mu.Unlock()
		close(pending.done)
	}()
	return pending
}

// put calls put when there is a slot.
func (q *inquiries[A]) put(ctx context.Context, put func(context.Context) (A, error)) (A, error) {
	if err := q.slots.take(ctx, maxQuestions); err != nil {
		var none A
		return none, errCrowded
	}
	defer q.slots.give()
	return put(ctx)
}

// leave ends a request that no caller waits for any more.
func (q *inquiries[A]) leave(key string, pending *inquiry[A]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if pending.waiting--; pending.waiting == 0 {
		pending.cancel()
		q.forget(key, pending) // a later caller begins a new request
	}
}

// forget removes a question from the open ones. The caller must hold mu.
func (q *inquiries[A]) forget(key string, pending *inquiry[A]) {
	if q.open[key] == pending {
		delete(q.open, key)
	}
}
