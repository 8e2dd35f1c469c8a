package bucket

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// sweep looks at all days, from where the last one was interrupted. The
// recent days are looked at in between.
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
			began = began.Add(w.Storage.Usage().Sub(used)) // not of the sweep
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
	w.keep() // before it is told: whoever hears of it may start the next agent
	w.mu.Lock()
	w.status.LastSweep, w.status.Sweeping, w.status.SweepCost = w.at.Ended, "", cost
	w.mu.Unlock()
	w.Log.Info("looked at all days in the storage", "days", len(days), "requests", cost.Requests, "received_bytes", cost.Received,
		"took", w.at.Ended.Sub(w.at.Began).Round(time.Second))
	return nil
}

// remember keeps the place of the sweep.
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

// keep writes the place of the sweep, and what it has cost, to the file.
func (w *Watcher) keep() {
	if err := w.at.save(w.State); err != nil {
		w.Log.Warn("the place of the sweep could not be kept; a restart begins anew", "error", err)
	}
}

// forget drops what is known of days that are gone.
func (w *Watcher) forget(days []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.taken, func(day string, _ map[string]string) bool { return !slices.Contains(days, day) })
}
