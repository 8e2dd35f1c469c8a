package transcode

import (
	"context"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestCountingTasksWhileOneIsAdmitted: the queue calls the pool while the pool calls the
// queue, without a deadlock.
func TestCountingTasksWhileOneIsAdmitted(t *testing.T) {
	q, err := queue.Open(t.Context(), queue.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	p := &Pool{Queue: q, Workers: 2}
	if _, _, err := q.Submit(t.Context(), queue.Task{ID: "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f", Source: task.Encode(task.Source{Path: "p"})}); err != nil {
		t.Fatal(err)
	}
	asked, counting, done := make(chan bool), make(chan bool), make(chan error, 2)
	go func() {
		first := true
		_, err := q.LeaseIf(context.Background(), func(item queue.Task, held int) bool {
			if first {
				first = false
				close(asked)
				<-counting
			}
			return p.admits(item, held)
		})
		done <- err
	}()
	<-asked
	go func() {
		_, err := p.full(context.Background())
		done <- err
	}()
	time.Sleep(200 * time.Millisecond) // full now waits for the queue
	close(counting)
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the pool and its queue wait for each other") // closing the queue would hang, too
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
