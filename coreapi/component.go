package coreapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// onlineFor is how long core shows a component as online after a heartbeat.
const onlineFor = 180 * time.Second

// Component does what core expects of a running component: it is registered,
// online, and has current settings. Its fields are set before Run and not changed
// after.
type Component struct {
	Client    *Client
	Registrar *Registrar
	// Gauges measures the machine for a heartbeat; see [ReadGauges].
	Gauges func(context.Context) Stat
	// Beat is the time between heartbeats (30 s).
	Beat time.Duration
	// Refresh is the time between two reads of the terminal config (5 min).
	Refresh time.Duration
	Log     *slog.Logger

	mu       sync.Mutex // guards all below
	name     string
	accepted bool // core accepts the key
	lastBeat time.Time
	problems [areas]problem
	config   *TerminalConfig
	changed  chan struct{} // closed when config changes
}

// The areas in which a component can have a problem, the gravest first.
const (
	registration = iota
	heartbeat
	settings
	areas
)

type problem struct {
	text  string
	kind  string // as Outcome has it
	since time.Time
}

// State is the state of a component in core.
type State struct {
	Name       string    // as registered; "" before
	Registered bool      // core accepts the access key
	Online     bool      // core shows the component as online
	LastBeat   time.Time // last heartbeat that core accepted; zero if none
	// LastError is the most serious error at present, which has lasted since
	// ErrorSince; "" if there is no error.
	LastError  string
	ErrorKind  string // of LastError, as [Outcome] has it
	ErrorSince time.Time
}

// State returns the present state of the component.
func (c *Component) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := State{Name: c.name, Registered: c.accepted, LastBeat: c.lastBeat, Online: c.online()}
	for _, p := range c.problems {
		if p.text != "" {
			s.LastError, s.ErrorKind, s.ErrorSince = p.text, p.kind, p.since
			break
		}
	}
	return s
}

// online reports whether core shows the component as online. The caller must hold
// c.mu.
func (c *Component) online() bool {
	return c.accepted && !c.lastBeat.IsZero() && time.Since(c.lastBeat) < onlineFor
}

// Config returns the terminal config as last read, and false before the first one
// was read.
func (c *Component) Config() (TerminalConfig, bool) {
	t, ok, _ := c.Watch()
	return t, ok
}

// Watch returns the same as Config, and a channel that is closed when the config
// changes.
func (c *Component) Watch() (TerminalConfig, bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	if c.config == nil {
		return TerminalConfig{}, false, c.changed
	}
	return *c.config, true, c.changed
}

// errRejected ends serve: core refused the key, to this component or to another
// user of the client.
var errRejected = errors.New("core does not accept the access key any longer")

// Run keeps the component registered and online until ctx ends, and then returns
// nil. It retries whatever core refuses.
func (c *Component) Run(ctx context.Context) error {
	reg := *c.Registrar
	reg.Failed = func(err error) {
		c.note(registration, err)
		if c.Registrar.Failed != nil {
			c.Registrar.Failed(err)
		}
	}
	w := reg.waits.withDefaults()
	for n := 0; c.enter(ctx, &reg); n++ {
		began := time.Now()
		if err := c.serve(ctx); err != nil {
			c.note(registration, err)
		}
		// If core refuses the key again and again, wait in between.
		if time.Since(began) > w.maximum {
			n = 0
		}
		sleep(ctx, spread(grow(w.minimum, w.maximum, n)))
	}
	return nil
}

// serve sends heartbeats and reads settings until core refuses the key or ctx ends.
func (c *Component) serve(ctx context.Context) error {
	select {
	case <-c.Client.rejected: // refused before this key was registered
	default:
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-c.Client.rejected:
			return errRejected
		case <-ctx.Done():
			return nil
		}
	})
	beat := or(c.Beat, 30*time.Second)
	g.Go(func() error {
		c.every(ctx, heartbeat, beat, beat, c.beat)
		return nil
	})
	g.Go(func() error {
		c.every(ctx, settings, or(c.Refresh, 5*time.Minute), beat, c.refresh)
		return nil
	})
	return g.Wait()
}

// every calls do at once and then at intervals, until ctx ends. After a failure the
// interval is retry.
func (c *Component) every(ctx context.Context, area int, interval, retry time.Duration, do func(context.Context) error) {
	what := [areas]string{heartbeat: "heartbeat", settings: "read of terminal config"}[area]
	q := quiet{log: logger(c.Log)}
	wait := time.Duration(0)
	for sleep(ctx, wait) {
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(area, err)
		wait = interval
		if err != nil {
			q.failed(time.Now(), what+" failed", err)
			wait = min(interval, retry)
		} else if q.recovered() {
			q.log.Info(what + " works again")
		}
	}
}

// beat sends one heartbeat.
func (c *Component) beat(ctx context.Context) error {
	var s Stat
	if c.Gauges != nil {
		s = c.Gauges(ctx)
	}
	tasks, err := c.Client.Heartbeat(ctx, s)
	if err != nil {
		return err
	}
	c.mu.Lock()
	was, name := c.online(), c.name
	c.lastBeat = time.Now()
	c.mu.Unlock()
	if !was {
		logger(c.Log).Info("online in core", "name", name)
	}
	for _, t := range tasks {
		logger(c.Log).Debug("task of core ignored: we run no sessions", "task", t.Name)
	}
	return nil
}

// refresh reads the terminal config and notifies [Component.Watch] of a change.
func (c *Component) refresh(ctx context.Context) error {
	t, err := c.Client.TerminalConfig(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config != nil && c.config.Equal(t) {
		return nil
	}
	c.config = &t
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	logger(c.Log).Info("terminal config read", "config", t)
	return nil
}

// enter waits until core accepts the key; it returns false if ctx has ended.
func (c *Component) enter(ctx context.Context, reg *Registrar) bool {
	p, err := reg.Ensure(ctx)
	if err != nil {
		return false
	}
	c.mu.Lock()
	if c.name != p.Name || !c.accepted { // it may be a new component
		c.name, c.lastBeat = p.Name, time.Time{}
	}
	c.accepted = true
	c.problems[registration] = problem{}
	c.mu.Unlock()
	logger(c.Log).Info("registered with core", "name", p.Name)
	return true
}

// note records the result of an area's last call.
func (c *Component) note(area int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if area == heartbeat && err == nil {
		c.accepted = true
	}
	if err == nil {
		c.problems[area] = problem{}
		return
	}
	// With the key of a disabled account, v3 of core responds with 403 to
	// everything.
	if area == registration || errors.Is(err, ErrForbidden) {
		c.accepted = false
	}
	p := &c.problems[area]
	p.text, p.kind = err.Error(), Outcome(err)
	if p.since.IsZero() {
		p.since = time.Now()
	}
}
