package coreapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// smallCore is a core with only those calls that a component makes.
type smallCore struct {
	mu            sync.Mutex
	registrations int
	keys          map[string]bool // ids that are accepted
	beats, reads  int
	storage       string
	ill           int // status for everything, if not 0
	illConfig     int // status for the config
	illBeat       int // status for heartbeats
}

func (c *smallCore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ill != 0 {
		reply(w, c.ill, "")
		return
	}
	if strings.HasSuffix(r.URL.Path, "/terminal-registrations/") {
		c.registrations++
		id := fmt.Sprintf("%08d-8a47-4d0b-9f5e-1c2d3e4f5a6b", c.registrations)
		c.keys = map[string]bool{id: true}
		reply(w, 201, `{"service_account":{"access_key":{"id":"`+id+`","secret":"hush"}}}`)
		return
	}
	_, id, _ := strings.Cut(r.Header.Get("Authorization"), `keyId="`)
	id, _, _ = strings.Cut(id, `"`)
	switch {
	case !c.keys[id]:
		reply(w, 401, `{"detail":"Invalid signature."}`)
	case strings.HasSuffix(r.URL.Path, "/profile/"):
		reply(w, 200, `{"id":"u","name":"worker `+id[:8]+`"}`)
	case strings.HasSuffix(r.URL.Path, "/status/") && c.illBeat != 0:
		reply(w, c.illBeat, "")
	case strings.HasSuffix(r.URL.Path, "/status/"):
		c.beats++
		reply(w, 201, `[]`)
	case c.illConfig != 0:
		reply(w, c.illConfig, "")
	default:
		c.reads++
		reply(w, 200, `{"TERMINAL_REPLAY_STORAGE":{"TYPE":"`+c.storage+`","SECRET_KEY":"hush"}}`)
	}
}

// change changes the core between two requests.
func (c *smallCore) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// live runs a component on core until the test ends.
func live(t *testing.T, core *smallCore) (*Component, *logBuffer) {
	t.Helper()
	var log logBuffer
	client := serve(t, core.ServeHTTP, func(o *Options) { o.Log, o.RetryMax = log.logger(), -1 })
	c := &Component{
		Client: client,
		Registrar: &Registrar{
			Client: client, Keys: KeyFile{Dir: t.TempDir()}, Token: "hush", Log: log.logger(),
			waits: waits{minimum: time.Millisecond, maximum: 10 * time.Millisecond, refused: 10 * time.Millisecond},
		},
		Gauges: func(context.Context) Stat { return Stat{CPULoad: 1} },
		Beat:   10 * time.Millisecond, Refresh: 10 * time.Millisecond, Log: log.logger(),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if strings.Contains(log.String(), "hush") {
			t.Errorf("secret logged:\n%s", &log)
		}
	})
	return c, &log
}

func TestComponentComesOnlineAndStaysSo(t *testing.T) {
	core := &smallCore{storage: "server"}
	c, log := live(t, core)
	if s := c.State(); s.Online && s.Name == "" {
		t.Errorf("%+v", s)
	}
	waittest.Until(t, "five beats", func() bool { core.mu.Lock(); defer core.mu.Unlock(); return core.beats >= 5 })
	s := c.State()
	if !s.Registered || !s.Online || s.Name != "worker 00000001" || s.LastBeat.IsZero() || s.LastError != "" {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(log.String(), "online in core"); n != 1 {
		t.Errorf("said %d times to be online:\n%s", n, log)
	}
}

func TestComponentTellsOfANewConfig(t *testing.T) {
	core := &smallCore{storage: "server"}
	c, _ := live(t, core)
	cfg, ok, changed := c.Watch()
	if !ok {
		<-changed
		cfg, ok = c.Config()
	}
	if !ok || cfg.ReplayStorage.Type() != "server" {
		t.Fatalf("%v, %v", cfg, ok)
	}
	_, _, changed = c.Watch()
	reads := core.configReads()
	waittest.Until(t, "more reads", func() bool { return core.configReads() > reads+2 })
	select {
	case <-changed:
		t.Error("told of a change that was none")
	default:
	}
	core.change(func() { core.storage = "s3" })
	select {
	case <-changed:
	case <-time.After(waittest.Patience()):
		t.Fatal("not told of the change")
	}
	if cfg, _ := c.Config(); cfg.ReplayStorage.Type() != "s3" {
		t.Errorf("%v", cfg)
	}
}

func (c *smallCore) configReads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads
}

