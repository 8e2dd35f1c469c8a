package transcode

import (
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestWorkersChangeAtRunTime: the operator's number of tasks is admitted at once. Workers that
// were started keep running.
func TestWorkersChangeAtRunTime(t *testing.T) {
	p := &Pool{Workers: 2}
	started := 0
	p.start = func() { started++ }
	p.startMissing()
	item := queue.Task{Source: task.Encode(task.Source{Path: "p"}), Date: time.Now()}
	for _, step := range []struct{ set, atOnce, started int }{{0, 2, 2}, {4, 4, 4}, {1, 1, 4}, {0, 2, 4}, {MaxWorkers + 1, MaxWorkers, MaxWorkers}, {-1, 2, MaxWorkers}} {
		p.SetWorkers(step.set)
		if p.admits(item, step.atOnce) || !p.admits(item, step.atOnce-1) || started != step.started {
			t.Errorf("%+v: %d run", step, started)
		}
	}
	p.start = nil // Run has ended
	p.SetWorkers(5)
}
