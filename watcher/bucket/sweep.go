package bucket

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// sweep lists all days, from where the last sweep was interrupted. In between it
// polls the recent days.
func (w *Watcher) sweep(ctx context.Context) error {
	if !w.at.sweeping() {
		w.at.Began, w.at.Cost = w.Now(), storage.Usage{}
	}
	before, began := w.at.Cost, w.Storage.Usage()
	count := func() { w.at.Cost = before.Add(w.Storage.Usage().Sub(began)) }
	defer func() {
		count()
		w.keep()
	}()
	if err := w.pace(ctx); err != nil {
		return err
	}
	days, err := Days(ctx, w.Storage, func() error { return w.pace(ctx) })
	if err != nil {
		return err
	}
	oldest := ""
	if w.KeepDays > 0 {
		oldest = w.Now().UTC().AddDate(0, 0, -w.KeepDays).Format(time.DateOnly)
	}
	polled := w.Now()
	for _, day := range days {
		after := ""
		switch {
		case w.at.sweeping() && day > w.at.Day, day < oldest:
			continue
		case day == w.at.Day:
			after = w.at.After
		}
		if w.Now().Sub(polled) >= w.Interval {
			used := w.Storage.Usage()
			err := w.poll(ctx)
			began = began.Add(w.Storage.Usage().Sub(used)) // not part of the sweep's cost
			if err != nil {
				return err
			}
			polled = w.Now()
		}
		reached := func(after string) {
			count()
			w.remember(day, after)
		}
		reached(after)
		if err := w.day(ctx, day, after, reached); err != nil {
			return err
		}
	}
	w.forget(days)
	count()
	cost := w.at.Cost
	w.at = position{Place: w.at.Place, Began: w.at.Began, Ended: w.Now(), Cost: cost}
	w.keep() // before the status shows the sweep: a test that sees it may start the next agent
	w.mu.Lock()
	w.status.LastSweep, w.status.Sweeping, w.status.SweepCost = w.at.Ended, "", cost
	w.mu.Unlock()
	w.Log.Info("listed all days in the storage", "days", len(days), "requests", cost.Requests, "received_bytes", cost.Received,
		"took", w.at.Ended.Sub(w.at.Began).Round(time.Second))
	return nil
}

// remember stores the position of the sweep in memory.
func (w *Watcher) remember(day, after string) {
	if w.at.Day == day && w.at.After == after {
		return
	}
	w.at.Day, w.at.After = day, after
	w.keep()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Sweeping = day
}

// keep writes the position of the sweep, and its cost, to the file.
func (w *Watcher) keep() {
	if err := w.at.save(w.State); err != nil {
		w.Log.Warn("the position of the sweep could not be saved; a restart begins a new sweep", "error", err)
	}
}

// forget drops the state of days that no longer exist.
func (w *Watcher) forget(days []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.taken, func(day string, _ map[string]string) bool { return !slices.Contains(days, day) })
}
