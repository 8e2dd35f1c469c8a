package agenttest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Pause waits for a duration, or until ctx ends, and then returns the cause.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// Until waits until ok returns true: until the deadline of ctx, or for
// [waittest.Patience] if it has none. The error contains what, and the end of the agent's log.
func (a *Agent) Until(ctx context.Context, what string, ok func() bool) error {
	began := time.Now()
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, waittest.Patience())
		defer cancel()
	}
	for !ok() {
		if err := Pause(ctx, max(waittest.Pause(time.Since(began)), 20*time.Millisecond)); err != nil {
			return fmt.Errorf("%s: not within %s: %w; the agent's log ends with:\n%s", what, time.Since(began).Round(time.Second), err, tail(a.Log(), 20))
		}
	}
	return nil
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := slices.Collect(strings.Lines(text))
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// WaitHealthy waits, as [Agent.Until] does, until the agent's health is good.
func (a *Agent) WaitHealthy(ctx context.Context) error {
	return a.Until(ctx, "healthy", func() bool {
		status, _ := a.Health(ctx)
		return status == http.StatusOK
	})
}

// WaitTask waits, as [Agent.Until] does, until a session's task is in one of the
// states, and returns it.
func (a *Agent) WaitTask(ctx context.Context, id string, states ...queue.State) (task.View, error) {
	var last task.View
	err := a.Until(ctx, fmt.Sprintf("task %s in one of the states %v", id, states), func() bool {
		view, err := a.API.Task(ctx, id)
		last = view
		return err == nil && slices.Contains(states, view.State)
	})
	return last, err
}
