package health

import (
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestWorkSaysWhetherTasksGetThrough: failed tasks are reported. A reason that holds up
// all tasks makes the agent unhealthy.
func TestWorkSaysWhetherTasksGetThrough(t *testing.T) {
	now := time.Now()
	at := func(minutes int, state queue.State, reason task.Class, lease string) *queue.Task {
		return &queue.Task{State: state, Reason: reason, Updated: now.Add(-time.Duration(minutes) * time.Minute), Lease: lease, Error: "why"}
	}
	for name, tc := range map[string]struct {
		tasks  []*queue.Task
		level  Level
		says   string // in English
		reason task.Class
	}{
		"nothing":             {nil, Well, "", ""},
		"all is done":         {[]*queue.Task{at(1, queue.StateDone, "", ""), at(2, queue.StateSkipped, task.ClassKind, "")}, Well, "", ""},
		"a session is active": {[]*queue.Task{at(1, queue.StateSettling, task.ClassSessionActive, "")}, Well, "", ""},
		"nothing was drawn":   {[]*queue.Task{at(1, queue.StateFailed, task.ClassNothingDrawn, "")}, Well, "", ""},
		"one failed":          {[]*queue.Task{at(1, queue.StateDone, "", ""), at(2, queue.StateFailed, task.ClassVerify, "")}, Degraded, "1 recording failed", ""},
		"all wait for rights": {[]*queue.Task{at(1, queue.StateRetrying, task.ClassPermission, ""), at(9, queue.StateDone, "", "")}, Failing, "All work is held up: Permission denied on the replay volume", task.ClassPermission},
		"others get through": {[]*queue.Task{at(1, queue.StateDone, "", ""), at(2, queue.StateRetrying, task.ClassPermission, ""), at(3, queue.StateRetrying, task.ClassPermission, "")},
			Degraded, "2 recordings are being retried: Permission denied on the replay volume", task.ClassPermission},
		"another is in progress": {[]*queue.Task{at(0, queue.StateRendering, "", "x"), at(2, queue.StateRetrying, task.ClassDiskFull, "")},
			Degraded, "1 recording is being retried: A disk is full", task.ClassDiskFull},
		"the recording's fault": {[]*queue.Task{at(1, queue.StateRetrying, task.ClassEncoder, "")}, Degraded, "1 recording is being retried: The encoder failed", task.ClassEncoder},
		"what holds all comes before more of another": {[]*queue.Task{
			at(1, queue.StateRetrying, task.ClassReadOnly, ""), at(2, queue.StateRetrying, task.ClassEncoder, ""), at(3, queue.StateRetrying, task.ClassEncoder, ""),
		}, Failing, "All work is held up: A file system is read-only", task.ClassReadOnly},
	} {
		w := WorkOf(tc.tasks)
		c := w.condition()
		if c.Level() != tc.level || c.Say.String() != tc.says || w.Reason != tc.reason || c.OK != (tc.says == "") {
			t.Errorf("%s: %s %q for %q", name, c.Level(), c.Say, w.Reason)
		}
	}
}
