package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// TestTasksAreTakenAsAdmissionLets: Admit gets the number of held tasks, for one task
// at a time, and is called again although nothing else happens.
func TestTasksAreTakenAsAdmissionLets(t *testing.T) {
	q := open(t, Options{Owner: "a"})
	for n := range 6 {
		submit(t, q, n, "x")
	}
	var limit atomic.Int32
	limit.Store(2)
	admit := func(_ Task, held int) bool { return held < int(limit.Load()) }

	var mu sync.Mutex
	var leases []*Lease
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 6 {
		wg.Go(func() {
			l, err := q.LeaseIf(ctx, admit)
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			leases = append(leases, l)
			mu.Unlock()
		})
	}
	taken := func() int { mu.Lock(); defer mu.Unlock(); return len(leases) }
	wait := func(n int) {
		t.Helper()
		waittest.Until(t, fmt.Sprintf("%d tasks are taken", n), func() bool { return taken() >= n }, func() any { return taken() })
	}
	wait(2)
	waittest.During(t, 300*time.Millisecond, "2 tasks are admitted", func() bool { return taken() == 2 }, func() any { return taken() })
	limit.Store(3)
	wait(3)
	mu.Lock()
	first := leases[0]
	mu.Unlock()
	release(t, first, done)
	wait(4) // another one in its place

	cancel()
	wg.Wait()
	if n := taken(); n != 4 {
		t.Errorf("%d tasks taken", n)
	}
}

// TestATaskThatIsNotAdmittedLetsOthersPass: Admit may refuse one task and admit
// another.
func TestATaskThatIsNotAdmittedLetsOthersPass(t *testing.T) {
	q := open(t, Options{Owner: "a"})
	submit(t, q, 1, "x")
	submit(t, q, 2, "x")
	l, err := q.LeaseIf(t.Context(), func(task Task, _ int) bool { return task.ID == id(2) })
	if err != nil || l.Task().ID != id(2) {
		t.Fatalf("%+v, %v", l, err)
	}
	release(t, l, done)
}

// TestFewOfManyTasksAreAskedAbout: Admit is called with the queue's lock held, so that
// a call for each of thousands of tasks would block everything else.
func TestFewOfManyTasksAreAskedAbout(t *testing.T) {
	q := open(t, Options{Owner: "a"})
	const many = 300
	for n := range many {
		submit(t, q, n, "x")
	}
	asked := 0
	l, err := q.LeaseIf(t.Context(), func(Task, int) bool { asked++; return true })
	if err != nil || l.Task().ID != id(0) {
		t.Fatalf("%+v, %v", l, err)
	}
	if asked > many/5 { // about six; the order of the map is random
		t.Errorf("asked about %d of %d", asked, many)
	}
	release(t, l, done)
}

// TestTasksThatHaveEndedAreNotGoneThrough: most tasks have ended, and after each change
// every worker looks for a task to take.
func TestTasksThatHaveEndedAreNotGoneThrough(t *testing.T) {
	q := open(t, Options{Owner: "a"})
	for n := range 3 {
		submit(t, q, n, "x")
		l, err := q.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release(t, l, done)
	}
	submit(t, q, 3, "x")
	visited := func() int {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.open)
	}
	if n := visited(); n != 1 {
		t.Errorf("%d of 4 tasks are visited", n)
	}
	if err := q.Retry(t.Context(), id(1)); err != nil {
		t.Fatal(err)
	}
	if n := visited(); n != 2 {
		t.Errorf("%d tasks are visited after one was retried", n)
	}
}
