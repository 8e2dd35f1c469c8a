package soak

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

const (
	token  = "soak-bootstrap-token"
	bucket = "replays" // of the server
)

// simulation is a JumpServer with its components, and the agent.
type simulation struct {
	t     *testing.T
	dir   string
	log   *slog.Logger // of events
	core  *devcore.Server
	proxy *proxy

	volume  *volumetest.Volume // nil where FUSE mounts are not permitted
	server  *storagetest.Server
	client  *minio.Client      // nil where there is no S3 server
	gateway *storagetest.Front // proxy between the agent and the server
	lions   map[liontest.Era]*liontest.Lion
	agent   *agenttest.Agent
	items   map[string]*item

	mu       sync.Mutex
	faults   []string // faults so far; guarded by mu
	switched bool     // core keeps replays in the bucket; guarded by mu
}

// proxy is a proxy between the agent and core, which counts requests.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

type call struct {
	at   time.Time
	what string
}

func newProxy(core http.Handler) *proxy {
	d := &proxy{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.calls = append(d.calls, call{time.Now(), r.Method + " " + r.URL.Path})
		d.mu.Unlock()
		core.ServeHTTP(w, r)
	}))
	return d
}

// between returns the requests within a time.
func (d *proxy) between(from, to time.Time) (calls []call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.calls {
		if c.at.After(from) && c.at.Before(to) {
			calls = append(calls, c)
		}
	}
	return calls
}

func newSimulation(t *testing.T, dir string, items []*item, withBucket bool) *simulation {
	t.Helper()
	s := &simulation{t: t, dir: dir, lions: map[liontest.Era]*liontest.Lion{}, items: map[string]*item{}}
	for _, i := range items {
		s.items[i.id] = i
	}
	if err := os.MkdirAll(filepath.Join(dir, "mnt", "replay"), 0o755); err != nil {
		t.Fatal(err)
	}
	events, err := os.Create(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	s.log = slog.New(slog.NewJSONHandler(events, nil))
	opt := devcore.Options{Version: "4.7.0", BootstrapToken: token, Registration: devcore.RegistrationOn}
	if withBucket {
		s.server = storagetest.S3(t)
		s.client, s.gateway = s.server.Client(t), storagetest.NewFront(t, s.server.URL)
		opt.External = []devcore.Storage{{Name: "bucket", External: devcore.S3Bucket{Client: s.client, Name: bucket}}}
		s.gateway.Spoil(s.seen)
	}
	s.agent = agenttest.InTest(t, agenttest.Options{Binary: binary, Dir: dir, Core: &opt, Flags: []string{"--play-cache", "0s"}, Env: map[string]string{
		"SETTLE_TIME": "1s", "SCAN_INTERVAL": "1s", "CPU_TARGET": "100", "LOG_LEVEL": "DEBUG",
		"STORAGE_SCAN_INTERVAL": "1s", "STORAGE_SWEEP_INTERVAL": "5s", "STORAGE_MAX_REQUESTS": "1000000",
	}})
	s.core = s.agent.Core
	s.proxy = newProxy(s.core)
	t.Cleanup(func() { s.proxy.CloseClientConnections(); s.proxy.Close() })
	if s.volume, err = volumetest.Mount(s.coreReplay(), filepath.Join(dir, "mnt", "replay")); err != nil {
		t.Logf("no faults of the volume, FUSE mounts are not permitted here: %v", err)
		s.volume = nil
	} else {
		s.volume.Watch(s.touched)
		t.Cleanup(s.volume.Vanish)
	}
	s.agent.Env["CORE_HOST"], s.agent.Env["REPLAY_DIR"] = s.proxy.URL, s.agentReplay()
	for _, era := range liontest.Eras {
		lion, err := liontest.Start(t.Context(), era, liontest.Options{
			Core: s.core.URL, Worker: s.agent.URL(), Token: token, Name: era.String(), Dir: filepath.Join(dir, "lion", strconv.Itoa(int(era))),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(lion.Close)
		s.lions[era] = lion
	}
	return s
}

// coreReplay returns the folder to which core writes; the agent sees it through the volume.
func (s *simulation) coreReplay() string { return s.agent.Replay() }

func (s *simulation) agentReplay() string {
	if s.volume == nil {
		return s.coreReplay()
	}
	return s.volume.Point()
}

// addFault records something that went wrong in the simulation.
func (s *simulation) addFault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.log.Error(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, text)
}

// start starts the agent.
func (s *simulation) start() {
	if err := s.agent.Start(); err != nil {
		s.addFault("%v", err)
	}
	s.log.Info("agent started", "pid", s.agent.PID())
}

// stop stops the agent as a service manager does.
func (s *simulation) stop() {
	s.log.Info("agent is stopped")
	if err := s.agent.Stop(); err != nil {
		s.addFault("%v", err)
	}
}

// kill ends the agent with SIGKILL.
func (s *simulation) kill() {
	s.log.Info("agent is killed")
	if err := s.agent.Kill(); err != nil {
		s.addFault("%v", err)
	}
}

func (s *simulation) pid() int32 { return int32(s.agent.PID()) }

// switchStorage upgrades core, and changes its replay storage to a bucket, as an administrator would.
func (s *simulation) switchStorage() error {
	s.log.Info("core is upgraded", "bucket", s.client != nil)
	if err := s.core.SetVersion("4.10.13"); err != nil || s.client == nil {
		return err
	}
	s.mu.Lock()
	s.switched = true
	s.mu.Unlock()
	return s.setStorage()
}

// setStorage sets the bucket for all workers, including those that register again.
func (s *simulation) setStorage() error {
	settings := map[string]any{"TYPE": "s3", "BUCKET": bucket, "ACCESS_KEY": s.server.Access, "SECRET_KEY": s.server.Secret, "ENDPOINT": s.gateway.URL.String()}
	for _, name := range s.workers() {
		if err := s.core.SetReplayStorage(name, settings); err != nil {
			return err
		}
	}
	return s.core.SetReplayStorage("", settings)
}

// workers returns the names under which the agent has registered.
func (s *simulation) workers() (names []string) {
	for _, c := range s.core.Components() {
		if !strings.HasPrefix(c.Name, "[Lion]") {
			names = append(names, c.Name)
		}
	}
	return names
}
