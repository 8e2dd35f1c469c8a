package queue

import (
	"errors"
	"testing"
	"time"
)

func TestFirstComesBeforeAllOthers(t *testing.T) {
	q := open(t, Options{})
	base := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for n := range 3 { // the last one is the newest
		if _, _, err := q.Submit(t.Context(), Task{ID: id(n), Fingerprint: "x", Date: base.Add(time.Duration(n) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	held := lease(t, q)
	if err := q.First(t.Context(), held.Task().ID); !errors.Is(err, ErrActive) {
		t.Errorf("of a task in progress: %v", err)
	}
	release(t, held, done)
	if err := q.First(t.Context(), held.Task().ID); !errors.Is(err, ErrDone) {
		t.Errorf("of a task that is done: %v", err)
	}
	if err := q.First(t.Context(), id(99)); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if err := q.First(t.Context(), id(0)); err != nil {
		t.Fatal(err)
	}
	l := lease(t, q)
	if got := l.Task().ID; got != id(0) {
		t.Errorf("%s is next, not %s", got, id(0))
	}
	release(t, l, func(task *Task) { task.State, task.Reason = StateFailed, "disk" })
	if err := q.First(t.Context(), id(0)); err != nil { // a failed one is retried, too
		t.Fatal(err)
	}
	if l := lease(t, q); l.Task().ID != id(0) || l.Task().Reason != "" {
		t.Errorf("%+v", l.Task())
	}
}

func TestLeaveKeepsASourceFromBeingDone(t *testing.T) {
	q := open(t, Options{})
	submit(t, q, 1, "x")
	l := lease(t, q)
	left := Task{ID: id(1), Source: []byte(`{"n":2}`), Fingerprint: "y", Reason: "restored", Error: "by root"}
	if err := q.Leave(t.Context(), left); !errors.Is(err, ErrActive) {
		t.Errorf("of a task in progress: %v", err)
	}
	release(t, l, done)
	for _, n := range []int{1, 2} { // one that is done, and one that does not exist
		left.ID = id(n)
		if err := q.Leave(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		if task, fresh := submit(t, q, n, "y"); fresh || task.State != StateSkipped || task.Reason != "restored" || string(task.Source) != `{"n":2}` {
			t.Errorf("%+v, %v", task, fresh)
		}
	}
	idle(t, q)
	if err := q.Retry(t.Context(), id(2)); err != nil {
		t.Fatal(err)
	}
	if got := lease(t, q).Task(); got.ID != id(2) || got.Reason != "" || got.State != StateQueued {
		t.Errorf("%+v", got)
	}
}
