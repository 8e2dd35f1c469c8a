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

// Mode is how the watcher finds recordings: by events, or by looking.
type Mode string

// The modes.
const (
	ModeAuto   Mode = "auto"   // depends on the file system
	ModePoll   Mode = "poll"   // never
	ModeNotify Mode = "notify" // always
)

// ErrBusy is returned by a Found function if no more recordings can be accepted
// now: the watcher then offers nothing more until its next poll.
var ErrBusy = errors.New("too many recordings are waiting")

// ErrInWork is returned by functions that accept recordings while another recording
// of the same session is in progress. The recording must then be offered again
// later.
var ErrInWork = errors.New("the session has a task in progress")

// Watcher watches one replay folder. Its fields are set before Run.
type Watcher struct {
	Root       string        // the replay folder
	Mount      *Mount        // stored state of the volume; nil = none of earlier runs
	Interval   time.Duration // between polls of the recent days (30 s)
	Settle     time.Duration // how long a recording must be unchanged (60 s)
	Quiet      time.Duration // the same for one whose content may prove that it is complete: see [Candidate] (10 s, at most Settle)
	Mode       Mode          // auto
	RecentDays int           // days that are polled at every interval, including today (3)
	Sweep      time.Duration // between sweeps of all other days (6 h)
	Reread     time.Duration // how long an unchanged folder is not read again (24 h)
	Pace       time.Duration // pause between two folders of a sweep (20 ms)
	Patience   time.Duration // how long the volume may take for one folder (60 s)
	// Found gets each recording that has settled. It may get the same one again,
	// and must then return the same as before. An error means that the recording
	// was not accepted: it is offered again later. After [ErrBusy] no older ones
	// are offered until the next poll, and a sweep waits where it is.
	Found func(context.Context, Candidate) error
	// State is a file that stores the days that are done, so that a restart does
	// not read all of them again; "" = none. It is valid only for Root and Epoch:
	// another Epoch means that recordings that Found accepted may be lost.
	State, Epoch string
	Log          *slog.Logger

	disk    volume            // owned by Run
	changes map[string]change // of days; owned by Run
	looked  time.Time         // when the changes of days were last read; owned by Run
	saved   time.Time         // when State was last written; owned by Run
	unsaved bool              // the sweep has advanced since; owned by Run

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
	set(&w.Quiet, 10*time.Second)
	w.Quiet = min(w.Quiet, w.Settle)
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
	if w.Mount == nil {
		w.Mount = &Mount{dir: w.Root}
	}
	w.disk = volume{root: w.Root, mount: w.Mount, patience: w.Patience}
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
	var device uint64  // device that events are about
	var sweep []string // days that the sweep has not visited yet
	var swept time.Time
	for {
		all := time.Since(w.looked) >= foldersEvery*w.Interval
		there, err := w.disk.days(ctx, all)
		if ctx.Err() != nil {
			return nil
		}
		days := there.days
		w.available(err)
		w.newest(days)
		full := false
		if err == nil {
			if device != w.disk.device { // another one may be mounted now
				events.close()
				events, device = w.notify(w.disk.remote, hints), w.disk.device
			}
			if swept.IsZero() || time.Since(swept) >= w.Sweep {
				sweep, swept = slices.Clone(days), time.Now()
			}
			w.forget(days)
			if all {
				w.notice(there)
			}
			recent := w.recent(days)
			if events != nil {
				_, _ = bounded(ctx, &w.disk, func() (struct{}, error) { events.watch(w.Root, recent); return struct{}{}, nil })
			}
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

// pause waits for the next poll: for the interval, or less if something has changed
// or has soon settled. It returns false if ctx has ended.
func (w *Watcher) pause(ctx context.Context, hints <-chan struct{}, sweeping bool) bool {
	once := min(w.Interval, max(w.Settle/4, 50*time.Millisecond), time.Second)
	wait := max(once, min(w.Interval, w.due()))
	if sweeping {
		wait = once
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
	// Wait until a burst of changes has ended.
	burst := time.NewTimer(min(wait, max(w.Settle/10, 20*time.Millisecond), time.Second))
	defer burst.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-burst.C:
		return true
	}
}

// due returns how long it takes until the first settling recording has only to be
// seen once more.
func (w *Watcher) due() time.Duration {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	due := w.Interval
	for t := range w.waiting() {
		if !now.Before(t.retry) {
			due = min(due, max(0, w.rest(t)-t.age(now)))
		}
	}
	return due
}

// newest records the newest day's folder.
func (w *Watcher) newest(days []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Newest = ""
	if w.status.Available && len(days) > 0 {
		w.status.Newest = days[0]
	}
}

// available records whether the volume is available, and logs changes.
func (w *Watcher) available(err error) {
	w.mu.Lock()
	was, first := w.status.Available, w.status.Since.IsZero()
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	none := errors.Is(err, ErrNoVolume)
	w.status.Available, w.status.None, w.status.Reason = err == nil, none, reason
	if first || was != (err == nil) {
		w.status.Since = time.Now()
	}
	w.mu.Unlock()
	switch {
	case none && first:
		w.Log.Warn("there is no replay volume; until it appears, recordings come only from uploads and buckets", "root", w.Root)
	case err != nil && (was || first):
		w.Log.Warn("the replay volume is unavailable; waiting for it", "root", w.Root, "reason", reason)
	case err == nil && !was:
		w.Log.Info("watching the replay volume", "root", w.Root)
	}
}

// Settling lists the recordings that have not settled yet.
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

// Status returns the state of the watcher.
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
