// Package rights finds out whether this process may do on core's replay volume what
// an agent must do there: move originals to the trash, and set time and owner of
// MP4s to those of their originals.
//
// It tries these operations. There is no other way to find out: what is
// allowed depends on the service's sandbox, the mount, the export, ACLs and the
// server's mapping of user ids. It uses a hidden file of its own, which
// it removes afterwards.
package rights

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// okFor is how long a successful check of a day is valid before a task.
	okFor = time.Minute
	// againEvery is the time between two checks of a day that has failed.
	againEvery = 30 * time.Second
	// newestEvery is the time between two checks of the newest day, whether it has
	// tasks or not.
	newestEvery = 5 * time.Minute
	// rememberFor is how long a day without errors is remembered.
	rememberFor = time.Hour
)

// Error says that an operation that the agent needs is not allowed. It wraps the
// error of the system: EROFS, or one that is fs.ErrPermission.
type Error struct {
	Day  string // YYYY-MM-DD
	What string // the operation that failed, as in "rename a file to the trash"
	Fix  Fix    // what to do about it
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: cannot %s: %v", e.Day, e.What, e.Err) }

// Unwrap returns the system's error.
func (e *Error) Unwrap() error { return e.Err }

// Prober checks what is allowed in days' folders, and remembers the results. Root
// and Times are set before its first use.
type Prober struct {
	Root string // core's replay folder as mounted here
	// Times reports whether MP4s are also stored on the volume, with the times of
	// their originals; nil = they are.
	Times func() bool
	Log   *slog.Logger // nil = none

	name string        // of the file that is used for checks
	turn chan struct{} // held during a check

	mu   sync.Mutex // guards what follows; never held while the volume is accessed
	days map[string]*day
}

// day is the state of one day's folder.
type day struct {
	original string // a file of core's in it, relative to Root; "" = unknown
	tried    time.Time
	err      *Error // nil = everything is allowed
}

// New returns a prober. agent names this agent among all that use the volume.
func New(root, agent string, log *slog.Logger) *Prober {
	h := fnv.New64a()
	_, _ = h.Write([]byte(agent))
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Prober{
		Root: root, Log: log, name: fmt.Sprintf(".jumpserver-video-probe-%x", h.Sum64()),
		turn: make(chan struct{}, 1), days: map[string]*day{},
	}
}

// dayOf returns the day of a path relative to the replay folder.
func dayOf(rel string) string {
	day, _, _ := strings.Cut(rel, "/")
	return day
}

// Check returns nil if the recording at original, relative to the replay folder,
// can be retired after its MP4 is in place. It checks, unless this day was checked
// a moment ago. It returns an [*Error] if something is not allowed; any other error
// means that the volume could not be checked.
func (p *Prober) Check(ctx context.Context, original string) error {
	d, known := p.look(dayOf(original))
	age := time.Since(d.tried)
	switch {
	case known && d.err != nil && age < againEvery:
		return d.err
	case known && d.err == nil && age < okFor && path.Dir(original) == dayOf(original):
		return nil
	}
	return p.probe(ctx, original)
}

func (p *Prober) look(name string) (day, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.days[name]; d != nil {
		return *d, true
	}
	return day{}, false
}

// Holds reports whether tasks about recordings of a day must wait, because the last
// check there found something that is not allowed. original is a path in that day.
// It accesses no file.
func (p *Prober) Holds(original string) bool {
	d, _ := p.look(dayOf(original))
	return d.err != nil
}

// Trouble returns the error of the newest day that has one; nil if no day has one.
// It accesses no file.
func (p *Prober) Trouble() error {
	failing := p.failing()
	if len(failing) == 0 {
		return nil
	}
	d, _ := p.look(failing[0])
	if d.err == nil { // fixed a moment ago
		return nil
	}
	if more := len(failing) - 1; more > 0 {
		e := *d.err
		e.Day = fmt.Sprintf("%s, and %d more", e.Day, more)
		return &e
	}
	return d.err
}

// failing lists the days that have errors, newest first.
func (p *Prober) failing() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for name, d := range p.days {
		if d.err != nil {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	slices.Reverse(list)
	return list
}

// Run checks the newest day and all days that have errors, until ctx ends. newest
// returns the newest day on the volume; "" if there is no day, or the volume is not
// mounted. Run calls fixed when something is allowed that was not before.
func (p *Prober) Run(ctx context.Context, newest func() string, fixed func(context.Context) error) error {
	for {
		days := p.failing()
		if last := newest(); last == "" {
			days = nil
		} else if !slices.Contains(days, last) {
			days = append(days, last)
		}
		better := false
		for _, name := range days {
			d, known := p.look(name)
			if known && time.Since(d.tried) < p.rest(d) {
				continue
			}
			original := d.original
			if original == "" {
				original = path.Join(name, "?") // any file
			}
			_ = p.probe(ctx, original) // stored in the day
			now, _ := p.look(name)
			better = better || d.err != nil && now.err == nil
		}
		if better {
			if err := fixed(ctx); err != nil && ctx.Err() == nil {
				p.Log.Warn("tasks that waited for permissions on the volume could not be resumed now; they resume later", "error", err)
			}
		}
		p.forget()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func (p *Prober) rest(d day) time.Duration {
	if d.err != nil {
		return againEvery
	}
	return newestEvery
}

// forget drops days that have not been used for a while.
func (p *Prober) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, d := range p.days {
		if d.err == nil && time.Since(d.tried) > rememberFor {
			delete(p.days, name)
		}
	}
}

// probe checks and stores the result. A call to a volume that hangs cannot be
// interrupted. When ctx ends, probe leaves its goroutine behind, and nothing else
// is checked until that has returned.
func (p *Prober) probe(ctx context.Context, original string) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-p.turn }()
		result <- p.note(original, p.try(original))
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// note stores the result of a check, and returns it.
func (p *Prober) note(original string, err error) error {
	name := dayOf(original)
	var denied *Error
	switch {
	case errors.As(err, &denied):
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		denied = &Error{Day: name, What: "read its folder", Err: err, Fix: p.fix(err)}
		err = denied
	case errors.Is(err, fs.ErrNotExist): // core has removed the day, and may create it again
		p.mu.Lock()
		delete(p.days, name)
		p.mu.Unlock()
		return nil
	case err != nil:
		return err // such an error says nothing about permissions
	}
	p.mu.Lock()
	was := p.days[name]
	if was == nil {
		was = &day{}
	}
	now := &day{original: was.original, tried: time.Now(), err: denied}
	if path.Base(original) != "?" {
		now.original = original
	}
	p.days[name] = now
	p.mu.Unlock()
	switch {
	case denied != nil && was.err == nil:
		p.Log.Error("recordings of this day wait: their originals could not be retired", "day", name, "error", denied, "fix", denied.Fix.String())
	case denied == nil && was.err != nil:
		p.Log.Info("originals of this day can be retired again", "day", name)
	}
	return err
}
