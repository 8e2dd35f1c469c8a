package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// Candidate is a recording in a bucket.
type Candidate struct {
	Storage storage.Storage
	Session string // id
	Date    string // from the key, YYYY-MM-DD
	// Key is D/S.replay.gz, or D/S/S.replay.json for a recording in parts.
	Key     string
	Objects []storage.Object // that of Key is first
	Size    int64            // bytes, all objects together
	ModTime time.Time        // the newest of all objects
	// HasVideo means that D/S.replay.mp4 exists. If there is an original, core
	// serves that instead.
	HasVideo bool
}

// Watcher watches one bucket. Its fields are set before Run.
type Watcher struct {
	// Storage is the watcher's own connection: its usage is the cost of watching.
	Storage     storage.Storage
	Interval    time.Duration // between listings of the recent days (10 min)
	Settle      time.Duration // how long a recording must be unchanged (60 s)
	Sweep       time.Duration // between sweeps of all days (24 h)
	RecentDays  int           // listed at every interval, today included (2)
	KeepDays    int           // core deletes older days, and they are not listed; 0 = all are listed
	MaxRequests int           // listings per hour (600)
	State       string        // file that stores the position of a sweep; "" = none
	// Found gets each recording that has settled. It may get the same one again,
	// and must then return the same as before. An error means that the recording
	// was not accepted: it is offered again later, without another listing. After
	// [watcher.ErrBusy] nothing more is offered, and a sweep waits where it is.
	Found func(context.Context, Candidate) error
	Log   *slog.Logger
	Now   func() time.Time // nil = time.Now

	mu      sync.Mutex // guards what follows
	taken   map[string]map[string]string
	waiting map[string]*waiting // by key
	status  Status

	at       position // owned by Run
	lastList time.Time
}

// waiting is a candidate that will be offered again.
type waiting struct {
	candidate Candidate
	state     string
	due       time.Time
	tries     int
}

// Status is the state of the watcher.
type Status struct {
	Place     string
	Available bool      // the last listing succeeded
	Reason    string    // why it failed
	LastPoll  time.Time // of the recent days
	LastSweep time.Time // the last completed one
	Sweeping  string    // the day that a sweep has reached; "" = no sweep is running
	Waiting   int       // recordings that will be offered again
	// SweepCost is the usage of the last complete sweep, however often it was
	// interrupted; Cost is the usage since the start.
	SweepCost, Cost storage.Usage
}

