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
	// sweepTime bounds how long a piece of a sweep may take before the recent
	// days are looked at again.
	sweepTime = 5 * time.Second
	// most is how many recordings may wait to be taken before a sweep stops.
	most = 500
	// saveEvery is the time between two writes of the state during a sweep.
	saveEvery = 5 * time.Second
)

// waiting are the recordings that have not been taken. The caller holds mu.
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

// full tells whether so many recordings wait for their turn that a sweep need
// find no more. Those that wait for something else do not count: it may never
// come.
func (w *Watcher) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for t := range w.waiting() {
		if t.busy || t.tries == 0 && !t.missing {
			n++
		}
	}
	return n >= most
}

// forget drops what is known of days whose folder core has removed.
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

// sweep looks at older days, the newest first, and returns what remains.
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

// rests tells whether a day is as it was when it was done with: that costs one
// look at its folder, and none at what is in it.
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

// lost notes that the volume is away, if that is what the error says.
func (w *Watcher) lost(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		w.available(err)
	}
}

// look reads the folders of days; false when the volume is away.
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

// note brings what is known of a day up to date.
func (w *Watcher) note(day string, found *dayList) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	d := &dayState{counts: found.counts, tracks: make(map[string]*track, len(found.sightings)), read: now}
	// What changed just now may change once more within the same tick of the
	// volume's clock.
	if found.changed.Before(now.Add(-w.Settle)) && !found.folders {
		d.stamp = found.changed.UnixNano()
	}
	was := w.days[day]
	for _, s := range found.sightings {
		t := &track{}
		if was != nil && was.tracks[s.candidate.Path] != nil {
			t = was.tracks[s.candidate.Path]
		}
		t.see(s.candidate, s.key, s.missing, now)
		d.tracks[s.candidate.Path] = t
	}
	w.days[day] = d
}

// offer offers what has settled, the newest day first.
func (w *Watcher) offer(ctx context.Context) {
	now := time.Now()
	w.mu.Lock()
	var ready []*track
	for t := range w.waiting() {
		if !now.Before(t.retry) && t.settled(now, w.Settle) {
			ready = append(ready, t)
		}
	}
	slices.SortFunc(ready, func(a, b *track) int {
		return cmp.Or(cmp.Compare(b.last.Date, a.last.Date), b.last.ModTime.Compare(a.last.ModTime))
	})
	candidates := make([]Candidate, len(ready))
	for i, t := range ready {
		candidates[i] = t.last
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
			w.Log.Debug("a recording was not taken; it is offered again", "path", c.Path, "error", err, "tries", t.tries)
		}
		w.mu.Unlock()
	}
}

// settle drops what is known of the recordings of days that are done with and
// not polled: only whether their folder changes matters from now on.
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
