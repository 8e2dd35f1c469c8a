package soak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

const (
	token  = "soak-bootstrap-token"
	bucket = "replays" // the server's own
)

// town is a JumpServer with everything around it, and the agent in it.
type town struct {
	t    *testing.T
	dir  string
	log  *slog.Logger // of what happens
	core *devcore.Server
	desk *desk

	volume  *volumetest.Volume // nil where FUSE mounts are not permitted
	server  *storagetest.Server
	client  *minio.Client      // nil where there is no S3 server
	gateway *storagetest.Front // the agent's way to it
	lions   map[liontest.Era]*liontest.Lion
	port    int
	tasks   *taskapi.Client
	items   map[string]*item

	mu       sync.Mutex
	agent    *exec.Cmd
	ended    chan struct{} // closed when the agent has
	killing  bool
	faults   []string // complaints on the way
	switched bool     // core keeps replays in the bucket
}

// desk is the agent's way to core, and counts what passes.
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

// between are the calls of a time.
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
	for _, sub := range []string{"media/replay", "mnt/replay", "tmp", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	events, err := os.Create(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	w.log = slog.New(slog.NewJSONHandler(events, nil))
	opt := devcore.Options{Version: "4.7.0", MediaDir: filepath.Join(dir, "media"), BootstrapToken: token, Registration: devcore.RegistrationOn}
	if withBucket {
		w.server = storagetest.S3(t)
		w.client, w.gateway = w.server.Client(t), storagetest.NewFront(t, w.server.URL)
		opt.External = []devcore.Storage{{Name: "bucket", External: devcore.S3Bucket{Client: w.client, Name: bucket}}}
		w.gateway.Spoil(w.seen)
	}
	if w.core, err = devcore.Start(opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.core.Close() })
	w.desk = newDesk(w.core)
	t.Cleanup(func() { w.desk.CloseClientConnections(); w.desk.Close() })
	if w.volume, err = volumetest.Mount(w.below(), filepath.Join(dir, "mnt", "replay")); err != nil {
		t.Logf("no faults of the volume, FUSE mounts are not permitted here: %v", err)
		w.volume = nil
	} else {
		w.volume.Watch(w.touched)
		t.Cleanup(w.volume.Vanish)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	w.tasks = taskapi.Local("127.0.0.1", w.port, "", "")
	for _, era := range liontest.Eras {
		lion, err := liontest.Start(t.Context(), era, liontest.Options{
			Core: w.core.URL, Worker: w.tasks.Base, Token: token, Name: era.String(), Dir: filepath.Join(dir, "lion", strconv.Itoa(int(era))),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(lion.Close)
		w.lions[era] = lion
	}
	return w
}

// below is where core writes: what the agent sees at point.
func (w *town) below() string { return filepath.Join(w.dir, "media", "replay") }

func (w *town) point() string {
	if w.volume == nil {
		return w.below()
	}
	return w.volume.Point()
}

func (w *town) data(sub ...string) string {
	return filepath.Join(append([]string{w.dir, "data"}, sub...)...)
}

// complain notes what must not be.
func (w *town) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.log.Error(text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, text)
}

// start runs the agent as a service manager would.
func (w *town) start() {
	log, err := os.OpenFile(filepath.Join(w.dir, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "agent") //nolint:noctx // ended by kill or stop
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TMPDIR=" + filepath.Join(w.dir, "tmp"), "NO_COLOR=1",
		"CORE_HOST=" + w.desk.URL, "BOOTSTRAP_TOKEN=" + token, "BIND_HOST=127.0.0.1", "HTTPD_PORT=" + strconv.Itoa(w.port),
		"REPLAY_DIR=" + w.point(), "DATA_DIR=" + w.data(), "SETTLE_TIME=1s", "SCAN_INTERVAL=1s", "CPU_TARGET=100", "LOG_LEVEL=DEBUG",
		"STORAGE_SCAN_INTERVAL=1s", "STORAGE_SWEEP_INTERVAL=5s", "STORAGE_MAX_REQUESTS=1000000",
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	w.mu.Lock()
	w.agent, w.ended, w.killing = cmd, ended, false
	w.mu.Unlock()
	w.log.Info("agent started", "pid", cmd.Process.Pid)
	go func() {
		err := cmd.Wait()
		w.mu.Lock()
		wanted := w.killing
		w.mu.Unlock()
		if !wanted {
			w.complain("the agent ended by itself: %v", err)
		}
		close(ended)
	}()
}

// end sends the agent a signal and waits until it is gone.
func (w *town) end(sig syscall.Signal) error {
	w.mu.Lock()
	w.killing = true
	cmd, ended := w.agent, w.ended
	w.mu.Unlock()
	w.log.Info("agent is ended", "signal", sig.String())
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		return fmt.Errorf("the agent has not ended a minute after %s", sig)
	}
}

func (w *town) pid() int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int32(w.agent.Process.Pid)
}

// healthy asks the agent itself.
func (w *town) healthy(ctx context.Context) (status int, took time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.tasks.Base+"/video-worker/health/", http.NoBody)
	if err != nil {
		return 0, 0
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, time.Since(began)
	}
	resp.Body.Close()
	return resp.StatusCode, time.Since(began)
}

// noon is when the administrator upgrades core and has replays kept in a bucket.
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

// setStorage tells all workers of the bucket; those that register anew, too.
func (w *town) setStorage() error {
	settings := map[string]any{"TYPE": "s3", "BUCKET": bucket, "ACCESS_KEY": w.server.Access, "SECRET_KEY": w.server.Secret, "ENDPOINT": w.gateway.URL.String()}
	for _, name := range w.workers() {
		if err := w.core.SetReplayStorage(name, settings); err != nil {
			return err
		}
	}
	return w.core.SetReplayStorage("", settings)
}

// workers are the names under which the agent has registered.
func (w *town) workers() (names []string) {
	for _, c := range w.core.Components() {
		if !strings.HasPrefix(c.Name, "[Lion]") {
			names = append(names, c.Name)
		}
	}
	return names
}
