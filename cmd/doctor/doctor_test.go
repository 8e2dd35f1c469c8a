package doctor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jumpserver-video/cmd/config"
	"jumpserver-video/coreapi"
	"jumpserver-video/coreapi/coretest"
)

// patient is a doctor beside a real fake core, with a registered key and a
// volume; nothing is wrong with it.
func patient(t *testing.T) (*Doctor, *coretest.Server) {
	t.Helper()
	dir := t.TempDir()
	replay := filepath.Join(dir, "media", "replay")
	if err := os.MkdirAll(filepath.Join(replay, "2026-11-22"), 0o750); err != nil {
		t.Fatal(err)
	}
	core, err := coretest.Start(coretest.Options{Version: "4.10.13", MediaDir: filepath.Join(dir, "media"), BootstrapToken: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = core.Close() })
	t.Setenv("CORE_HOST", core.URL)
	t.Setenv("REPLAY_DIR", replay)
	t.Setenv("DATA_DIR", filepath.Join(dir, "data"))
	t.Setenv("BIND_HOST", "127.0.0.1")
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
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

// of are the findings of one check.
func of(all []Finding, check string) (found []Finding) {
	for _, f := range all {
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

func TestAllIsWell(t *testing.T) {
	d, core := patient(t)
	all := d.Examine(t.Context())
	if !Healthy(all) {
		t.Errorf("%+v", all)
	}
	for check, part := range map[string]string{
		"core": "answers", "clock": "as core's", "registration": "worker-1", "replay storage": "server", "replay volume": "1 days, the last 2026-11-22",
		"ffmpeg": "h264", "data folder": "free",
	} {
		if got := of(all, check); len(got) == 0 || got[len(got)-1].Level != OK && check != "data folder" || !strings.Contains(got[len(got)-1].Detail, part) {
			t.Errorf("%s: %+v", check, got)
		}
	}
	// Nothing is left behind, and core has no component more than before.
	for _, dir := range []string{d.Config.ReplayDir, d.Config.DataDir, filepath.Join(d.Config.ReplayDir, "2026-11-22")} {
		if left, err := filepath.Glob(filepath.Join(dir, ".jumpserver-video-doctor*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	if n := len(core.Components()); n != 1 {
		t.Errorf("%d components", n)
	}
}

// TestWhatIsWrong: each thing that goes wrong is found, and has a fix.
func TestWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name, check, detail, fix string
		level                    Level
		breaks                   func(t *testing.T, d *Doctor, core *coretest.Server)
	}{
		{"a key that was taken away", "registration", "does not accept the key", "start the agent", Bad, func(t *testing.T, _ *Doctor, core *coretest.Server) {
			if err := core.RevokeKey("worker-1"); err != nil {
				t.Fatal(err)
			}
		}},
		{"no key and no token", "registration", "no BOOTSTRAP_TOKEN", "set BOOTSTRAP_TOKEN", Bad, func(t *testing.T, d *Doctor, _ *coretest.Server) {
			d.Config.DataDir = t.TempDir()
		}},
		{"no key yet", "registration", "not registered yet", "start the agent", Warn, func(t *testing.T, d *Doctor, _ *coretest.Server) {
			d.Config.DataDir, d.Config.BootstrapToken = t.TempDir(), "boot"
		}},
		{"an empty volume", "replay volume", "no folder of a day", "findmnt", Warn, func(t *testing.T, d *Doctor, _ *coretest.Server) {
			d.Config.ReplayDir = t.TempDir()
		}},
		{"a volume that is not there", "replay volume", "is not there", "mount core's data/media", Bad, func(_ *testing.T, d *Doctor, _ *coretest.Server) {
			d.Config.ReplayDir += "/nowhere"
		}},
		{"something that is not core", "core", "does not answer as core does", "let CORE_HOST name JumpServer", Bad, func(t *testing.T, d *Doctor, _ *coretest.Server) {
			other(t, d, http.StatusOK, "")
		}},
		{"a core in trouble", "core", "502", "look at core's log", Bad, func(t *testing.T, d *Doctor, _ *coretest.Server) {
			other(t, d, http.StatusBadGateway, "")
		}},
		{"a clock that is wrong", "clock", "differs from core's by", "NTP", Warn, func(t *testing.T, d *Doctor, _ *coretest.Server) {
			other(t, d, http.StatusUnauthorized, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}},
		{"an encoder that is not there", "ffmpeg", "h264_nvenc", "VIDEO_CODEC=h264", Warn, func(_ *testing.T, d *Doctor, _ *coretest.Server) {
			d.Config.VideoCodec = "h264_nvenc"
		}},
		{"no ffmpeg", "ffmpeg", "not in PATH", "apt-get install ffmpeg", Bad, func(t *testing.T, _ *Doctor, _ *coretest.Server) {
			t.Setenv("PATH", t.TempDir())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, core := patient(t)
			tt.breaks(t, d, core)
			all := d.Examine(t.Context())
			for _, f := range of(all, tt.check) {
				if f.Level == tt.level && strings.Contains(f.Detail, tt.detail) && strings.Contains(f.Fix, tt.fix) {
					if tt.check != "clock" && Healthy(all) == (tt.level == Bad) { // the server in core's place knows no key
						t.Errorf("healthy: %t", Healthy(all))
					}
					return
				}
			}
			t.Errorf("not found: %+v", all)
		})
	}
}

// other is a server in core's place.
func other(t *testing.T, d *Doctor, status int, date string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if date != "" {
			w.Header().Set("Date", date)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	if err := d.Config.CoreHost.Decode(s.URL); err != nil {
		t.Fatal(err)
	}
}

// TestEveryProblemHasAFix also when everything is wrong at once.
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
		if (f.Level == OK) == (f.Fix != "") {
			t.Errorf("%+v", f)
		}
	}
}
