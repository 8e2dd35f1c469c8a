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

// IntakeOptions are what an [Intake] works with.
type IntakeOptions struct {
	Spool *Spool
	// Present is told which recordings lie complete in the spool, all of them,
	// by their paths relative to the spool's folder.
	Present func(paths []string)
	// Hand takes a recording that lies complete in the spool. It is handed the
	// same one again for as long as the upload is there, and must then return
	// as before. An error means that it was not taken: [watcher.ErrInWork] when
	// another recording of the session comes first.
	Hand func(ctx context.Context, session, path string) error

	Interval time.Duration // between two looks for uploads that are complete; 0 = 5 s
	Expire   time.Duration // between two looks for old uploads; 0 = 1 h
	Patience time.Duration // how long Room waits for the spool's disk; 0 = 5 s
	Log      *slog.Logger
}

// Intake hands over what is complete in a spool, also what was when the agent
// stopped, and drops what is old. Its methods may be called from many
// goroutines.
type Intake struct {
	opt     IntakeOptions
	wake    chan struct{}
	started time.Time // what this agent began before is unfinished

	mu    sync.Mutex
	asked *question // nil = none is open; guarded by mu
}

// NewIntake returns the intake of a spool. A spool of this agent alone is made
// and tidied at once, and an error says why it cannot be. One that several
// agents use may be on a network: Run does it, as soon as it can be done.
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

// AgentID returns the name of the agent whose data folder that is, and makes
// one up the first time. Data folders are locked: no two agents have one name
// at a time.
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

// Accepted makes Run look at once. It has the signature of [Server]'s Accepted.
func (i *Intake) Accepted(Task) {
	select {
	case i.wake <- struct{}{}:
	default: // it is going to look anyway
	}
}

// question is one look at the spool's disk, whose answer is for all who ask
// meanwhile.
type question struct {
	since time.Time
	done  chan struct{} // closed when err is the answer
	err   error
}

// Room returns an error when the spool has no room for uploads: [ErrFull], or
// that its disk does not answer. The spool may be on a network file system
// that hangs: nobody waits for longer than Patience after the first has asked.
func (i *Intake) Room() error {
	i.mu.Lock()
	q := i.asked
	if q == nil {
		q = &question{since: time.Now(), done: make(chan struct{})}
		i.asked = q
		go i.look(q)
	}
	i.mu.Unlock()
	timer := time.NewTimer(time.Until(q.since.Add(i.opt.Patience)))
	defer timer.Stop()
	select {
	case <-q.done:
		return q.err
	case <-timer.C:
		return fmt.Errorf("the spool of uploads does not answer: %s", i.opt.Spool.Dir)
	}
}

// look answers a question, however long that takes.
func (i *Intake) look(q *question) {
	q.err = i.opt.Spool.Room(0)
	i.mu.Lock()
	i.asked = nil
	i.mu.Unlock()
	close(q.done)
}

// tidy makes the spool's folder, and drops from it what this agent had begun
// before it started.
func (i *Intake) tidy() error {
	if err := os.MkdirAll(i.opt.Spool.Dir, 0o700); err != nil {
		return fmt.Errorf("spool of uploads: %w", err)
	}
	if n, err := i.opt.Spool.Recover(i.started); err != nil {
		i.opt.Log.Error("cannot clean up the upload spool", "error", err)
	} else if n > 0 {
		i.opt.Log.Info("dropped uploads that broke off when the agent stopped", "count", n)
	}
	return nil
}

// Run hands over what is complete until ctx ends, and then returns nil.
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

// tidyShared tidies a spool that may be on a network, as soon as it is there.
// It reports whether it has, and not only ctx has ended.
func (i *Intake) tidyShared(ctx context.Context) bool {
	for {
		err := i.tidy()
		if err == nil {
			return true
		}
		i.opt.Log.Error("SPOOL_DIR cannot be used; uploads are refused until it can", "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(i.opt.Interval):
		}
	}
}

// handOver hands over all that is complete.
func (i *Intake) handOver(ctx context.Context) {
	spool, log := i.opt.Spool, i.opt.Log
	tasks, err := spool.Complete()
	if err != nil {
		log.Error("the spool of uploads cannot be read", "error", err)
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

// expire drops what is old.
func (i *Intake) expire(now time.Time) {
	if n, err := i.opt.Spool.Expire(now); err != nil {
		i.opt.Log.Warn("old uploads could not be dropped", "error", err)
	} else if n > 0 {
		i.opt.Log.Info("dropped old uploads", "count", n)
	}
}
