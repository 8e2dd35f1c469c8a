package governor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// endWithin limits the wait for the tasks that were in progress.
const endWithin = 5 * time.Minute

// working returns the sessions whose tasks are in progress.
func (t *trial) working(ctx context.Context) (ids []string) {
	views, _ := t.agent.Tasks(ctx)
	for id, v := range views {
		if v.State == queue.StateRendering || v.State == queue.StateVerifying {
			ids = append(ids, id)
		}
	}
	return ids
}

// endHeld waits until the tasks of the sessions in held are done, for endWithin at most.
// It fails if one has failed or needs more than one attempt. Losing the lease costs an
// attempt, too.
func (t *trial) endHeld(ctx context.Context) error {
	if len(t.held) == 0 {
		return fmt.Errorf("no task was in progress")
	}
	open := slices.Clone(t.held)
	for end := time.Now().Add(endWithin); len(open) > 0; _ = agenttest.Pause(ctx, 500*time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("%d of %d tasks have not ended", len(open), len(t.held))
		}
		var failed error
		open = slices.DeleteFunc(open, func(id string) bool {
			v, err := t.agent.API.Task(ctx, id)
			if err == nil && failed == nil {
				failed = unlucky(v)
			}
			return err == nil && v.State == queue.StateDone
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

// unlucky returns an error if a task was not done, or will not be, at its first
// attempt.
func unlucky(v task.View) error {
	if v.Attempt > 0 || v.State == queue.StateFailed || v.State == queue.StateSkipped {
		return fmt.Errorf("task %s is %s after %d attempts: %s", v.ID, v.State, v.Attempt, v.Error)
	}
	return nil
}
