package transcode

import (
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestCountingTasksHoldsNoWorkerUp: the pool counts the tasks of the queue while the queue
// calls admits, without a deadlock.
func TestCountingTasksHoldsNoWorkerUp(t *testing.T) {
	q, err := queue.Open(t.Context(), queue.Options{Dir: t.TempDir(), Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	item := queue.Task{ID: "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f", Source: task.Encode(task.Source{Path: "x"}), Fingerprint: "x", Created: time.Now()}
	if _, _, err := q.Submit(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	p := &Pool{Queue: q, Workers: 2}
	counted, leased := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := q.LeaseIf(t.Context(), func(item queue.Task, held int) bool {
			go func() {
				_, err := p.full(t.Context())
				counted <- err
			}()
			time.Sleep(100 * time.Millisecond) // full now waits for the queue
			return p.admits(item, held)
		})
		leased <- err
	}()
	for _, done := range []chan error{leased, counted} {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("the pool and its queue wait for each other")
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
