package upload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestQuestionsToCoreAreFew: whatever the number of clients, only a limited number
// of requests run at once, and the others wait.
func TestQuestionsToCoreAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q inquiries[string]
		var atOnce, peak, calls atomic.Int32
		put := func(context.Context) (string, error) {
			calls.Add(1)
			n := atOnce.Add(1)
			for m := peak.Load(); n > m && !peak.CompareAndSwap(m, n); m = peak.Load() {
			}
			time.Sleep(time.Second)
			atOnce.Add(-1)
			return "yes", nil
		}
		var all sync.WaitGroup
		for i := range 20 * maxQuestions {
			all.Go(func() {
				if answer, err := q.ask(t.Context(), fmt.Sprint(i), time.Minute, put); answer != "yes" || err != nil {
					t.Error(answer, err)
				}
			})
			all.Go(func() { // the same question: one request
				if answer, err := q.ask(t.Context(), fmt.Sprint(i), time.Minute, put); answer != "yes" || err != nil {
					t.Error(answer, err)
				}
			})
		}
		all.Wait()
		if peak.Load() != maxQuestions || calls.Load() != 20*maxQuestions || len(q.open) != 0 {
			t.Errorf("%d at once, %d in all, %d left open", peak.Load(), calls.Load(), len(q.open))
		}
	})
}

// TestAClientThatHasLeftIsNotAskedFor: without a client, a question neither waits
// for a slot nor continues.
func TestAClientThatHasLeftIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q inquiries[string]
		var begun, ended, left atomic.Int32
		hang := func(ctx context.Context) (string, error) {
			begun.Add(1)
			<-ctx.Done()
			ended.Add(1)
			return "", ctx.Err()
		}
		leaving, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 2000 {
			all.Go(func() {
				if _, err := q.ask(leaving, fmt.Sprint(i), time.Hour, hang); errors.Is(err, context.Canceled) {
					left.Add(1)
				}
			})
		}
		synctest.Wait()
		if begun.Load() != maxQuestions {
			t.Errorf("%d questions have reached core", begun.Load())
		}
		began := time.Now()
		leave()
		all.Wait()
		synctest.Wait()
		if left.Load() != 2000 || ended.Load() != begun.Load() || len(q.open) != 0 || time.Since(began) > 0 {
			t.Errorf("%d clients have left; of %d questions %d have ended, %d are open, after %v",
				left.Load(), begun.Load(), ended.Load(), len(q.open), time.Since(began))
		}
		if answer, err := q.ask(t.Context(), "1", time.Minute, func(context.Context) (string, error) { return "yes", nil }); answer != "yes" || err != nil {
			t.Error("afterwards:", answer, err)
		}
	})
}

// TestWhoWaitsOnGetsTheAnswer: although the first client has disconnected, the
// others get the answer.
func TestWhoWaitsOnGetsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q inquiries[string]
		put := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Second):
				return "yes", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		leaving, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _, _ = q.ask(leaving, "the same", time.Minute, put) })
		synctest.Wait()
		all.Go(func() {
			if answer, err := q.ask(t.Context(), "the same", time.Minute, put); answer != "yes" || err != nil {
				t.Error(answer, err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
	})
}

// TestNoPlaceForAQuestionIsSaidInTime: a caller that gets no slot is refused in
// time.
func TestNoPlaceForAQuestionIsSaidInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q inquiries[string]
		var all sync.WaitGroup
		for i := range maxQuestions {
			all.Go(func() {
				_, _ = q.ask(t.Context(), fmt.Sprint(i), time.Hour, func(context.Context) (string, error) {
					time.Sleep(time.Hour)
					return "", nil
				})
			})
		}
		synctest.Wait()
		began := time.Now()
		_, err := q.ask(t.Context(), "one more", 10*time.Second, func(context.Context) (string, error) { return "", nil })
		if !errors.Is(err, errCrowded) || time.Since(began) != 10*time.Second {
			t.Error(err, time.Since(began))
		}
		all.Wait()
	})
}
