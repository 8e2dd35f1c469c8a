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
	// storagePause is how long no task is started after one has failed because of the
	// replay storage: others would fail for the same reason, each after its rendering.
	storagePause = time.Minute
	// corePause is how long no task is started after the first failure because of core.
	// It doubles up to corePauseMax while core stays unavailable.
	corePause    = 15 * time.Second
	corePauseMax = 2 * time.Minute
	// retryAfterMax limits the pause that core may request in Retry-After.
	retryAfterMax = 10 * time.Minute
	// tripAfter is after how many consecutive failures because of core the breaker opens
	// for an error that may concern one session only.
	tripAfter = 3
)

// breaker is a circuit breaker: it stops the pool from starting tasks after one
// has failed for a reason that would fail the others as well. Once the pause is
// over, each worker probes with one task.
type breaker struct {
	mu        sync.Mutex    // guards the fields below
	openUntil time.Time     // no task is started before this time
	fails     int           // consecutive failures because of core
	pause     time.Duration // the last pause because of core
}

// tripStorage are the classes of failures because of the storage of MP4s.
var tripStorage = []task.Class{task.ClassStorage, task.ClassStorageKeys, task.ClassStorageSettings, task.ClassStorageFull, task.ClassCoreStorage}

// tripCore are the classes of failures because of core.
var tripCore = []task.Class{task.ClassCore, task.ClassCredentials}

// isOpen reports whether no task may be started now.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.openUntil)
}

// trip opens the breaker if other tasks would fail for the same reason.
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
		b.openUntil = time.Now().Add(wait + rand.N(wait/5)) // spreads the probes of several agents
		log.Warn("core is not available; starting no task for some time", "until", b.openUntil.Format(time.TimeOnly), "error", err)
	}
}

// reset sets the number of core's failures to zero, after core has responded. A breaker
// that is open stays open.
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

// concernsAll reports whether an error of core concerns all sessions, not only one.
func concernsAll(err error) bool {
	var e *coreapi.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == 0 || isBusy(e.Status)
}

// CoreIsBack must be called when core responds again, or accepts the agent again. It
// closes the breaker and retries all tasks that wait for core.
func (p *Pool) CoreIsBack(ctx context.Context) error {
	p.breaker.reset()
	return p.retryAll(ctx, tripCore...)
}

// StorageChanged must be called when core's settings of the replay storage have changed. It
// closes the breaker and retries all tasks that failed because of the old settings.
func (p *Pool) StorageChanged(ctx context.Context) error {
	return p.retryAll(ctx, append([]task.Class{task.ClassStorageChanged, task.ClassNullStorage}, tripStorage...)...)
}

// RightsAreBack must be called when a permission on the replay volume was granted that was
// missing. It retries all tasks that wait for permissions.
func (p *Pool) RightsAreBack(ctx context.Context) error {
	for _, class := range []task.Class{task.ClassPermission, task.ClassReadOnly} {
		if _, err := p.Queue.RetryClass(ctx, class); err != nil {
			return fmt.Errorf("retry %s: %w", class, err)
		}
	}
	return nil
}

// retryAll closes the breaker and retries the tasks of these classes.
func (p *Pool) retryAll(ctx context.Context, classes ...task.Class) error {
	p.breaker.close()
	for _, class := range classes {
		if _, err := p.Queue.RetryClass(ctx, class); err != nil {
			return fmt.Errorf("retry %s: %w", class, err)
		}
	}
	return nil
}