func TestComponentRegistersAgainOnceWhenItsKeyIsRefused(t *testing.T) {
	core := &smallCore{storage: "server"}
	c, _ := live(t, core)
	waittest.Until(t, "online", func() bool { return c.State().Online })
	core.change(func() { core.keys = nil })
	// Many calls see the refusal at once; together they cause one registration.
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := c.Client.Profile(t.Context()); err != nil && !errors.Is(err, ErrUnauthorized) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	waittest.Until(t, "online anew", func() bool { s := c.State(); return s.Online && s.Name == "worker 00000002" })
	var beats int
	core.change(func() { beats = core.beats })
	waittest.Until(t, "more beats", func() bool { core.mu.Lock(); defer core.mu.Unlock(); return core.beats > beats+3 })
	core.change(func() {
		if core.registrations != 2 {
			t.Errorf("%d registrations", core.registrations)
		}
	})
	if s := c.State(); s.LastError != "" {
		t.Errorf("%+v", s)
	}
}

func TestANewComponentIsNotOnlineBeforeItsFirstBeat(t *testing.T) {
	core := &smallCore{storage: "server"}
	c, _ := live(t, core)
	waittest.Until(t, "online", func() bool { return c.State().Online })
	core.change(func() { core.keys, core.illBeat = nil, 500 })
	waittest.Until(t, "registered anew", func() bool { s := c.State(); return s.Registered && s.Name == "worker 00000002" })
	if s := c.State(); s.Online || !s.LastBeat.IsZero() {
		t.Errorf("%+v", s)
	}
	core.change(func() { core.illBeat = 0 })
	waittest.Until(t, "online anew", func() bool { return c.State().Online })
}

func TestComponentOutlastsATroubledCore(t *testing.T) {
	core := &smallCore{storage: "server", ill: 502}
	c, log := live(t, core)
	waittest.Until(t, "an error", func() bool { return c.State().LastError != "" })
	if s := c.State(); s.Registered || s.Online || s.ErrorSince.IsZero() {
		t.Errorf("down at start: %+v", s)
	}
	core.change(func() { core.ill = 0 })
	waittest.Until(t, "online", func() bool { s := c.State(); return s.Online && s.LastError == "" })

	core.change(func() { core.ill = 503 })
	waittest.Until(t, "a heartbeat that fails", func() bool { return strings.Contains(c.State().LastError, "terminals/status") })
	if s := c.State(); !s.Registered || !s.Online {
		t.Errorf("down for a moment: %+v", s)
	}
	core.change(func() { core.ill = 0 })
	waittest.Until(t, "all well", func() bool { return c.State().LastError == "" })

	core.change(func() { core.illConfig = 403 })
	waittest.Until(t, "the config's error", func() bool { return strings.Contains(c.State().LastError, "terminal config") })
	core.change(func() { core.illConfig = 0 })
	waittest.Until(t, "all well", func() bool { return c.State().LastError == "" })
	core.change(func() {
		if core.registrations != 1 {
			t.Errorf("%d registrations", core.registrations)
		}
	})
	for _, want := range []string{"not registered with core", "heartbeat failed", "heartbeat works again"} {
		waittest.Until(t, "a line of log: "+want, func() bool { return strings.Contains(log.String(), want) })
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q logged %d times:\n%s", want, n, log)
		}
	}
}
