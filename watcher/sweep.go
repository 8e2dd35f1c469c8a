package watcher

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"time"
)

const (
	// sweepTime limits how long a piece of a sweep may take before the recent days
	// are polled again.
	sweepTime = 5 * time.Second
	// maxPending is how many recordings may wait to be accepted before a sweep
	// stops.
	maxPending = 500
	// saveEvery is the time between two writes of the state during a sweep.
	saveEvery = 5 * time.Second
)

// waiting returns the recordings that have not been accepted. The caller must hold
// mu.
func (w *Watcher) waiting() iter.Seq[*track] {
	return func(yield func(*track) bool) {
		for _, day := range w.days {
			for _, t := range day.tracks {
				if !t.taken && !yield(t) {
					return
				}
			}
		}
	}
}

// full reports whether enough recordings wait: a sweep need not find more. It
// counts only those that wait because of [ErrBusy]: others may wait forever.
func (w *Watcher) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for t := range w.waiting() {
		if t.busy || t.tries == 0 && !t.last.Lacks {
			n++
		}
	}
	return n >= maxPending
}

// forget drops the state of days whose folder core has deleted.
func (w *Watcher) forget(days []string) {
	there := map[string]bool{}
	for _, day := range days {
		there[day] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for day := range w.days {
		if !there[day] {
			delete(w.days, day)
		}
	}
}

// sweep visits older days, newest first, and returns those that remain.
func (w *Watcher) sweep(ctx context.Context, days, done []string) []string {
	began := time.Now()
	for i, day := range days {
		if time.Since(began) > sweepTime || ctx.Err() != nil || w.full() {
			return days[i:]
		}
		if slices.Contains(done, day) {
			continue
		}
		if rests, err := w.rests(ctx, day); err != nil || !rests && !w.look(ctx, []string{day}) {
			w.lost(ctx, err)
			return days[i:]
		}
		w.unsaved = true
		select {
		case <-ctx.Done():
		case <-time.After(w.Pace):
		}
	}
	if len(days) > 0 {
		w.mu.Lock()
		w.status.LastSweep = time.Now()
		w.mu.Unlock()
		w.saved = time.Time{}
	}
	return nil
}

// rests reports whether a day has not changed since it was done. It costs one stat
// of its folder; the content is not read.
func (w *Watcher) rests(ctx context.Context, day string) (bool, error) {
	w.mu.Lock()
	d := w.days[day]
	known := d != nil && d.done() && time.Since(d.read) < w.Reread && time.Now().After(d.read)
	w.mu.Unlock()
	if !known {
		return false, nil
	}
	stamp, err := w.disk.stamp(ctx, day)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && stamp == d.stamp, err
}

// lost records that the volume is away, if the error means that.
func (w *Watcher) lost(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		w.available(err)
	}
}

// look reads the folders of days; it returns false if the volume is away.
func (w *Watcher) look(ctx context.Context, days []string) bool {
	for _, day := range days {
		found, err := w.disk.day(ctx, day)
		switch {
		case ctx.Err() != nil:
			return false
		case errors.Is(err, fs.ErrNotExist): // removed by core's clean-up
			found = &dayList{}
		case err != nil:
			w.available(err)
			return false
		}
		w.note(day, found)
	}
	w.mu.Lock()
	w.status.LastPoll = time.Now()
	w.mu.Unlock()
	return true
}

// note updates the state of a day.
func (w *Watcher) note(day string, found *dayList) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	d := &dayState{counts: found.counts, tracks: make(map[string]*track, len(found.sightings)), read: now}
	// Something that changed a moment ago may change again within the same tick of
	// the volume's clock.
	if found.changed.Before(now.Add(-w.Settle)) && !found.folders {
		d.stamp = found.changed.UnixNano()
	}
	was := w.days[day]
	for _, s := range found.sightings {
		t := &track{}
		if was != nil && was.tracks[s.candidate.Path] != nil {
			t = was.tracks[s.candidate.Path]
		}
		t.see(s.candidate, s.key, now)
		d.tracks[s.candidate.Path] = t
	}
	w.days[day] = d
}

// rest returns how long a recording must be unchanged before it is offered.
func (w *Watcher) rest(t *track) time.Duration {
	if t.last.Lacks {
		return patience * w.Settle
	}
	return w.Quiet
}

// offer offers what has settled, newest day first.
func (w *Watcher) offer(ctx context.Context) {
	now := time.Now()
	w.mu.Lock()
	var ready []*track
	for t := range w.waiting() {
		if !now.Before(t.retry) && t.rests(now, w.rest(t)) {
			ready = append(ready, t)
		}
	}
	slices.SortFunc(ready, func(a, b *track) int {
		return cmp.Or(cmp.Compare(b.last.Date, a.last.Date), b.last.ModTime.Compare(a.last.ModTime))
	})
	candidates := make([]Candidate, len(ready))
	for i, t := range ready {
		candidates[i] = t.last
		candidates[i].Early = !t.rests(now, w.Settle)
		candidates[i].Recent = t.last.Date >= w.limit(now) || t.last.ModTime.After(now.AddDate(0, 0, -w.RecentDays))
	}
	w.mu.Unlock()
	busy := false
	for i, c := range candidates {
		if ctx.Err() != nil {
			return
		}
		err := ErrBusy
		if c.Recent || !busy {
			err = w.Found(ctx, c)
		}
		w.mu.Lock()
		t := ready[i]
		switch {
		case err == nil:
			t.taken = true
		case errors.Is(err, ErrBusy):
			busy, t.busy, t.retry = true, true, time.Now().Add(w.Interval)
		default:
			t.busy = false
			t.tries++
			t.retry = time.Now().Add(min(w.Interval<<min(t.tries, 6), 10*time.Minute))
			w.Log.Debug("a recording was not accepted; retrying", "path", c.Path, "error", err, "tries", t.tries)
		}
		w.mu.Unlock()
	}
}

// settle drops the recordings of days that are done and not polled: from now on
// only a change of their folder matters.
func (w *Watcher) settle(recent []string) {
	w.mu.Lock()
	for day, d := range w.days {
		if d.tracks != nil && d.done() && !slices.Contains(recent, day) {
			d.tracks = nil
		}
	}
	w.mu.Unlock()
	if w.unsaved && time.Since(w.saved) >= saveEvery {
		w.remember()
	}
}
