package transcode

import (
	"context"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestCountingTasksWhileOneIsAdmitted: the queue asks the pool, and the pool
// the queue; neither waits for the other.
func TestCountingTasksWhileOneIsAdmitted(t *testing.T) {
	q, err := queue.Open(t.Context(), queue.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	p := &Pool{Queue: q}
	if _, _, err := q.Submit(t.Context(), queue.Task{ID: "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f", Source: task.Encode(task.Source{Path: "p"})}); err != nil {
		t.Fatal(err)
	}
	asked, counting, done := make(chan bool), make(chan bool), make(chan error, 2)
	go func() {
		first := true
		_, err := q.LeaseIf(context.Background(), func(item queue.Task, beside int) bool {
			if first {
				first = false
				close(asked)
				<-counting
			}
			return p.admits(item, beside)
		})
		done <- err
	}()
	<-asked
	go func() {
		_, err := p.full(context.Background())
		done <- err
	}()
	time.Sleep(200 * time.Millisecond) // it now waits for the queue
	close(counting)
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("they wait for each other") // and the queue could not even be closed
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
