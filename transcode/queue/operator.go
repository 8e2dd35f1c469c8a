package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Retry puts a waiting or ended task back into the queue, due at once, and applies the
// changes in the same write. The record of a task that is not trusted ([Forged]) is
// removed instead: the task is created again when its recording is found again. Errors:
// [ErrNotFound], [ErrActive], [ErrClosed], [ErrUnreached].
func (q *Queue) Retry(ctx context.Context, id string, changes ...func(*Task)) error {
	for {
		t, err := q.get(ctx, id)
		if err != nil {
			return err
		}
		if t.forged {
			if err := q.forget(ctx, t); !errors.Is(err, errConflict) {
				return err
			}
			continue
		}
		if t.Held() {
			return ErrActive
		}
		t.State, t.Next, t.Attempt, t.Reason, t.Error, t.Progress = StateQueued, time.Time{}, 0, "", "", 0
		for _, change := range changes {
			change(&t)
		}
		if _, err = q.write(ctx, t); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// RetryClass is Retry for all tasks that failed, wait or were skipped for one reason, and
// returns how many it has retried.
func (q *Queue) RetryClass(ctx context.Context, class Class, changes ...func(*Task)) (int, error) {
	tasks, err := q.Newest(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range tasks {
		if t.Reason != class || t.State == StateDone {
			continue
		}
		switch err := q.Retry(ctx, t.ID, changes...); {
		case err == nil:
			n++
		case !errors.Is(err, ErrActive) && !errors.Is(err, ErrNotFound):
			return n, err
		}
	}
	return n, nil
}

// priorityNext is the priority of tasks that an operator has put first.
const priorityNext = 1

// First makes a task the next one that is taken, and retries it if it has failed, waits
// or was skipped. If that was done for several tasks, the newest source comes first.
// Errors: those of Retry, [ErrDone].
func (q *Queue) First(ctx context.Context, id string) error {
	t, err := q.get(ctx, id)
	switch {
	case err != nil:
		return err
	case t.State == StateDone:
		return ErrDone
	default:
		return q.Retry(ctx, id, func(t *Task) { t.Priority = priorityNext })
	}
}

// Leave gives a task another source and marks it as skipped, in one write, so that the
// source is not processed until the task is retried. It creates the task if needed. Leave
// uses from t the id, the source with its fingerprint and date, the reason and its error
// text; changes are applied in the same write. Errors: [ErrActive], [ErrID], [ErrClosed],
// [ErrUnreached].
func (q *Queue) Leave(ctx context.Context, t Task, changes ...func(*Task)) error {
	if !idPattern.MatchString(t.ID) {
		return fmt.Errorf("%w, not %q", ErrID, t.ID)
	}
	for {
		have, err := q.get(ctx, t.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			have = Task{ID: t.ID, Created: time.Now().UTC()}
		case err != nil:
			return err
		case have.Held():
			return ErrActive
		case have.forged:
			have = Task{ID: t.ID, Created: time.Now().UTC(), Rev: have.Rev}
		}
		have.Source, have.Fingerprint, have.Date = t.Source, t.Fingerprint, t.Date
		have.State, have.Reason, have.Error = StateSkipped, t.Reason, t.Error
		have.Next, have.Attempt, have.Progress = time.Time{}, 0, 0
		for _, change := range changes {
			change(&have)
		}
		if _, err = q.write(ctx, have); !errors.Is(err, errConflict) {
			return err
		}
	}
}
