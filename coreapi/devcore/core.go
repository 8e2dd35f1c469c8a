package devcore

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// RegistrationMode is core's SECURITY_SERVICE_ACCOUNT_REGISTRATION.
type RegistrationMode int

const (
	// RegistrationDefault is On before v4.9 and Auto from then on.
	RegistrationDefault RegistrationMode = iota
	// RegistrationOn lets components register at any time.
	RegistrationOn
	// RegistrationOff refuses new components.
	RegistrationOff
	// RegistrationAuto lets them register in the first 300 s after the start of
	// core (see [Core.Restart]); core before v4.9 treats it as On.
	RegistrationAuto
)

// Options say which version of core to simulate, and how. Version and MediaDir are
// required.
type Options struct {
	Version  string // such as "4.10.13"
	MediaDir string // a real folder; replays are in MediaDir/replay
	// Addr is where [Start] listens: "" = a free port of the loopback.
	Addr           string
	BootstrapToken string // "" = nobody can register
	Registration   RegistrationMode
	// Now is core's clock, nil = the real one. It must not call the core.
	Now func() time.Time
	// TimeZone is the one that dates are printed in, nil = Asia/Shanghai.
	TimeZone *time.Location
	// MaxSkew makes core refuse (401) signatures whose Date differs from the clock
	// by more than this. 0 = never, as in the real core.
	MaxSkew time.Duration
	// RatePerMinute replaces the version's limit of requests per service
	// account; 0 = the version's.
	RatePerMinute int
	// MaxUpload is the proxy's limit of a request body in bytes: 0 = none.
	MaxUpload int64
	// Enterprise has organizations that requests can name by their id. The
	// community edition knows ROOT, and treats all other ids as DEFAULT.
	Enterprise bool
	// PostgreSQL says that core's database is PostgreSQL: v3 then fails (500) when
	// a session is changed.
	PostgreSQL bool
	// RacingReplay makes the first response of GET …/replay/ show a lookup that has
	// just ended, as happens occasionally in the real core.
	RacingReplay bool
	// KeepDays is TERMINAL_SESSION_KEEP_DURATION, 0 = 200.
	KeepDays int
	// ReplayStorage is in the terminal config of components that register;
	// [Core.SetReplayStorage] has its form. nil = {"TYPE":"server"}.
	ReplayStorage map[string]any
	// External are the storages that lookups consult, in this order.
	External []Storage
	// ServerStorage is SERVER_REPLAY_STORAGE. Uploads are moved there after
	// MoveDelay (0 = 1 s), and lookups search it last. Its name has no meaning. nil
	// = none.
	ServerStorage Bucket
	MoveDelay     time.Duration
	Log           *slog.Logger // nil = discard
}

// Core is a development core: an http.Handler and its state. All methods are safe
// for concurrent use.
type Core struct {
	opt   Options
	log   *slog.Logger
	media string // absolute

	// For requests and for background work: downloads and moves of replays.
	ctx    context.Context
	cancel context.CancelFunc
	bg     sync.WaitGroup

	mu         sync.Mutex // guards all below
	closed     bool
	version    version
	started    time.Time
	mode       RegistrationMode
	deploying  bool           // an applet host
	storage    map[string]any // default for new components
	accounts   []*account
	components []*component
	sessions   map[string]*Session
	events     map[string][]Event
	replays    map[string]*cached
	tars       map[*account][]time.Time
	logins     map[string]bool // browser sessions
	faults     []*fault
	requests   []*Request
	assets     map[string]Asset
	stores     []store // replay storages created through the API
}

// New returns a core that does not listen: see [Start]. It creates the replay
// folder. The caller must close it.
func New(opt Options) (*Core, error) {
	v, err := parseVersion(opt.Version)
	if err != nil {
		return nil, err
	}
	if opt.MediaDir == "" {
		return nil, errors.New("MediaDir is needed: core stores replays there")
	}
	media, err := filepath.Abs(opt.MediaDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(media, replayDir), 0o755); err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.TimeZone == nil {
		opt.TimeZone = shanghai()
	}
	if opt.KeepDays == 0 {
		opt.KeepDays = 200
	}
	if opt.MoveDelay == 0 {
		opt.MoveDelay = time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	c := &Core{
		opt: opt, log: opt.Log, media: media,
		version: v, started: opt.Now(), mode: opt.Registration, storage: opt.ReplayStorage,
		sessions: map[string]*Session{}, events: map[string][]Event{},
		assets: map[string]Asset{}, replays: map[string]*cached{}, tars: map[*account][]time.Time{}, logins: map[string]bool{},
	}
	if c.storage == nil {
		c.storage = map[string]any{"TYPE": "server"}
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// shanghai returns core's default time zone, also on machines without a time zone
// database.
func shanghai() *time.Location {
	if l, err := time.LoadLocation("Asia/Shanghai"); err == nil {
		return l
	}
	return time.FixedZone("CST", 8*60*60)
}

// Close ends core's background work and waits for it.
func (c *Core) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.bg.Wait()
	return nil
}

// enter registers work that Close waits for; the work must call c.bg.Done at its
// end. It returns false if core is closed.
func (c *Core) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.bg.Add(1)
	}
	return !c.closed
}

// background runs f unless core is closed; f must return when its context ends.
func (c *Core) background(f func(context.Context)) {
	if c.enter() {
		go func() {
			defer c.bg.Done()
			f(c.ctx)
		}()
	}
}

// sleep waits, and returns false if the context has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// SetVersion upgrades or downgrades the running core.
func (c *Core) SetVersion(v string) error {
	parsed, err := parseVersion(v)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = parsed
	return nil
}

// Version returns the present version of core.
func (c *Core) Version() string { return c.rules().String() }

func (c *Core) rules() version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// Restart simulates a restart of core's process: the registration window opens
// again. All state is in the database and remains.
func (c *Core) Restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = c.opt.Now()
}

// SetRegistration changes the setting while core runs.
func (c *Core) SetRegistration(m RegistrationMode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
}

// ServeHTTP handles requests as core does, or as a fault says; see [Core.Fail].
func (c *Core) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !c.enter() {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	defer c.bg.Done()
	rec := &recorder{ResponseWriter: w, core: c, entry: c.record(r)}
	if f := c.takeFault(r); f != nil {
		c.fail(f, rec, r)
		return
	}
	c.serve(rec, r)
}
