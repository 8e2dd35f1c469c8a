package coreapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

const (
	token   = "K3ep-Th1s-Secret"
	session = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
)

// versions are the versions of core that the tests run with.
var versions = []string{"3.10.9", "4.10.13"}

// eachVersion runs a test once for each of these versions of core.
func eachVersion(t *testing.T, f func(t *testing.T, version string)) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) { f(t, v) })
	}
}

// start runs a core until the test ends.
func start(t *testing.T, opt devcore.Options) *devcore.Server {
	t.Helper()
	opt.BootstrapToken = token
	if opt.MediaDir == "" {
		opt.MediaDir = t.TempDir()
	}
	srv, err := devcore.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// journal is a log that is searched for secrets when the test ends.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// worker is a component that is not running yet.
type worker struct {
	*coreapi.Component
	dir string
	log *journal
}

// newWorker returns a component with the given NAME.
func newWorker(t *testing.T, url, name string) *worker {
	t.Helper()
	w := &worker{dir: t.TempDir(), log: &journal{}}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := newClient(t, url, func(o *coreapi.Options) { o.Log = log })
	reg := &coreapi.Registrar{
		Client: client, Keys: coreapi.KeyFile{Dir: filepath.Join(w.dir, "keys")}, Token: token, Name: name, Log: log,
	}
	reg.Hurry()
	w.Component = &coreapi.Component{
		Client: client, Registrar: reg, Log: log, Beat: 20 * time.Millisecond, Refresh: 20 * time.Millisecond,
		Gauges: func(context.Context) coreapi.Stat { return coreapi.Stat{CPULoad: 0.5, MemoryUsed: 40, DiskUsed: 60} },
	}
	t.Cleanup(func() {
		for _, secret := range []string{token, "signature=", w.secret(t)} {
			if secret != "" && strings.Contains(w.log.String(), secret) {
				t.Errorf("%q is in the log:\n%s", secret, w.log)
			}
		}
		if t.Failed() {
			t.Logf("log:\n%s", w.log)
		}
	})
	return w
}

// secret returns the secret of the worker's key, "" before it has a key.
func (w *worker) secret(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "keys", ".access_key"))
	if err != nil {
		return ""
	}
	_, secret, _ := strings.Cut(string(b), ":")
	return secret
}

// run runs the worker until the test ends or stop is called.
func (w *worker) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func newClient(t *testing.T, url string, change ...func(*coreapi.Options)) *coreapi.Client {
	t.Helper()
	opt := coreapi.Options{BaseURL: url, RetryWaitMin: time.Millisecond, RetryWaitMax: 10 * time.Millisecond}
	for _, f := range change {
		f(&opt)
	}
	c, err := coreapi.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// registered returns a client with a component's key.
func registered(t *testing.T, core *devcore.Server, change ...func(*coreapi.Options)) *coreapi.Client {
	t.Helper()
	c := newClient(t, core.URL, change...)
	key, err := c.Register(t.Context(), token, "worker of "+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	c.SetKey(key)
	return c
}

// online returns the components that core shows as online.
func online(core *devcore.Server) (names []string) {
	for _, c := range core.Components() {
		if c.Online {
			names = append(names, c.Name)
		}
	}
	return names
}

// clock is core's clock, which a test can move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// failures are the errors that a registrar reported.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.errs)
}

func (f *failures) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.errs[len(f.errs)-1]
}
