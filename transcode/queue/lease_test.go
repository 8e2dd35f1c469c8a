package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

func natsURL(t *testing.T) string { return natsServer(t).ClientURL() }

func natsServer(t *testing.T) *server.Server { t.Helper(); return natsAt(t, "127.0.0.1", -1) }

func TestAgentsShareAQueueAndEachTaskIsDoneOnce(t *testing.T) {
	url := natsURL(t)
	agents := []*Queue{open(t, Options{URL: url, Owner: "a"}), open(t, Options{URL: url, Owner: "b"})}
	const n = 100
	for i := range n {
		submit(t, agents[i%2], i, "x")
	}
	var mu sync.Mutex
	times := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, q := range agents {
		for range 3 {
			wg.Go(func() {
				for {
					l, err := q.Lease(ctx)
					if err != nil {
						return
					}
					mu.Lock()
					times[l.Task().ID]++
					all := len(times) == n
					mu.Unlock()
					if err := l.Release(done); err != nil {
						t.Error(err)
					}
					if all {
						cancel()
					}
				}
			})
		}
	}
	wg.Wait()
	if len(times) != n {
		t.Errorf("%d of %d tasks were done", len(times), n)
	}
	for id, k := range times {
		if k != 1 {
			t.Errorf("%s was done %d times", id, k)
		}
	}
}

func TestASilentHolderLosesItsLease(t *testing.T) {
	url := natsURL(t)
	const short = time.Second
	silent := open(t, Options{URL: url, Owner: "silent", Lease: time.Hour}) // never renews in time
	other := open(t, Options{URL: url, Owner: "other", Lease: short})
	submit(t, silent, 1, "x")
	old := lease(t, silent)
	began := time.Now()
	l := lease(t, other)
	if took := time.Since(began); took < short/2 {
		t.Errorf("taken over after %s already", took)
	}
	if l.Task().Owner != "other" {
		t.Errorf("%+v", l.Task())
	}
	if err := old.Update(func(task *Task) { task.State = StateRetiring }); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the earlier holder could write: %v", err)
	}
	if !errors.Is(context.Cause(old.Context()), ErrLeaseLost) {
		t.Errorf("its context: %v", context.Cause(old.Context()))
	}
	if err := old.Release(done); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the earlier holder could release: %v", err)
	}
	release(t, l, done)
	if task, err := other.Get(t.Context(), id(1)); err != nil || task.State != StateDone {
		t.Errorf("%+v, %v", task, err)
	}
}

// TestAHolderThatIsCutOffStopsInTime: a lease whose every write hangs ends before
// another agent may take the task.
func TestAHolderThatIsCutOffStopsInTime(t *testing.T) {
	t.Parallel()
	server := natsServer(t)
	const short = 2 * time.Second
	q := open(t, Options{URL: server.ClientURL(), Owner: "cut off", Lease: short})
	submit(t, q, 1, "x")
	l := lease(t, q)
	waittest.During(t, short+short/2, "the lease is renewed", func() bool { return l.Context().Err() == nil })
	began := time.Now()
	server.Shutdown()
	select {
	case <-l.Context().Done():
	case <-time.After(2 * short):
		t.Fatal("the lease did not end")
	}
	if took := time.Since(began); took >= short || !errors.Is(context.Cause(l.Context()), ErrLeaseLost) {
		t.Errorf("after %s: %v", took, context.Cause(l.Context()))
	}
	if err := l.Update(func(task *Task) { task.State = StateRetiring }); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("it could still write: %v", err)
	}
}

// TestATaskWhoseHoldersVanishRests: each time longer, as long as it stays in the same
// state.
func TestATaskWhoseHoldersVanishRests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	vanish := func() Task { // as if the process had been killed
		q := open(t, Options{Dir: dir})
		l := lease(t, q)
		task := l.Task()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		return task
	}
	q := open(t, Options{Dir: dir})
	submit(t, q, 1, "x")
	l := lease(t, q)
	if err := l.Update(func(task *Task) { task.State = StateRendering }); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		if task := vanish(); task.Takeovers != n {
			t.Errorf("%d takeovers after %d", task.Takeovers, n)
		}
	}
	q = open(t, Options{Dir: dir})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if l, err := q.Lease(ctx); err == nil {
		t.Errorf("taken at once: %+v", l.Task())
	}
	for takeovers, want := range map[int]time.Duration{0: 0, 2: 0, 3: firstBackoff, 4: 2 * firstBackoff, 100: lastBackoff} {
		if got := takeoverBackoff(takeovers); got != want {
			t.Errorf("%d: %s, want %s", takeovers, got, want)
		}
	}
}

func TestARenewedLeaseIsNotTakenOver(t *testing.T) {
	t.Parallel()
	url := natsURL(t)
	a := open(t, Options{URL: url, Owner: "a", Lease: time.Second})
	b := open(t, Options{URL: url, Owner: "b", Lease: 3 * time.Second})
	submit(t, a, 1, "x")
	l := lease(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, err := b.Lease(ctx); err == nil {
		t.Errorf("taken over: %+v", got.Task())
	}
	release(t, l, done)
}

// TestAClockThatIsSetBackDelaysNoTask: the clock was set after Next was written.
func TestAClockThatIsSetBackDelaysNoTask(t *testing.T) {
	q := &Queue{}
	now := time.Now()
	for name, tc := range map[string]struct {
		written time.Time // by the clock at that time
		seen    time.Duration
		least   time.Duration
		most    time.Duration
	}{
		"as it should be": {now.Add(-10 * time.Second), 10 * time.Second, 4 * time.Second, 6 * time.Second},
		"set back a day":  {now.Add(24 * time.Hour), 10 * time.Second, 4 * time.Second, 6 * time.Second},
		"set ahead a day": {now.Add(-24 * time.Hour), 10 * time.Second, -48 * time.Hour, 0},
		"started later":   {now.Add(-10 * time.Second), 0, 4 * time.Second, 6 * time.Second},
	} {
		task := Task{State: StateRetrying, Updated: tc.written, Next: tc.written.Add(15 * time.Second)}
		if wait := q.due(seen{task, now.Add(-tc.seen)}, now); wait < tc.least || wait > tc.most {
			t.Errorf("%s: %s", name, wait)
		}
	}
	if wait := q.due(seen{Task{State: StateQueued, Updated: now.Add(24 * time.Hour)}, now}, now); wait > 0 {
		t.Errorf("a task that is due waits for %s", wait)
	}
}
