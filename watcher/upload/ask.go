package upload

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxQuestions is how many questions of one kind core is asked at once. Core
// answers in tens of milliseconds; when it does not, more at once do not help it.
const maxQuestions = 8

// errCrowded means that too many others are being served: the client may try
// again in a moment, and has a fallback.
var errCrowded = errors.New("too many others are being served now")

// slots lets a few in at a time. The zero value is ready to use.
type slots struct {
	once sync.Once
	c    chan struct{}
}

// take waits for one of so many slots; give returns it. Its error is the
// context's.
func (s *slots) take(ctx context.Context, most int) error {
	s.once.Do(func() { s.c = make(chan struct{}, most) })
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

// inquiries are questions to core: the same one is asked once for all who wait
// for its answer, a few are asked at a time, and none for clients that have
// left. The zero value is ready to use.
type inquiries[A any] struct {
	slots slots

	mu   sync.Mutex
	open map[string]*inquiry[A] // guarded by mu
}

type inquiry[A any] struct {
	waiting int // how many want the answer; guarded by inquiries.mu
	cancel  context.CancelFunc
	done    chan struct{} // closed when answer and err are there
	answer  A
	err     error
}

// ask returns the answer of put. key says which question it is; wait is how
// long all of it may take. An error of its own is errCrowded or the context's.
func (q *inquiries[A]) ask(ctx context.Context, key string, wait time.Duration, put func(context.Context) (A, error)) (A, error) {
	asked := q.join(ctx, key, wait, put)
	select {
	case <-asked.done:
		return asked.answer, asked.err
	case <-ctx.Done():
		q.leave(key, asked)
		var none A
		return none, context.Cause(ctx)
	}
}

// join waits along with those who have asked already, or begins to ask.
func (q *inquiries[A]) join(ctx context.Context, key string, wait time.Duration, put func(context.Context) (A, error)) *inquiry[A] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if asked := q.open[key]; asked != nil {
		asked.waiting++
		return asked
	}
	// Not the first client's context: the others want the answer, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	asked := &inquiry[A]{waiting: 1, cancel: cancel, done: make(chan struct{})}
	if q.open == nil {
		q.open = map[string]*inquiry[A]{}
	}
	q.open[key] = asked
	go func() {
		defer cancel()
		asked.answer, asked.err = q.put(ctx, put)
		q.mu.Lock()
		q.forget(key, asked)
		q.mu.Unlock()
		close(asked.done)
	}()
	return asked
}

// put asks when there is a slot.
func (q *inquiries[A]) put(ctx context.Context, put func(context.Context) (A, error)) (A, error) {
	if err := q.slots.take(ctx, maxQuestions); err != nil {
		var none A
		return none, errCrowded
	}
	defer q.slots.give()
	return put(ctx)
}

// leave ends a question that nobody waits for any more.
func (q *inquiries[A]) leave(key string, asked *inquiry[A]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if asked.waiting--; asked.waiting == 0 {
		asked.cancel()
		q.forget(key, asked) // who comes now asks anew
	}
}

// forget takes a question off the open ones. The caller holds mu.
func (q *inquiries[A]) forget(key string, asked *inquiry[A]) {
	if q.open[key] == asked {
		delete(q.open, key)
	}
}
