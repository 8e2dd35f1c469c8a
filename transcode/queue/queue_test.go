package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func open(t *testing.T, opt Options) *Queue {
	t.Helper()
	if opt.Dir == "" && opt.URL == "" {
		opt.Dir = filepath.Join(t.TempDir(), "queue")
	}
	q, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func submit(t *testing.T, q *Queue, n int, fingerprint string) (Task, bool) {
	t.Helper()
	task, fresh, err := q.Submit(t.Context(), Task{ID: id(n), Source: json.RawMessage(`{"n":1}`), Fingerprint: fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	return task, fresh
}

func lease(t *testing.T, q *Queue) *Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l, err := q.Lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *Lease, change func(*Task)) {
	t.Helper()
	if err := l.Release(change); err != nil {
		t.Fatal(err)
	}
}

// idle asserts that no task is due.
func idle(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if l, err := q.Lease(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got a task: %+v, %v", l, err)
	}
}

func done(task *Task) { task.State = StateDone }

func TestTaskGoesThroughItsLife(t *testing.T) {
	q := open(t, Options{Owner: "a"})
	if task, fresh := submit(t, q, 1, "x"); !fresh || task.State != StateQueued {
		t.Fatalf("%+v %v", task, fresh)
	}
	if _, fresh := submit(t, q, 1, "x"); fresh {
		t.Error("submitted twice")
	}
	l := lease(t, q)
	if task := l.Task(); task.ID != id(1) || task.Owner != "a" || !task.Held() || string(task.Source) != `{"n":1}` {
		t.Errorf("%+v", task)
	}
	idle(t, q)
	if err := l.Update(func(task *Task) { task.State = StateRendering; task.Data = json.RawMessage(`"journal"`) }); err != nil {
		t.Fatal(err)
	}
	if err := q.Retry(t.Context(), id(1)); !errors.Is(err, ErrActive) {
		t.Errorf("retry of a task in progress: %v", err)
	}
	release(t, l, done)
	if task, err := q.Get(t.Context(), id(1)); err != nil || task.State != StateDone || task.Held() || string(task.Data) != `"journal"` {
		t.Errorf("%+v, %v", task, err)
	}
	if l.Context().Err() == nil || l.Update(done) == nil {
		t.Error("the lease continues after its release")
	}
	idle(t, q)
	if _, fresh := submit(t, q, 1, "x"); fresh {
		t.Error("a done task was done again")
	}
}

func TestAnotherSourceOpensATaskAgain(t *testing.T) {
	q := open(t, Options{})
	submit(t, q, 1, "x")
	l := lease(t, q)
	if _, fresh := submit(t, q, 1, "y"); fresh {
		t.Error("changed a task in progress")
	}
	release(t, l, func(task *Task) { task.State, task.Data, task.Attempt = StateFailed, json.RawMessage(`"journal"`), 3 })
	task, fresh := submit(t, q, 1, "y")
	if !fresh || task.State != StateQueued || task.Attempt != 0 || string(task.Data) != `"journal"` {
		t.Errorf("%+v %v", task, fresh)
	}
}

func TestWaitingTasksComeWhenTheyAreDue(t *testing.T) {
	q := open(t, Options{})
	submit(t, q, 1, "x")
	release(t, lease(t, q), func(task *Task) {
		task.State, task.Next, task.Attempt = StateRetrying, time.Now().Add(700*time.Millisecond), 1
	})
	idle(t, q)
	l := lease(t, q)
	if task := l.Task(); task.Attempt != 1 || !task.Next.IsZero() {
		t.Errorf("%+v", task)
	}
	release(t, l, func(task *Task) { task.State, task.Next = StateRetrying, time.Now().Add(time.Hour) })
	idle(t, q)
	if err := q.Retry(t.Context(), id(1)); err != nil {
		t.Fatal(err)
	}
	release(t, lease(t, q), done)
}

func TestOrderIsByPriorityThenNewest(t *testing.T) {
	q := open(t, Options{})
	base := time.Now().Add(-time.Hour)
	for n, priority := range []int{0, 0, 1, 0} {
		if _, _, err := q.Submit(t.Context(), Task{ID: id(n), Fingerprint: "x", Priority: priority, Date: base.Add(time.Duration(n) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	var order []string
	for range 4 {
		l := lease(t, q)
		order = append(order, l.Task().ID)
		release(t, l, done)
	}
	if d := cmp.Diff([]string{id(2), id(3), id(1), id(0)}, order); d != "" {
		t.Error(d)
	}
}

func TestRetryByReasonAndPurge(t *testing.T) {
	q := open(t, Options{})
	for n, class := range []Class{"disk", "encoder", "disk", ""} {
		submit(t, q, n, "x")
		release(t, lease(t, q), func(task *Task) {
			task.State, task.Reason = StateFailed, class
			if class == "" {
				task.State = StateDone
			}
		})
	}
	if n, err := q.RetryClass(t.Context(), "disk"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := q.Retry(t.Context(), id(99)); !errors.Is(err, ErrNotFound) {
		t.Errorf("retry of nothing: %v", err)
	}
	if n, err := q.Purge(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if n, err := q.Purge(t.Context(), 0); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if _, err := q.Get(t.Context(), id(1)); !errors.Is(err, ErrNotFound) {
		t.Errorf("purged task: %v", err)
	}
	release(t, lease(t, q), done)
	release(t, lease(t, q), done)
	idle(t, q)
}

func TestProgressIsWrittenWithTheHeartbeat(t *testing.T) {
	q := open(t, Options{Lease: 300 * time.Millisecond})
	submit(t, q, 1, "x")
	l := lease(t, q)
	l.Progress(0.5)
	if tasks, err := q.List(t.Context()); err != nil || tasks[0].Progress != 0.5 {
		t.Errorf("%+v, %v", tasks, err)
	}
	waittest.Until(t, "the progress is stored", func() bool {
		task, err := q.get(t.Context(), id(1))
		return err == nil && task.Progress == 0.5
	})
	release(t, l, done)
}

func TestIdsAreChecked(t *testing.T) {
	q := open(t, Options{})
	for _, bad := range []string{"", "x", "../x", strings.ToUpper("aaaaaaaa-0000-4000-8000-000000000000"), id(1) + ".>"} {
		if _, _, err := q.Submit(t.Context(), Task{ID: bad}); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTasksSurviveARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q := open(t, Options{Dir: dir})
	submit(t, q, 1, "x")
	submit(t, q, 2, "x")
	lease(t, q) // still held when the queue is closed
	q.Close()
	q = open(t, Options{Dir: dir})
	got := map[string]bool{}
	for range 2 {
		l := lease(t, q) // at once, without waiting for the lease to expire
		got[l.Task().ID] = true
		release(t, l, done)
	}
	if !got[id(1)] || !got[id(2)] {
		t.Errorf("%v", got)
	}
}

func TestAFolderThatCannotBeUsedIsMovedAside(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "queue")
	if err := os.WriteFile(dir, []byte("a file where the folder should be"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil {
		t.Error("a queue was opened in a file")
	}
	_ = os.Remove(dir)
	q := open(t, Options{Dir: dir})
	submit(t, q, 1, "x")
	q.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	q = open(t, Options{Dir: dir})
	if tasks, err := q.List(t.Context()); err != nil || len(tasks) != 0 {
		t.Errorf("%v, %v", tasks, err)
	}
	submit(t, q, 1, "x")
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	for attempt, want := range map[int]time.Duration{0: firstBackoff, 1: firstBackoff, 2: 2 * firstBackoff, 3: 4 * firstBackoff, 50: lastBackoff} {
		for range 20 {
			if got := Backoff(attempt); got < want*8/10 || got > want*12/10 {
				t.Errorf("attempt %d: %s, want %s ± 20 %%", attempt, got, want)
			}
		}
	}
}

func TestALostQueueIsKnownByItsBirth(t *testing.T) {
	dir := t.TempDir()
	birth := func() time.Time {
		t.Helper()
		q := open(t, Options{Dir: dir})
		born, err := q.Born(t.Context())
		if err := errors.Join(err, q.Close()); err != nil {
			t.Fatal(err)
		}
		return born
	}
	first := birth()
	if again := birth(); first.IsZero() || !again.Equal(first) {
		t.Errorf("born %s, after a restart %s", first, again)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if another := birth(); !another.After(first) {
		t.Errorf("another queue says that it was born %s, like the lost one", another)
	}
}
