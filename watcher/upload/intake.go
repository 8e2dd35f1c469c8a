package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// IntakeOptions configure an [Intake].
type IntakeOptions struct {
	Spool *Spool
	// Present is called with the paths of all complete recordings in the spool,
	// relative to the spool's folder.
	Present func(paths []string)
	// Hand is called with each complete recording in the spool. It is called again
	// as long as the upload exists, and must then return the same as before. An
	// error means that the recording was not accepted. It is [watcher.ErrInWork] if
	// another recording of the session takes precedence.
	Hand func(ctx context.Context, session, path string) error

	Interval time.Duration // between two searches for complete uploads; 0 = 5 s
	Expire   time.Duration // between two searches for old uploads; 0 = 1 h
	Patience time.Duration // how long Room waits for the spool's disk; 0 = 5 s
	Log      *slog.Logger
}

// Intake passes on the complete uploads of a spool, including those from before a
// restart, and deletes old ones. Its methods may be called from many goroutines.
type Intake struct {
	opt     IntakeOptions
	wake    chan struct{}
	started time.Time // uploads that this agent began before are unfinished

	mu      sync.Mutex
	current *question // nil = no look is in progress; guarded by mu
}

// NewIntake returns the intake of a spool. If this agent alone uses the spool,
// NewIntake creates its folder and cleans it up, and returns an error if it cannot.
// A spool of several agents may be on a network: Run then does the same as soon as
// possible.
func NewIntake(opt IntakeOptions) (*Intake, error) {
	opt.Interval = cmp.Or(opt.Interval, 5*time.Second)
	opt.Expire = cmp.Or(opt.Expire, time.Hour)
	opt.Patience = cmp.Or(opt.Patience, 5*time.Second)
	i := &Intake{opt: opt, wake: make(chan struct{}, 1), started: time.Now()}
	if opt.Spool.Agent != "" {
		return i, nil
	}
	return i, i.tidy()
}

// AgentID returns the name of the agent with that data folder. The first time, it
// generates one. Data folders are locked, so that no two running agents have the
// same name.
func AgentID(dataDir string) (string, error) {
	file := filepath.Join(dataDir, "agent-id")
	if data, err := os.ReadFile(file); err == nil && uuid.Validate(strings.TrimSpace(string(data))) == nil {
		return strings.TrimSpace(string(data)), nil
	}
	id := uuid.NewString()
	if err := durable.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return id, nil
}

// Accepted makes Run look for complete uploads at once. It has the signature of
// [Server]'s Accepted.
func (i *Intake) Accepted(Task) {
	select {
	case i.wake <- struct{}{}:
	default: // Run is about to look anyway
	}
}

// question is one look at the spool's disk, whose result is shared by all callers
// that wait for it.
type question struct {
	since time.Time
	done  chan struct{} // closed when err is set
	err   error
}

// Room returns an error if the spool has no room for uploads: [ErrFull], or that
// its disk does not respond. The spool may be on a network file system that hangs,
// so that callers wait at most Patience from the first call on.
func (i *Intake) Room() error {
	i.mu.Lock()
	q := i.current
	if q == nil {
		q = &question{since: time.Now(), done: make(chan struct{})}
		i.current = q
		go i.look(q)
	}
	i.mu.Unlock()
	timer := time.NewTimer(time.Until(q.since.Add(i.opt.Patience)))
	defer timer.Stop()
	select {
	case <-q.done:
		return q.err
	case <-timer.C:
		return fmt.Errorf("the upload spool does not respond: %s", i.opt.Spool.Dir)
	}
}

// look finds the answer to a question. It may take long.
func (i *Intake) look(q *question) {
	q.err = i.opt.Spool.Room(0)
	i.mu.Lock()
	i.current = nil
	i.mu.Unlock()
	close(q.done)
}

// tidy creates the spool's folder, and deletes unfinished uploads that this agent
// began before it started.
func (i *Intake) tidy() error {
	if err := os.MkdirAll(i.opt.Spool.Dir, 0o700); err != nil {
		return fmt.Errorf("spool of uploads: %w", err)
	}
	if n, err := i.opt.Spool.Recover(i.started); err != nil {
		i.opt.Log.Error("cannot clean up the upload spool", "error", err)
	} else if n > 0 {
		i.opt.Log.Info("deleted uploads that were interrupted when the agent stopped", "count", n)
	}
	return nil
}

// Run passes on complete uploads until ctx ends, and then returns nil.
func (i *Intake) Run(ctx context.Context) error {
	if i.opt.Spool.Agent != "" && !i.tidyShared(ctx) {
		return nil
	}
	var expired time.Time
	for {
		i.handOver(ctx)
		if time.Since(expired) > i.opt.Expire {
			expired = time.Now()
			i.expire(expired)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.wake:
		case <-time.After(i.opt.Interval):
		}
	}
}

// tidyShared cleans up a spool that may be on a network, as soon as it is
// available. It returns false if ctx ended first.
func (i *Intake) tidyShared(ctx context.Context) bool {
	for {
		err := i.tidy()
		if err == nil {
			return true
		}
		i.opt.Log.Error("SPOOL_DIR cannot be used; uploads are refused until it works", "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(i.opt.Interval):
		}
	}
}

// handOver passes on all complete uploads.
func (i *Intake) handOver(ctx context.Context) {
	spool, log := i.opt.Spool, i.opt.Log
	tasks, err := spool.Complete()
	if err != nil {
		log.Error("the upload spool cannot be read", "error", err)
	} else {
		paths := make([]string, len(tasks))
		for n, t := range tasks {
			paths[n] = t.Path
		}
		i.opt.Present(paths)
	}
	for _, t := range tasks {
		switch err := i.opt.Hand(ctx, t.Session, t.Path); {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, watcher.ErrInWork):
			log.Debug("an upload waits for another recording of its session", "session", t.Session, "upload", t.ID)
		default:
			log.Warn("an upload waits in the spool", "session", t.Session, "upload", t.ID, "error", err)
		}
	}
}

// expire deletes old uploads.
func (i *Intake) expire(now time.Time) {
	if n, err := i.opt.Spool.Expire(now); err != nil {
		i.opt.Log.Warn("old uploads could not be deleted", "error", err)
	} else if n > 0 {
		i.opt.Log.Info("dropped old uploads", "count", n)
	}
}
