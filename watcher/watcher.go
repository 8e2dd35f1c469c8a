package watcher

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
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

// ErrInWork is what takers of recordings return while another recording of the
// same session is in progress: this one is to be offered again later.
var ErrInWork = errors.New("the session has a task in work")

// Watcher watches one replay folder. Its fields are set before Run.
type Watcher struct {
	Root       string        // the replay folder
	Interval   time.Duration // between polls of the recent days (30 s)
	Settle     time.Duration // how long a recording must rest (60 s)
	Mode       Mode          // auto
	RecentDays int           // days that are polled at every interval, today included (3)
	Sweep      time.Duration // between looks at all other days (6 h)
	Reread     time.Duration // how long a folder that does not change is not read again (24 h)
	Pace       time.Duration // pause between two folders of a sweep (20 ms)
	Patience   time.Duration // how long the volume may take for one folder (60 s)
	// Found is offered each recording that has settled. It may be offered the
	// same one again, and must then answer as before. An error means that the
	// recording was not taken: it is offered again later. After [ErrBusy] no
	// older ones are offered until the next poll, and a sweep waits where it is.
	Found func(context.Context, Candidate) error
	// State is a file that remembers the days that are done with, so that a
	// restart does not read them all again; "" = none. What it says counts for
	// Root and Epoch only: another Epoch means that what Found has taken may
	// be lost.
	State, Epoch string
	Log          *slog.Logger

	disk    volume            // owned by Run
	changes map[string]change // of days; owned by Run
	looked  time.Time         // when it was last seen which days have changed; owned by Run
	saved   time.Time         // when State was last written; owned by Run
	unsaved bool              // a sweep has gone on since; owned by Run

	mu     sync.Mutex // guards what follows
	days   map[string]*dayState
	status Status
}

func (w *Watcher) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&w.Interval, 30*time.Second)
	set(&w.Settle, 60*time.Second)
	set(&w.Sweep, 6*time.Hour)
	set(&w.Reread, 24*time.Hour)
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
	w.days, w.status.LastSweep = w.recall()
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	w.defaults()
	defer w.remember()
	hints := make(chan struct{}, 1)
	var events *notifier
	defer func() { events.close() }()
	var sweep []string // days that remain to be looked at
	var swept time.Time
	for {
		all := time.Since(w.looked) >= foldersEvery*w.Interval
		there, err := w.disk.days(ctx, all)
		if ctx.Err() != nil {
			return nil
		}
		days := there.days
		w.available(err)
		full := false
		if err == nil {
			if events == nil {
				events = w.notify(hints)
			}
			if swept.IsZero() || time.Since(swept) >= w.Sweep {
				sweep, swept = slices.Clone(days), time.Now()
			}
			w.forget(days)
			if all {
				w.notice(there)
			}
			recent := w.recent(days)
			events.watch(w.Root, recent)
			w.look(ctx, recent)
			sweep = w.sweep(ctx, sweep, recent)
			w.offer(ctx)
			w.settle(recent)
			full = w.full()
		}
		if !w.pause(ctx, hints, len(sweep) > 0 && !full) {
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
	for t := range w.waiting() {
		if t.polls == 1 && t.rested >= w.Settle {
			return true
		}
	}
	return false
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
	for t := range w.waiting() {
		if t.tries == 0 && !t.busy {
			list = append(list, t.last)
		}
	}
	slices.SortFunc(list, func(a, b Candidate) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// Status tells how the watcher stands.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Names = map[recording.Class]int{}
	for _, day := range w.days {
		for class, n := range day.counts {
			s.Names[class] += n
		}
	}
	for t := range w.waiting() {
		if !t.busy {
			s.Settling++
		}
	}
	return s
}
