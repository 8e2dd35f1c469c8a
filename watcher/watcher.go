package watcher

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"jumpserver-video/watcher/recording"
)

// Mode says whether events are used.
type Mode string

// The modes.
const (
	ModeAuto   Mode = "auto"   // by file system
	ModePoll   Mode = "poll"   // never
	ModeNotify Mode = "notify" // always
)

// ErrBusy is what a Found function answers when no more recordings can be
// taken now: the watcher then offers nothing more until its next poll.
var ErrBusy = errors.New("too many recordings wait already")

// Watcher watches one replay folder. Its fields are set before Run.
type Watcher struct {
	Root       string        // the replay folder
	Interval   time.Duration // between polls of the recent days (30 s)
	Settle     time.Duration // how long a recording must rest (60 s)
	Mode       Mode          // auto
	RecentDays int           // days that are polled at every interval, today included (3)
	Sweep      time.Duration // between looks at all other days (6 h)
	Pace       time.Duration // pause between two folders of a sweep (20 ms)
	Patience   time.Duration // how long the volume may take for one folder (60 s)
	// Found is offered each recording that has settled. It may be offered the
	// same one again, and must then answer as before. An error means that the
	// recording was not taken: it is offered again later.
	Found func(context.Context, Candidate) error
	Log   *slog.Logger

	disk    volume            // owned by Run
	changes map[string]change // of days; owned by Run

	mu     sync.Mutex        // guards what follows
	tracks map[string]*track // by Candidate.Path
	days   map[string]counts // by folder
	status Status
}

type counts map[recording.Class]int

func (w *Watcher) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&w.Interval, 30*time.Second)
	set(&w.Settle, 60*time.Second)
	set(&w.Sweep, 6*time.Hour)
	set(&w.Pace, 20*time.Millisecond)
	set(&w.Patience, 60*time.Second)
	if w.RecentDays <= 0 {
		w.RecentDays = 3
	}
	if w.Mode == "" {
		w.Mode = ModeAuto
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	w.disk = volume{root: w.Root, patience: w.Patience}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tracks, w.days = map[string]*track{}, map[string]counts{}
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	w.defaults()
	hints := make(chan struct{}, 1)
	var events *notifier
	defer func() { events.close() }()
	var sweep []string // days that remain to be looked at
	var swept time.Time
	for {
		there, err := w.disk.days(ctx)
		if ctx.Err() != nil {
			return nil
		}
		days := there.days
		w.available(err)
		if err == nil {
			if events == nil {
				events = w.notify(hints)
			}
			if swept.IsZero() || time.Since(swept) >= w.Sweep {
				sweep, swept = slices.Clone(days), time.Now()
			}
			w.forget(days)
			w.notice(there)
			recent := w.recent(days)
			events.watch(w.Root, recent)
			w.look(ctx, recent)
			sweep = w.sweep(ctx, sweep, recent)
			w.offer(ctx)
		}
		if !w.pause(ctx, hints, len(sweep) > 0) {
			return nil
		}
	}
}

// pause waits for the next poll: the interval, less when something has
// changed or is about to have settled. It answers false when ctx has ended.
func (w *Watcher) pause(ctx context.Context, hints <-chan struct{}, sweeping bool) bool {
	wait := w.Interval
	if sweeping || w.impatient() {
		wait = min(wait, max(w.Settle/4, 50*time.Millisecond), time.Second)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-hints:
	}
	// Let a burst of changes pass.
	burst := time.NewTimer(min(wait, max(w.Settle/10, 20*time.Millisecond), time.Second))
	defer burst.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-burst.C:
		return true
	}
}

// impatient tells whether a recording needs only be seen once more.
func (w *Watcher) impatient() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tracks {
		if t.polls == 1 && t.rested >= w.Settle && !t.taken {
			return true
		}
	}
	return false
}

