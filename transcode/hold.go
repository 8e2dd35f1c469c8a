package transcode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

const (
	// storageHold is for how long no task is begun after the replay storage has
	// failed one: the others would meet the same, each after its rendering.
	storageHold = time.Minute
	// coreHold is the same for core, the first time; it doubles up to
	// coreHoldMost as long as core answers nobody.
	coreHold     = 15 * time.Second
	coreHoldMost = 2 * time.Minute
	// retryAfterMost is the longest wish of core's that counts.
	retryAfterMost = 10 * time.Minute
	// inARow is how many tasks core must have failed, with nothing answered in
	// between, before errors that may be about one session count for all.
	inARow = 3
)

// circuit keeps tasks from beginning when one has failed for what will fail
// the others too. It costs one task's try for each worker to find out that it
// is over. The pool's mu guards it.
type circuit struct {
	until time.Time // no task begins before
	fails int       // of core, in a row
	next  time.Duration
}

// holdingStorage are reasons that lie with the place for MP4s.
var holdingStorage = []queue.Class{task.ClassStorage, task.ClassStorageKeys, task.ClassStorageSettings, task.ClassStorageFull, task.ClassCoreStorage}

// holdingCore are reasons that lie with core as such.
var holdingCore = []queue.Class{task.ClassCore, task.ClassCredentials}

// holdFor opens the circuit if a task's failure is one that others would share.
func (p *Pool) holdFor(class queue.Class, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case slices.Contains(holdingStorage, class):
		p.held.until = time.Now().Add(storageHold)
	case slices.Contains(holdingCore, class):
		if p.held.fails++; p.held.fails < inARow && !concernsAll(err) {
			return
		}
		p.held.next = min(max(2*p.held.next, coreHold), coreHoldMost)
		wait := p.held.next
		var e *coreapi.Error
		if errors.As(err, &e) {
			wait = max(wait, min(e.RetryAfter, retryAfterMost))
		}
		p.held.until = time.Now().Add(wait + rand.N(wait/5)) // not all agents at once
		p.Log.Warn("core answers nobody now; no recording is begun for a while", "until", p.held.until.Format(time.TimeOnly), "error", err)
	}
}

// concernsAll tells whether a failure of core cannot be about one session.
func concernsAll(err error) bool {
	var e *coreapi.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == 0 || isBusy(e.Status)
}

// answered tells that core has answered a task's question.
func (p *Pool) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held.fails, p.held.next = 0, 0
}

// CoreIsBack tells that core answers again, or accepts us again: what waited
// for it is tried at once.
func (p *Pool) CoreIsBack(ctx context.Context) error {
	p.answered()
	return p.again(ctx, holdingCore...)
}

// StorageChanged tells that core's settings of the replay storage are others
// than before: what could not be done with the old ones is tried again.
func (p *Pool) StorageChanged(ctx context.Context) error {
	return p.again(ctx, append([]queue.Class{task.ClassStorageChanged, task.ClassNullStorage}, holdingStorage...)...)
}

// again closes the circuit and puts tasks back that wait for these reasons.
func (p *Pool) again(ctx context.Context, classes ...queue.Class) error {
	p.mu.Lock()
	p.held.until = time.Time{}
	p.mu.Unlock()
	for _, class := range classes {
		if _, err := p.Queue.RetryClass(ctx, class); err != nil {
			return fmt.Errorf("retry %s: %w", class, err)
		}
	}
	return nil
}
