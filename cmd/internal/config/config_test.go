package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clean unsets our variables for one test.
func clean(t *testing.T) {
	t.Helper()
	for _, name := range Names() {
		t.Setenv(name, "") // restores the old value afterwards
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreVideoWorkers(t *testing.T) {
	clean(t)
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if c.CoreURL() != "http://127.0.0.1:8080" || c.Port != 9000 || c.BindHost != "0.0.0.0" || c.Workers != 0 || c.IgnoreVerifyCerts {
		t.Errorf("defaults: %+v", c)
	}
	if c.WorkerCount() < 2 {
		t.Errorf("worker count %d, want processors + 1", c.WorkerCount())
	}
	if time.Duration(c.SettleTime) != time.Minute || c.Originals != "trash" || c.OriginalsKeep.Duration() != 7*24*time.Hour {
		t.Errorf("defaults: %+v", c)
	}
}

// TestVideoWorkersParameters: Video-Worker's settings have the same defaults here, so that
// users who replace the image in a compose file change nothing else. Only NAME differs:
// Video-Worker uses the host's name, and the agent adds a random suffix, so that two
// agents can be distinguished.
func TestVideoWorkersParameters(t *testing.T) {
	ours := defaults()
	for name, want := range map[string]string{
		"NAME": "", "CORE_HOST": "http://127.0.0.1:8080", "BOOTSTRAP_TOKEN": "", "BIND_HOST": "0.0.0.0", "HTTPD_PORT": "9000", "LOG_LEVEL": "INFO",
		"VIDEO_WORKER_COUNT": "0", "VIDEO_WORKER_SECRET_KEY": "", "VIDEO_WORKER_CLEAN_PERIOD": "7", "IGNORE_VERIFY_CERTS": "false",
	} {
		if got, ok := ours[name]; !ok || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, want)
		}
	}
	for name, value := range map[string]string{ // as users write them
		"NAME": "video01", "CORE_HOST": "https://jumpserver.example.com/", "BIND_HOST": "0.0.0.0", "HTTPD_PORT": "9000", "LOG_LEVEL": "WARNING",
		"VIDEO_WORKER_COUNT": "4", "VIDEO_WORKER_SECRET_KEY": strings.Repeat("k", 32), "VIDEO_WORKER_CLEAN_PERIOD": "0", "IGNORE_VERIFY_CERTS": "True",
	} {
		clean(t)
		t.Setenv(name, value)
		if c, err := Load(""); err != nil || name == "VIDEO_WORKER_CLEAN_PERIOD" && c.CleanPeriod.Duration() != 0 {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// TestTheEnvironmentIsReadAsTheFileIs: old releases of docker-compose pass on everything
// after the = of a line.
func TestTheEnvironmentIsReadAsTheFileIs(t *testing.T) {
	for _, line := range []string{
		"HTTPD_PORT=9100   # the port", "HTTPD_PORT=9100\t# the port", `CORE_HOST="http://core:8080"`, "LOG_LEVEL=ERROR # as core's", "BOOTSTRAP_TOKEN='a b #c' # quoted",
		"STATUS_TOKEN=pa#ssword-$word-1234", "NAME= # none", "REPLAY_DIR= # none", "REPLAY_DIR=", "VIDEO_WORKER_SECRET_KEY=0123456789abcdef0123456789abcdef # 32",
		"IGNORE_VERIFY_CERTS=True  # lab", `NAME="open`, "WORK_HOURS=22:00-06:00 # at night", "QUEUE_URL=nats://a:4222,nats://b:4222 # two",
	} {
		clean(t)
		want, err := Load(write(t, line+"\n"))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
		for range 2 { // the second time, the values must be the same
			if got, err := Load(""); err != nil || got != want {
				t.Errorf("%s: %v\n%+v\n%+v", line, err, got, want)
			}
		}
		if os.Getenv(name) != value {
			t.Errorf("%s: the environment is %q", line, os.Getenv(name))
		}
	}
	clean(t)
	t.Setenv("HTTPD_PORT", " # set below")
	if c, err := Load(write(t, "HTTPD_PORT=9200\nBOOTSTRAP_TOKEN='a #b'\n")); err != nil || c.Port != 9200 || c.BootstrapToken != "a #b" {
		t.Errorf("%v %+v", err, c)
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	clean(t)
	t.Setenv("HTTPD_PORT", "9100")
	c, err := Load(write(t, "HTTPD_PORT=9200\nVIDEO_WORKER_COUNT=3   # three\nREDIS_PASSWORD=a#b$c\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 9100 || c.Workers != 3 {
		t.Errorf("port %d workers %d, want 9100 and 3", c.Port, c.Workers)
	}
	if os.Getenv("REDIS_PASSWORD") != "" {
		t.Error("a key that is not ours reached the environment")
	}
}

func TestParseFile(t *testing.T) {
	text := "\ufeff# comment\r\nNAME=video01   # the node\r\n\r\nBOOTSTRAP_TOKEN='a b#c'  # quoted\r\n" +
		"export CORE_HOST=\"http://core:8080\"\nSTATUS_TOKEN=pa#ss$word\nEMPTY=\nEMPTY2=   # nothing\nnot an assignment\n2BAD=1\nSPACED = x y \nOPEN=\"abc\n"
	got, err := ParseFile(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"NAME": "video01", "BOOTSTRAP_TOKEN": "a b#c", "CORE_HOST": "http://core:8080", "STATUS_TOKEN": "pa#ss$word",
		"EMPTY": "", "EMPTY2": "", "SPACED": "x y", "OPEN": `"abc`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMissingFileIsAnError(t *testing.T) {
	clean(t)
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestEmptyValuesAreNone: compose files and config.txt contain many empty values.
func TestEmptyValuesAreNone(t *testing.T) {
	clean(t)
	want, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.txt")
	text := ""
	for i, name := range Names() {
		switch {
		case name == "REPLAY_DIR":
		case i%2 == 0:
			t.Setenv(name, " ")
		default:
			text += name + "=\n"
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	t.Setenv("REPLAY_DIR", "")
	if c, err := Load(""); err != nil || c.ReplayDir != "" {
		t.Errorf("REPLAY_DIR: %q, %v", c.ReplayDir, err)
	}
}

func TestWrongValuesNameVariableValueAndRule(t *testing.T) {
	for _, tc := range []struct{ name, value, rule string }{
		{"HTTPD_PORT", "70000", "from 1 to 65535"},
		{"VIDEO_WORKER_COUNT", "many", "whole number"},
		{"CORE_HOST", "core:8080", "must be an address"},
		{"LOG_LEVEL", "loud", "DEBUG, INFO"},
		{"IGNORE_VERIFY_CERTS", "maybe", "true or false"},
		{"WATCH_MODE", "inotify", "auto, poll, notify"},
		{"SCAN_INTERVAL", "soon", "time span"},
		{"ORIGINALS", "burn", "trash"},
		{"CPU_TARGET", "0", "from 1 to 100"},
		{"WORK_HOURS", "22-6", "22:00-06:00"},
		{"WORK_HOURS", "22:00-25:00", "22:00-06:00"},
		{"WORK_HOURS_OTHERWISE", "sleep", "trickle or pause"},
		{"WORK_HOURS_EXEMPT_AFTER", "old", "3d"},
		{"VIDEO_CRF", "99", "from 0 to 51"},
		{"VIDEO_CODEC", "flash", "h264"},
		{"REPLAY_DIR", "replay", "absolute path"},
		{"ORIGINALS_KEEP_DAYS", "-1", "from 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clean(t)
			t.Setenv(tc.name, tc.value)
			_, err := Load("")
			var ve *ValueError
			if !errors.As(err, &ve) {
				t.Fatalf("got %v", err)
			}
			if ve.Name != tc.name || ve.Value != tc.value || !strings.Contains(ve.Rule, tc.rule) {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	clean(t)
	t.Setenv("VIDEO_WORKER_SECRET_KEY", "too-short-secret")
	if _, err := Load(""); err == nil || strings.Contains(err.Error(), "too-short-secret") {
		t.Errorf("got %v", err)
	}
	clean(t)
	t.Setenv("QUEUE_URL", "http://user:hunter2@host")
	if _, err := Load(""); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"short-secret", "fifteen-letters", "with a space in it, which ends it", "schlüssel-schlüssel", "control\x01-control-control"} {
		clean(t)
		t.Setenv("STATUS_TOKEN", bad)
		if _, err := Load(""); err == nil || strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), "openssl rand -hex 16") {
			t.Errorf("STATUS_TOKEN=%q: got %v", bad, err)
		}
	}
	clean(t)
	t.Setenv("BOOTSTRAP_TOKEN", "bootstrap-secret")
	t.Setenv("STATUS_TOKEN", "status-secret-16")
	t.Setenv("VIDEO_WORKER_SECRET_KEY", strings.Repeat("k", 32))
	t.Setenv("QUEUE_URL", "nats://user:queue-secret@host")
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "config", c, "token", c.BootstrapToken)
	shown := b.String() + fmt.Sprintf("%v %+v %v", c, c, c.QueueRisks())
	for _, s := range []string{"bootstrap-secret", "status-secret", "queue-secret", "kkkk"} {
		if strings.Contains(shown, s) {
			t.Errorf("%q shown in %s", s, shown)
		}
	}
}

func TestBooleansAsJumpServerSpellsThem(t *testing.T) {
	for v, want := range map[string]bool{"True": true, "true": true, "1": true, "yes": true, "False": false, "0": false, "": false} {
		var b Bool
		if err := b.Decode(v); err != nil || bool(b) != want {
			t.Errorf("%q: %v %v", v, b, err)
		}
	}
}

func TestIntervals(t *testing.T) {
	for v, want := range map[string]time.Duration{"30s": 30 * time.Second, "2d": 48 * time.Hour, "90": 90 * time.Second, "1h30m": 90 * time.Minute} {
		var i Interval
		if err := i.Decode(v); err != nil || time.Duration(i) != want {
			t.Errorf("%q: %v %v", v, time.Duration(i), err)
		}
	}
}