func (w *Watcher) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&w.Interval, 10*time.Minute)
	set(&w.Settle, 60*time.Second)
	set(&w.Sweep, 24*time.Hour)
	if w.RecentDays <= 0 {
		w.RecentDays = 2
	}
	if w.MaxRequests <= 0 {
		w.MaxRequests = 600
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	if w.Now == nil {
		w.Now = time.Now
	}
	w.Log = w.Log.With("storage", w.Storage.Place())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken, w.waiting = map[string]map[string]string{}, map[string]*waiting{}
	w.at = load(w.State, w.Storage.Place())
	w.status = Status{Place: w.Storage.Place(), LastSweep: w.at.Ended, Sweeping: w.at.Day}
	if !w.at.sweeping() {
		w.status.SweepCost = w.at.Cost
	}
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	w.defaults()
	failures := 0
	for {
		err := w.round(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if errors.Is(err, watcher.ErrBusy) {
			err = nil
		}
		w.available(err)
		wait := w.Interval
		if failures++; err == nil {
			failures = 0
		}
		if failures > 0 { // an error that an administrator must fix is not retried often
			wait = min(wait<<min(failures-1, 6), max(wait, time.Hour))
		}
		if !w.sleep(ctx, wait) {
			return nil
		}
	}
}

func (w *Watcher) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// round lists the recent days, and continues a sweep that is due.
func (w *Watcher) round(ctx context.Context) error {
	if err := w.poll(ctx); err != nil {
		return err
	}
	if !w.at.sweeping() && w.Now().Sub(w.at.Ended) < w.Sweep {
		return nil
	}
	return w.sweep(ctx)
}

// poll offers what is new and what was not accepted before.
func (w *Watcher) poll(ctx context.Context) error {
	if err := w.recent(ctx); err != nil {
		return err
	}
	return w.offerAgain(ctx)
}

// recent lists the days in which something may have been added since.
func (w *Watcher) recent(ctx context.Context) error {
	for i := range w.RecentDays {
		day := w.Now().UTC().AddDate(0, 0, -i).Format(time.DateOnly)
		if err := w.day(ctx, day, "", nil); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.LastPoll = w.Now()
	return nil
}

// pace waits until another listing stays within MaxRequests per hour.
func (w *Watcher) pace(ctx context.Context) error {
	wait := time.Hour/time.Duration(w.MaxRequests) - time.Since(w.lastList)
	if wait > 0 && !w.lastList.IsZero() && !w.sleep(ctx, wait) {
		return context.Cause(ctx)
	}
	w.lastList = time.Now()
	return ctx.Err()
}

// day lists a day and offers what it finds. It calls reached with the positions
// from which the listing could be continued.
func (w *Watcher) day(ctx context.Context, day, after string, reached func(after string)) error {
	if err := w.pace(ctx); err != nil {
		return err
	}
	there := map[string]string{}
	err := Day(ctx, w.Storage, day, after, func(s *Session, after string) error {
		if s.Entry() != nil {
			if err := w.found(ctx, s, there); err != nil {
				return err
			}
		}
		if reached != nil {
			reached(after)
		}
		return ctx.Err()
	}, func() error { return w.pace(ctx) })
	if err == nil && after == "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taken[day] = there
		maps.DeleteFunc(w.waiting, func(key string, x *waiting) bool { // the objects were deleted
			_, ok := there[key]
			return x.candidate.Date == day && !ok
		})
	}
	return err
}

// found offers a recording, unless the same version was accepted before.
func (w *Watcher) found(ctx context.Context, s *Session, there map[string]string) error {
	c := Candidate{Storage: w.Storage, Session: s.ID, Date: s.Date, Key: s.Entry().Key, Objects: s.Objects(), HasVideo: s.Video != nil}
	state := ""
	for _, o := range c.Objects {
		c.Size += o.Size
		if o.ModTime.After(c.ModTime) {
			c.ModTime = o.ModTime
		}
		state += fmt.Sprintln(o.Key, o.Size, o.ETag)
	}
	w.mu.Lock()
	was, x := w.taken[s.Date][c.Key], w.waiting[c.Key]
	w.mu.Unlock()
	there[c.Key] = ""
	switch age := w.Now().Sub(c.ModTime); {
	case was == state:
		there[c.Key] = state
		return nil
	case age >= 0 && age < w.Settle:
		return nil // until the next poll
	case x != nil && x.state == state:
		return nil // offerAgain does it
	}
	err := w.offer(ctx, &waiting{candidate: c, state: state})
	if err == nil {
		there[c.Key] = state
	}
	if errors.Is(err, watcher.ErrBusy) {
		return err
	}
	return ctx.Err()
}

// offer offers a recording, and stores it for later if it was not accepted.
func (w *Watcher) offer(ctx context.Context, x *waiting) error {
	err := w.Found(ctx, x.candidate)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		delete(w.waiting, x.candidate.Key)
		if day := w.taken[x.candidate.Date]; day != nil {
			day[x.candidate.Key] = x.state
		}
	case errors.Is(err, watcher.ErrBusy): // the next listing finds it again
	default:
		x.due = w.Now().Add(min(w.Interval<<min(x.tries, 6), max(w.Interval, 6*time.Hour)))
		x.tries++
		w.waiting[x.candidate.Key] = x
		w.Log.Debug("a recording was not accepted; retrying", "key", x.candidate.Key, "error", err, "tries", x.tries)
	}
	return err
}

// offerAgain offers what was not accepted, without requests to the storage.
func (w *Watcher) offerAgain(ctx context.Context) error {
	w.mu.Lock()
	var due []*waiting
	for _, x := range w.waiting {
		if !w.Now().Before(x.due) {
			due = append(due, x)
		}
	}
	w.mu.Unlock()
	slices.SortFunc(due, func(a, b *waiting) int { return -a.candidate.ModTime.Compare(b.candidate.ModTime) })
	for _, x := range due {
		if err := w.offer(ctx, x); errors.Is(err, watcher.ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// available records whether the storage responds, and logs changes.
func (w *Watcher) available(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, reason := w.status.Available, w.status.Reason
	w.status.Available, w.status.Reason = err == nil, ""
	if err != nil {
		w.status.Reason = err.Error()
	}
	var e *storage.Error
	kind := err
	if errors.As(err, &e) {
		kind = e.Kind
	}
	switch {
	case err != nil && (was || reason == ""):
		w.Log.Warn("the replay storage cannot be listed; retrying", "reason", kind, "error", err)
	case err == nil && !was:
		w.Log.Info("watching the replay storage")
	}
}

// Status returns the state of the watcher.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Waiting, s.Cost = len(w.waiting), w.Storage.Usage()
	return s
}
