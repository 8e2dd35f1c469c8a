package health

import (
	"fmt"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Work is the state of the tasks.
type Work struct {
	Failed   int        // failed tasks that need attention
	Retrying int        // tasks that are being retried
	Reason   task.Class // the most frequent one of the retried tasks
	Error    string     // of the task with this reason that changed last
	// Held means that retried tasks wait for something outside of them, that no task
	// is in progress, and that none has finished since. Other tasks would wait for
	// the same.
	Held bool
}

// WorkOf returns the state of tasks, which must be sorted by last change, newest first.
func WorkOf(tasks []*queue.Task) Work {
	type retried struct {
		n      int
		oldest time.Time // the earliest change of such a task
		err    string
	}
	var w Work
	var done time.Time // when the last task finished
	busy := false
	by := map[task.Class]*retried{}
	for _, t := range tasks {
		switch t.State {
		case queue.StateFailed:
			if !task.ReasonOf(t.Reason).Harmless() {
				w.Failed++
			}
		case queue.StateDone:
			if t.Updated.After(done) {
				done = t.Updated
			}
		case queue.StateRetrying:
			r := by[t.Reason]
			if r == nil {
				r = &retried{oldest: t.Updated, err: t.Error}
				by[t.Reason] = r
			}
			if r.n++; t.Updated.Before(r.oldest) {
				r.oldest = t.Updated
			}
			w.Retrying++
		case queue.StateRendering, queue.StateVerifying, queue.StateUploading, queue.StateConfirming, queue.StateRetiring:
			busy = busy || t.Held()
		case queue.StateSettling, queue.StateQueued, queue.StateSkipped:
		}
	}
	most := 0
	for class, r := range by {
		held := task.ReasonOf(class).Verdict == task.Waits && !busy && r.oldest.After(done)
		if held && !w.Held || held == w.Held && (r.n > most || r.n == most && class < w.Reason) {
			most, w.Reason, w.Error, w.Held = r.n, class, r.err, held
		}
	}
	return w
}

// condition returns the condition of the tasks. A reason that holds up all of them
// takes precedence over failed ones.
func (w Work) condition() Condition {
	c := Condition{Part: Tasks, Detail: w.Error, Mild: !w.Held}
	reason := i18n.Of("reason", w.Reason)
	switch {
	case w.Held:
		c.Reason, c.Say = fmt.Sprintf("all work is held up: %s (%s): %s", reason, w.Reason, w.Error), i18n.T("health.tasks_held", "reason", reason)
	case w.Failed > 0:
		c.Say = i18n.T("health.tasks_failed", "n", w.Failed)
		c.Reason = c.Say.String()
	case w.Retrying > 0:
		c.Say = i18n.T("health.tasks_retried", "n", w.Retrying, "reason", reason)
		c.Reason = c.Say.String()
	default:
		return Condition{Part: Tasks, OK: true}
	}
	return c
}

// Remember returns a function that caches the result of ask for two seconds.
func Remember(ask func() Work) func() Work {
	var mu sync.Mutex
	var last Work
	var until time.Time
	return func() Work {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.After(until) {
			last, until = ask(), now.Add(2*time.Second)
		}
		return last
	}
}
