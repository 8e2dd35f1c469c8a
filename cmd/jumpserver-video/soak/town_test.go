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

// town is a JumpServer with its components, and the agent.
type town struct {
	t    *testing.T
	dir  string
	log  *slog.Logger // of events
	core *devcore.Server
	desk *desk

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

// desk is a proxy between the agent and core, which counts requests.
type desk struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

type call struct {
	at   time.Time
	what string
}

func newDesk(core http.Handler) *desk {
	d := &desk{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.calls = append(d.calls, call{time.Now(), r.Method + " " + r.URL.Path})
		d.mu.Unlock()
		core.ServeHTTP(w, r)
	}))
	return d
}

// between returns the requests within a time.
func (d *desk) between(from, to time.Time) (calls []call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.calls {
		if c.at.After(from) && c.at.Before(to) {
			calls = append(calls, c)
		}
	}
	return calls
}

func newTown(t *testing.T, dir string, items []*item, withBucket bool) *town {
	t.Helper()
	w := &town{t: t, dir: dir, lions: map[liontest.Era]*liontest.Lion{}, items: map[string]*item{}}
	for _, i := range items {
		w.items[i.id] = i
	}
	if err := os.MkdirAll(filepath.Join(dir, "mnt", "replay"), 0o755); err != nil {
		t.Fatal(err)
	}
	events, err := os.Create(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	w.log = slog.New(slog.NewJSONHandler(events, nil))
	opt := devcore.Options{Version: "4.7.0", BootstrapToken: token, Registration: devcore.RegistrationOn}
	if withBucket {
		w.server = storagetest.S3(t)
		w.client, w.gateway = w.server.Client(t), storagetest.NewFront(t, w.server.URL)
		opt.External = []devcore.Storage{{Name: "bucket", External: devcore.S3Bucket{Client: w.client, Name: bucket}}}
		w.gateway.Spoil(w.seen)
	}
	w.agent = agenttest.InTest(t, agenttest.Options{Binary: binary, Dir: dir, Core: &opt, Flags: []string{"--play-cache", "0s"}, Env: map[string]string{
		"SETTLE_TIME": "1s", "SCAN_INTERVAL": "1s", "CPU_TARGET": "100", "LOG_LEVEL": "DEBUG",
		"STORAGE_SCAN_INTERVAL": "1s", "STORAGE_SWEEP_INTERVAL": "5s", "STORAGE_MAX_REQUESTS": "1000000",
	}})
	w.core = w.agent.Core
	w.desk = newDesk(w.core)
	t.Cleanup(func() { w.desk.CloseClientConnections(); w.desk.Close() })
	if w.volume, err = volumetest.Mount(w.below(), filepath.Join(dir, "mnt", "replay")); err != nil {
		t.Logf("no faults of the volume, FUSE mounts are not permitted here: %v", err)
		w.volume = nil
	} else {
		w.volume.Watch(w.touched)
		t.Cleanup(w.volume.Vanish)
	}
	w.agent.Env["CORE_HOST"], w.agent.Env["REPLAY_DIR"] = w.desk.URL, w.point()
	for _, era := range liontest.Eras {
		lion, err := liontest.Start(t.Context(), era, liontest.Options{
			Core: w.core.URL, Worker: w.agent.URL(), Token: token, Name: era.String(), Dir: filepath.Join(dir, "lion", strconv.Itoa(int(era))),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(lion.Close)
		w.lions[era] = lion
	}
	return w
}

// below is the folder to which core writes; the agent sees it through the volume.
func (w *town) below() string { return w.agent.Replay() }

func (w *town) point() string {
	if w.volume == nil {
		return w.below()
	}
	return w.volume.Point()
}

// complain records a fault.
func (w *town) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.log.Error(text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, text)
}

// start starts the agent.
func (w *town) start() {
	if err := w.agent.Start(); err != nil {
		w.complain("%v", err)
	}
	w.log.Info("agent started", "pid", w.agent.PID())
}

// stop stops the agent as a service manager does.
func (w *town) stop() {
	w.log.Info("agent is stopped")
	if err := w.agent.Stop(); err != nil {
		w.complain("%v", err)
	}
}

// kill ends the agent with SIGKILL.
func (w *town) kill() {
	w.log.Info("agent is killed")
	if err := w.agent.Kill(); err != nil {
		w.complain("%v", err)
	}
}

func (w *town) pid() int32 { return int32(w.agent.PID()) }

// noon upgrades core, and changes its replay storage to a bucket, as an administrator would.
func (w *town) noon() error {
	w.log.Info("noon: core is upgraded", "bucket", w.client != nil)
	if err := w.core.SetVersion("4.10.13"); err != nil || w.client == nil {
		return err
	}
	w.mu.Lock()
	w.switched = true
	w.mu.Unlock()
	return w.setStorage()
}

// setStorage sets the bucket for all workers, including those that register again.
func (w *town) setStorage() error {
	settings := map[string]any{"TYPE": "s3", "BUCKET": bucket, "ACCESS_KEY": w.server.Access, "SECRET_KEY": w.server.Secret, "ENDPOINT": w.gateway.URL.String()}
	for _, name := range w.workers() {
		if err := w.core.SetReplayStorage(name, settings); err != nil {
			return err
		}
	}
	return w.core.SetReplayStorage("", settings)
}

// workers returns the names under which the agent has registered.
func (w *town) workers() (names []string) {
	for _, c := range w.core.Components() {
		if !strings.HasPrefix(c.Name, "[Lion]") {
			names = append(names, c.Name)
		}
	}
	return names
}
