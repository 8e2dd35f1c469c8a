package transcode

import (
	"context"
	"fmt"
	"time"

	"jumpserver-video/transcode/queue"
)

// storageHold is for how long no task is begun after the replay storage has
// failed one: the others would meet the same, each after its rendering.
const storageHold = time.Minute

// holdFor keeps tasks from beginning when one has failed for what will fail
// the others too. It costs one task's try a minute for each worker to find out
// that it is over.
func (p *Pool) holdFor(class queue.Class) {
	switch class {
	case ClassStorage, ClassStorageKeys, ClassStorageSettings, ClassStorageFull:
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = time.Now().Add(storageHold)
}

// StorageChanged tells that core's settings of the replay storage are others
// than before: what could not be done with the old ones is tried again.
func (p *Pool) StorageChanged(ctx context.Context) error {
	p.mu.Lock()
	p.held = time.Time{}
	p.mu.Unlock()
	for _, class := range []queue.Class{
		ClassStorage, ClassStorageKeys, ClassStorageSettings, ClassStorageFull, ClassStorageChanged, ClassNullStorage,
	} {
		if _, err := p.Queue.RetryClass(ctx, class); err != nil {
			return fmt.Errorf("retry %s: %w", class, err)
		}
	}
	return nil
}
