package doctor

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// patient returns a doctor for a healthy setup: a development core, a registered key
// and a volume.
func patient(t *testing.T) (*Doctor, *devcore.Server) {
	t.Helper()
	dir := t.TempDir()
	replay := filepath.Join(dir, "media", "replay")
	if err := os.MkdirAll(filepath.Join(replay, "2026-11-22"), 0o750); err != nil {
		t.Fatal(err)
	}
	core, err := devcore.Start(devcore.Options{Version: "4.10.13", MediaDir: filepath.Join(dir, "media"), BootstrapToken: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = core.Close() })
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CoreHost.Decode(core.URL); err != nil {
		t.Fatal(err)
	}
	cfg.ReplayDir, cfg.DataDir, cfg.BindHost = replay, filepath.Join(dir, "data"), "127.0.0.1"
	client, err := coreapi.New(coreapi.Options{BaseURL: core.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	key, err := client.Register(t.Context(), "boot", "worker-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := (coreapi.KeyFile{Dir: cfg.Dir("keys")}).Save(key); err != nil {
		t.Fatal(err)
	}
	return &Doctor{Config: cfg, Patience: 5 * time.Second}, core
}

// of returns the findings of one check.
func of(all []Finding, check string) (found []Finding) {
	for _, f := range all {
		if string(f.Check) == check {
			found = append(found, f)
		}
	}
	return found
}

// TestSeveralBucketsAreToldOf: the agent cannot see originals in the bucket of
// another component.
func TestSeveralBucketsAreToldOf(t *testing.T) {
	t.Parallel()
	for n, told := range []bool{false, false, true, true} {
		dir := t.TempDir()
		options := devcore.Options{Version: "4.10.13", MediaDir: dir, BootstrapToken: "boot"}
		for i := range n {
			options.External = append(options.External, devcore.Storage{Name: fmt.Sprint("bucket-", i), Config: map[string]any{"TYPE": []string{"s3", "oss", "azure"}[i]}})
		}
		core, err := devcore.Start(options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = core.Close() })
		client, err := coreapi.New(coreapi.Options{BaseURL: core.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		key, err := client.Register(t.Context(), "boot", "worker-1")
		if err != nil {
			t.Fatal(err)
		}
		client.SetKey(key)
		found := (&Doctor{}).storages(t.Context(), client)
		if (len(found) == 1) != told || told && (found[0].Level != Warn || !strings.Contains(found[0].Detail.String(), "bucket-1 (oss)")) {
			t.Errorf("%d buckets: %+v", n, found)
		}
	}
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	d, core := patient(t)
	all := d.Examine(t.Context())
	if !Healthy(all) {
		t.Errorf("%+v", all)
	}
	for check, part := range map[string]string{
		"core": "responds", "clock": "as core's", "registration": "worker-1", "replay storage": "server", "replay volume": "1 day, the last 2026-11-22",
		"ffmpeg": "h264", "data folder": "free",
	} {
		if got := of(all, check); len(got) == 0 || got[len(got)-1].Level != OK && check != "data folder" || !strings.Contains(got[len(got)-1].Detail.String(), part) {
			t.Errorf("%s: %+v", check, got)
		}
	}
	// No file is left, and core has no additional component.
	for _, dir := range []string{d.Config.ReplayDir, d.Config.DataDir, filepath.Join(d.Config.ReplayDir, "2026-11-22")} {
		if left, err := filepath.Glob(filepath.Join(dir, ".jumpserver-video-doctor*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	if n := len(core.Components()); n != 1 {
		t.Errorf("%d components", n)
	}
}

// illness is a problem, and the doctor's expected finding.
type illness struct {
	name, check, detail, fix string
	level                    Level
	breaks                   func(t *testing.T, d *Doctor, core *devcore.Server)
}

func (i illness) isFound(t *testing.T) {
	d, core := patient(t)
	i.breaks(t, d, core)
	all := d.Examine(t.Context())
	for _, f := range of(all, i.check) {
		if f.Level == i.level && strings.Contains(f.Detail.String(), i.detail) && strings.Contains(f.Fix.String(), i.fix) {
			if i.check != "clock" && Healthy(all) == (i.level == Bad) { // the server that replaces core knows no key
				t.Errorf("healthy: %t", Healthy(all))
			}
			return
		}
	}
	t.Errorf("not found: %+v", all)
}

// TestWhatIsWrong: each problem is found, and has a fix.
func TestWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []illness{
		{"a key that was taken away", "registration", "does not accept the key", "start the agent", Bad, func(t *testing.T, d *Doctor, core *devcore.Server) {
			if err := core.RevokeKey("worker-1"); err != nil {
				t.Fatal(err)
			}
		}},
		{"no key and no token", "registration", "no BOOTSTRAP_TOKEN", "set BOOTSTRAP_TOKEN", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir = t.TempDir()
		}},
		{"no key yet", "registration", "not registered yet", "start the agent", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir, d.Config.BootstrapToken = t.TempDir(), "boot"
		}},
		{"an account that is not active", "registration", "is not active", "activate the account", Bad, func(t *testing.T, _ *Doctor, core *devcore.Server) {
			if err := errors.Join(core.SetVersion("3.10.9"), core.DisableUser("worker-1")); err != nil {
				t.Fatal(err)
			}
		}},
		{"an account that a newer core does not know any more", "registration", "disabled", "registers again", Bad, func(t *testing.T, _ *Doctor, core *devcore.Server) {
			if err := core.DisableUser("worker-1"); err != nil {
				t.Fatal(err)
			}
		}},
		{"a core that stumbles over the account", "registration", "500", "check core's log", Bad, func(_ *testing.T, _ *Doctor, core *devcore.Server) {
			profile := regexp.MustCompile("/users/profile/")
			core.Fail(devcore.Fault{Path: profile, Status: http.StatusInternalServerError})
			core.Fail(devcore.Fault{Path: profile, Times: 1, Status: http.StatusUnauthorized}) // as for any unknown client
		}},
		{"settings that core does not return", "replay storage", "does not return its settings", "check core's log", Bad, func(_ *testing.T, _ *Doctor, core *devcore.Server) {
			core.Fail(devcore.Fault{Path: regexp.MustCompile("/terminals/config/"), Status: http.StatusInternalServerError})
		}},
		{"a volume with little room", "replay volume", "1.05 MB of 1.05 MB free", "free up space", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.ReplayDir = small(t)
		}},
		{"a data folder with little room", "data folder", "1.05 MB of 1.05 MB free", "free up space", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir, d.Config.BootstrapToken = small(t), "boot"
		}},
		{"a data folder of somebody else's", "data folder", "belongs to user 12345", "sudo -u '#12345'", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			if err := os.Chown(d.Config.DataDir, 12345, -1); err != nil {
				t.Skipf("needs root to change owners: %v", err)
			}
		}},
		{"a data folder behind a closed one", "data folder", "permission denied", "right to enter", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			fails(t, d, volumetest.Fault{Op: "stat", On: "closed", Errno: syscall.EACCES})
			d.Config.DataDir = d.Config.ReplayDir + "/closed"
		}},
		{"no agent", "agent", "no agent responds", "systemctl start", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.Port = 1
		}},
		{"an empty volume", "replay volume", "no folder of a day", "findmnt", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.ReplayDir = t.TempDir()
		}},
		{"a volume that never was there", "replay volume", "never did", "mount core's media folder", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.ReplayDir += "/nowhere"
		}},
		{"a volume that is not there any more", "replay volume", "does not exist any more", "mount core's data/media again", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			mount, err := watcher.NewMount(d.Config.ReplayDir, d.Config.DataDir)
			if err == nil {
				err = errors.Join(mount.Look(), os.RemoveAll(d.Config.ReplayDir))
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"something that is not core", "core", "does not respond like core", "set CORE_HOST to the address of JumpServer", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			other(t, d, http.StatusOK, "")
		}},
		{"a core in trouble", "core", "502", "check the logs of core", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			other(t, d, http.StatusBadGateway, "")
		}},
		{"a clock that is wrong", "clock", "differs from core's by", "NTP", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			other(t, d, http.StatusUnauthorized, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}},
		{"an encoder that is not there", "ffmpeg", "h264_nvenc", "VIDEO_CODEC=h264", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.VideoCodec = "h264_nvenc"
		}},
		{"a status page that others cannot see", "settings", "STATUS_TOKEN is empty", "long random word", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.BindHost = "0.0.0.0"
		}},
		{"a queue that is open to all", "settings", "no user and password for nats-1:4222", "docs/fleet.md", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.QueueURL = "tls://nats-1:4222"
		}},
		{"a queue that is reached in the clear", "settings", "without TLS for nats-1:4222", "tls://", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.QueueURL = "nats://user:password@nats-1:4222"
		}},
		{"a queue whose records are not sealed", "settings", "VIDEO_WORKER_SECRET_KEY is not", "openssl rand -hex 16", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.QueueURL = "tls://user:password@nats-1:4222"
		}},
		{"certificates that are not verified", "settings", "can impersonate core", "IGNORE_VERIFY_CERTS=false", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.IgnoreVerifyCerts = true
		}},
		{"a data folder that is a file", "data folder", "is a file", "set DATA_DIR to a folder", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir = file(t, "")
		}},
		{"a data folder that cannot be written", "data folder", "cannot be written", "chown", Bad, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir = "/proc"
		}},
		{"no data folder yet", "data folder", "does not exist yet", "install -d", Warn, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir, d.Config.BootstrapToken = d.Config.DataDir+"/nowhere", "boot"
		}},
		{"no volume", "replay volume", "REPLAY_DIR is empty", "mount core's media folder", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.ReplayDir, d.Config.DataDir, d.Config.BootstrapToken = "", t.TempDir(), "boot"
		}},
		{"a volume that cannot be written", "replay volume", "cannot be retired", "doctor --fix", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			fails(t, d, volumetest.Fault{Op: "create", Errno: syscall.EACCES})
		}},
		{"a volume that is read-only", "replay volume", "cannot be retired", "read-write", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			fails(t, d, volumetest.Fault{Op: "create", Errno: syscall.EROFS})
		}},
		{"a volume that cannot be read", "replay volume", "permission denied", "docs/nfs.md", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			fails(t, d, volumetest.Fault{Op: "list", Errno: syscall.EACCES})
		}},
		{"a mount that is stale", "replay volume", "stale", "wait, or bring back the server", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			fails(t, d, volumetest.Fault{Op: "list", Errno: syscall.ESTALE})
		}},
		{"a volume that hangs", "replay volume", "has not responded for", "NFS server", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Patience = 2 * time.Second
			answers := make(chan struct{})
			fails(t, d, volumetest.Fault{Op: "list", Hang: answers})
			t.Cleanup(func() { close(answers) })
		}},
		{"a certificate that nobody vouches for", "core", "certificate", "install the CA", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			s := httptest.NewTLSServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			at(t, d, s.URL)
		}},
		{"a core that is elsewhere", "core", "redirects", "https://jumpserver.example", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			s := httptest.NewServer(http.RedirectHandler("https://jumpserver.example/", http.StatusMovedPermanently))
			t.Cleanup(s.Close)
			at(t, d, s.URL)
		}},
		{"a key file that cannot be read", "registration", "is a directory", "chown", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.DataDir = t.TempDir()
			if err := os.MkdirAll(coreapi.KeyFile{Dir: d.Config.Dir("keys")}.Path(), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"a bucket that is out of reach", "replay storage", "cannot be reached", "check that this host can reach it", Bad, func(t *testing.T, d *Doctor, core *devcore.Server) {
			d.Patience = 2 * time.Second
			stores(t, core, map[string]any{"TYPE": "s3", "BUCKET": "replays", "ACCESS_KEY": "a", "SECRET_KEY": "s", "ENDPOINT": "http://127.0.0.1:1"})
		}},
		{"a bucket without an address", "replay storage", "scheme", "correct the storage in JumpServer", Bad, func(t *testing.T, d *Doctor, core *devcore.Server) {
			stores(t, core, map[string]any{"TYPE": "s3", "BUCKET": "b", "ACCESS_KEY": "a", "SECRET_KEY": "s", "ENDPOINT": "ftp://127.0.0.1:1"})
		}},
		{"replays that go nowhere", "replay storage", "null", "choose another", Bad, func(t *testing.T, d *Doctor, core *devcore.Server) {
			stores(t, core, map[string]any{"TYPE": "null"})
		}},
		{"an agent that is not well", "agent", "not healthy: ffmpeg is gone", "fix the problems above", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			respond(t, d, httptest.NewServer, http.StatusServiceUnavailable, `{"reasons": ["ffmpeg is gone"]}`)
		}},
		{"an agent that speaks HTTPS", "agent", "is healthy", "", OK, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			s := respond(t, d, httptest.NewTLSServer, http.StatusOK, `{"status": "ok"}`)
			d.Config.TLSCert = file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
		}},
		{"an HTTPS server that is not the agent", "agent", "another certificate", "systemctl start", Warn, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			s := respond(t, d, httptest.NewTLSServer, http.StatusOK, `{"status": "ok"}`)
			d.Config.TLSCert = file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw[1:]})))
		}},
		{"a proxy on this host", "agent", `a proxy on this host forwards requests to the agent; 3 were refused, the last for "video.example"`, "set STATUS_TOKEN", Warn,
			func(t *testing.T, d *Doctor, _ *devcore.Server) {
				respond(t, d, httptest.NewServer, http.StatusOK, `{"status": "ok", "requests": 3, "host": "video.example", "why": "HTTP/1.0"}`)
			}},
		{"something else on the port", "agent", "another program responds", "HTTPD_PORT", Bad, func(t *testing.T, d *Doctor, _ *devcore.Server) {
			respond(t, d, httptest.NewServer, http.StatusOK, "It works!")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && !strings.Contains(tt.name, "hangs") {
				t.Skip("skipped in short mode")
			}
			tt.isFound(t)
		})
	}
}

