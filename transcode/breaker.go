package transcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

const (
	// storagePause is for how long no task is started after the replay storage
	// has failed one: the others would meet the same, each after its rendering.
	storagePause = time.Minute
	// corePause is the same for core, the first time; it doubles up to
	// corePauseMax as long as core answers nobody.
	corePause    = 15 * time.Second
	corePauseMax = 2 * time.Minute
	// retryAfterMax bounds what core may ask for in Retry-After.
	retryAfterMax = 10 * time.Minute
	// tripAfter is how many tasks core must have failed, with nothing answered
	// in between, before errors that may be about one session count for all.
	tripAfter = 3
)

// breaker is a circuit breaker: it stops the pool from starting tasks after one
// has failed for a reason that would fail the others as well. Once the pause is
// over, each worker probes with one task.
type breaker struct {
	mu        sync.Mutex    // guards what follows
	openUntil time.Time     // no task is started before
	fails     int           // of core, in a row
	pause     time.Duration // the last one for core's sake
}

// tripStorage are reasons that lie with the place for MP4s.
var tripStorage = []task.Class{task.ClassStorage, task.ClassStorageKeys, task.ClassStorageSettings, task.ClassStorageFull, task.ClassCoreStorage}

// tripCore are reasons that lie with core as such.
var tripCore = []task.Class{task.ClassCore, task.ClassCredentials}

// isOpen reports whether no task may be started now.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.openUntil)
}

// trip opens the breaker if a task's failure is one that others would share.
func (b *breaker) trip(class task.Class, err error, log *slog.Logger) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case slices.Contains(tripStorage, class):
		b.openUntil = time.Now().Add(storagePause)
	case slices.Contains(tripCore, class):
		if b.fails++; b.fails < tripAfter && !concernsAll(err) {
			return
		}
		b.pause = min(max(2*b.pause, corePause), corePauseMax)
		wait := b.pause
		var e *coreapi.Error
		if errors.As(err, &e) {
			wait = max(wait, min(e.RetryAfter, retryAfterMax))
		}
		b.openUntil = time.Now().Add(wait + rand.N(wait/5)) // not all agents at once
		log.Warn("core answers nobody now; no recording is begun for a while", "until", b.openUntil.Format(time.TimeOnly), "error", err)
	}
}

// reset forgets core's failures: it has answered a question. A breaker that is
// open stays so.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails, b.pause = 0, 0
}

// close lets tasks start again.
func (b *breaker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.openUntil = time.Time{}
}

// concernsAll reports whether a failure of core cannot be about one session.
func concernsAll(err error) bool {
	var e *coreapi.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == 0 || isBusy(e.Status)
}

// CoreIsBack is to be called when core answers again, or accepts the agent
// again: what waited for it is tried at once.
func (p *Pool) CoreIsBack(ctx context.Context) error {
	p.breaker.reset()
	return p.again(ctx, tripCore...)
}

// StorageChanged is to be called when core's settings of the replay storage are
// others than before: what could not be done with the old ones is tried again.
func (p *Pool) StorageChanged(ctx context.Context) error {
	return p.again(ctx, append([]task.Class{task.ClassStorageChanged, task.ClassNullStorage}, tripStorage...)...)
}

// again closes the breaker and puts tasks back that wait for these reasons.
func (p *Pool) again(ctx context.Context, classes ...task.Class) error {
	p.breaker.close()
	for _, class := range classes {
		if _, err := p.Queue.RetryClass(ctx, class); err != nil {
			return fmt.Errorf("retry %s: %w", class, err)
		}
	}
	return nil
}