// forget drops what is known of days whose folder core has removed.
func (w *Watcher) forget(days []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for day := range w.days {
		if !slices.Contains(days, day) {
			delete(w.days, day)
		}
	}
	for path, t := range w.tracks {
		if _, known := w.days[t.last.Date]; !known {
			delete(w.tracks, path)
		}
	}
}

// sweepTime bounds how long a piece of a sweep may take before the recent
// days are looked at again.
const sweepTime = 5 * time.Second

// sweep looks at older days, the newest first, and returns what remains.
func (w *Watcher) sweep(ctx context.Context, days, done []string) []string {
	began := time.Now()
	for i, day := range days {
		if time.Since(began) > sweepTime || ctx.Err() != nil {
			return days[i:]
		}
		if slices.Contains(done, day) {
			continue
		}
		if !w.look(ctx, []string{day}) {
			return days[i:]
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.Pace):
		}
	}
	if len(days) > 0 {
		w.mu.Lock()
		w.status.LastSweep = time.Now()
		w.mu.Unlock()
	}
	return nil
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
	w.days[day] = found.counts
	there := map[string]bool{}
	for _, s := range found.sightings {
		there[s.candidate.Path] = true
		t := w.tracks[s.candidate.Path]
		if t == nil {
			t = &track{}
			w.tracks[s.candidate.Path] = t
		}
		t.see(s.candidate, s.key, s.missing, now)
	}
	for path, t := range w.tracks {
		if t.last.Date == day && !there[path] {
			delete(w.tracks, path) // replaced, or removed by core
		}
	}
}

// offer offers what has settled, the newest day first.
func (w *Watcher) offer(ctx context.Context) {
	now := time.Now()
	w.mu.Lock()
	var ready []*track
	for _, t := range w.tracks {
		if !t.taken && !now.Before(t.retry) && t.settled(now, w.Settle) {
			ready = append(ready, t)
		}
	}
	slices.SortFunc(ready, func(a, b *track) int {
		if a.last.Date != b.last.Date {
			return -compare(a.last.Date, b.last.Date)
		}
		return -a.last.ModTime.Compare(b.last.ModTime)
	})
	candidates := make([]Candidate, len(ready))
	for i, t := range ready {
		candidates[i] = t.last
	}
	w.mu.Unlock()
	for i, c := range candidates {
		if ctx.Err() != nil {
			return
		}
		err := w.Found(ctx, c)
		w.mu.Lock()
		t := ready[i]
		if err == nil {
			t.taken = true
		} else {
			t.tries++
			t.retry = time.Now().Add(min(w.Interval<<min(t.tries, 6), 10*time.Minute))
			w.Log.Debug("a recording was not taken; it is offered again", "path", c.Path, "error", err, "tries", t.tries)
		}
		w.mu.Unlock()
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// available notes whether the volume is there, and says so when it changes.
func (w *Watcher) available(err error) {
	w.mu.Lock()
	was, first := w.status.Available, w.status.Since.IsZero()
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	w.status.Available, w.status.Reason = err == nil, reason
	if first || was != (err == nil) {
		w.status.Since = time.Now()
	}
	w.mu.Unlock()
	switch {
	case err != nil && (was || first):
		w.Log.Warn("the replay volume is unavailable; waiting for it", "root", w.Root, "reason", reason)
	case err == nil && !was:
		w.Log.Info("watching the replay volume", "root", w.Root)
	}
}

// Settling lists the recordings that are waited for.
func (w *Watcher) Settling() []Candidate {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Candidate
	for _, t := range w.tracks {
		if !t.taken && t.tries == 0 {
			list = append(list, t.last)
		}
	}
	slices.SortFunc(list, func(a, b Candidate) int { return compare(a.Path, b.Path) })
	return list
}

// Status tells how the watcher stands.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Names = map[recording.Class]int{}
	for _, day := range w.days {
		for class, n := range day {
			s.Names[class] += n
		}
	}
	for _, t := range w.tracks {
		if !t.taken {
			s.Settling++
		}
	}
	return s
}