// TestWhatTheEnvironmentLacks tests problems of the environment of the process.
func TestWhatTheEnvironmentLacks(t *testing.T) {
	for _, tt := range []illness{
		{"no folder for temporary files", "ffmpeg", "no such file", "TMPDIR", Bad, func(t *testing.T, _ *Doctor, _ *devcore.Server) {
			t.Setenv("TMPDIR", "/nonexistent")
		}},
		{"an ffmpeg that is not where FFMPEG says", "ffmpeg", "/nonexistent/ffmpeg does not exist", "install the package again", Bad, func(_ *testing.T, d *Doctor, _ *devcore.Server) {
			d.Config.FFmpeg = "/nonexistent/ffmpeg"
		}},
		{"no ffmpeg", "ffmpeg", "not in PATH", "apt-get install ffmpeg", Bad, func(t *testing.T, _ *Doctor, _ *devcore.Server) {
			t.Setenv("PATH", t.TempDir())
		}},
	} {
		t.Run(tt.name, tt.isFound)
	}
}

// other starts a server in core's place.
func other(t *testing.T, d *Doctor, status int, date string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if date != "" {
			w.Header().Set("Date", date)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	at(t, d, s.URL)
}

// at sets core's address.
func at(t *testing.T, d *Doctor, url string) {
	t.Helper()
	if err := d.Config.CoreHost.Decode(url); err != nil {
		t.Fatal(err)
	}
}

// respond starts a server on the agent's port.
func respond(t *testing.T, d *Doctor, start func(http.Handler) *httptest.Server, status int, body string) *httptest.Server {
	t.Helper()
	s := start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	d.Config.Port = config.Port(s.Listener.Addr().(*net.TCPAddr).Port)
	return s
}

// TestTheDoctorSendsTheToken: if a token is set, the agent reports its problems only
// to clients that send it.
func TestTheDoctorSendsTheToken(t *testing.T) {
	const token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	access := taskapi.NewAccess(token, nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		if access.Trusted(r) {
			_, _ = w.Write([]byte(`{"reasons": ["the reason"]}`))
		} else {
			_, _ = w.Write([]byte(`{}`))
		}
	}))
	defer s.Close()
	t.Setenv("http_proxy", "http://127.0.0.1:1") // must not be used for this host
	for given, want := range map[config.Token]bool{token: true, "another-token-it-is": false} {
		d := &Doctor{Config: config.Config{BindHost: "127.0.0.1", Port: config.Port(s.Listener.Addr().(*net.TCPAddr).Port), StatusToken: given}}
		if found := d.agent(t.Context()); len(found) != 1 || strings.Contains(found[0].Detail.String(), "the reason") != want {
			t.Errorf("%+v, want the reason: %v", found, want)
		}
	}
}

// stores sets the replay storage of the agent's component in core.
func stores(t *testing.T, core *devcore.Server, settings map[string]any) {
	t.Helper()
	if err := core.SetReplayStorage("worker-1", settings); err != nil {
		t.Fatal(err)
	}
}

// small returns a folder on a file system of one megabyte.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fails makes the replay volume fail. It skips the test if FUSE is not permitted.
func fails(t *testing.T, d *Doctor, faults ...volumetest.Fault) {
	t.Helper()
	point := filepath.Join(t.TempDir(), "replay")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	v, err := volumetest.Mount(d.Config.ReplayDir, point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(v.Vanish)
	v.Set(faults...)
	d.Config.ReplayDir = point
}

// TestEveryProblemHasAFix tests it with all problems at once.
func TestEveryProblemHasAFix(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CORE_HOST", "http://127.0.0.1:9")
	t.Setenv("REPLAY_DIR", "/nonexistent/replay")
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	all := (&Doctor{Config: cfg, Patience: time.Second}).Examine(t.Context())
	if Healthy(all) {
		t.Error("healthy")
	}
	for _, f := range all {
		if (f.Level == OK) == !f.Fix.IsZero() {
			t.Errorf("%+v", f)
		}
	}
}
