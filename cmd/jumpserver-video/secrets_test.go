package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// TestSecretsStayWhereTheyBelong: an agent that knows every kind of secret works, fails and
// works again. No secret is in its log, a task's log, the queue, or a response. None is
// in arguments, in the environment of ffmpeg, or in a file that others may read. There are no
// core dumps.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	secrets := map[string]string{
		"BOOTSTRAP_TOKEN": "boot-secret", "STATUS_TOKEN": "status-8f1d2c3b4a59", "VIDEO_WORKER_SECRET_KEY": "0123456789abcdef-secret-key-4f5e",
		"the bucket's key": "bucket-77aa66bb55cc44", "NOTIFY_URL": "hook-5e4d3c2b1a09",
	}
	l.env["NOTIFY_URL"] = "http://127.0.0.1:1/" + secrets["NOTIFY_URL"] + " wecom://" + secrets["NOTIFY_URL"]
	l.env["TEST_NOTIFY_SETTLE"], l.env["TEST_NOTIFY_POLL"], l.env["HTTPS_PROXY"] = "1ms", "50ms", "http://127.0.0.1:1"
	l.env["STATUS_TOKEN"], l.env["VIDEO_WORKER_SECRET_KEY"], l.env["TEST_REFRESH"] = secrets["STATUS_TOKEN"], secrets["VIDEO_WORKER_SECRET_KEY"], "300ms"
	seeds := planted(t, l)
	l.core.Fail(devcore.Fault{Method: http.MethodPost, Times: 3, Status: 500})
	l.start()
	l.until("an answer", func() bool { return l.health() != 0 })
	for _, s := range seeds {
		l.until(s.what, func() bool {
			l.leaks(secrets)
			_, _ = l.command("tasks", "retry", s.id)
			return l.served(s.id) == "mp4"
		})
	}
	l.allReplaced(seeds) // the work folder is then empty
	// A bucket that cannot be reached: the agent tries its settings, and logs an error.
	name := l.core.Components()[0].Name
	if err := l.core.SetReplayStorage(name, map[string]any{
		"TYPE": "s3", "BUCKET": "b", "ACCESS_KEY": "AK", "SECRET_KEY": secrets["the bucket's key"], "ENDPOINT": "http://127.0.0.1:1",
	}); err != nil {
		t.Fatal(err)
	}
	l.until("trouble with notifications", func() bool { return strings.Count(l.agent.Log(), "a notification was not accepted") == 2 })
	l.until("trouble with the bucket", func() bool { return strings.Contains(l.agent.Log(), "127.0.0.1:1") })

	key, err := os.ReadFile(filepath.Join(l.dir, "data", "keys", ".access_key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, plain, found := strings.Cut(strings.TrimSpace(string(key)), ":"); found && len(plain) > 20 {
		secrets["the access key"] = plain
	}
	bearer := "Bearer " + secrets["STATUS_TOKEN"]
	shown := map[string]string{"log": l.agent.Log()}
	for _, path := range []string{"/video-worker/health/", "/video-worker/", taskapi.Prefix + "/tasks", taskapi.Prefix + "/tasks/" + seeds[0].id, taskapi.Prefix + "/tasks/" + seeds[0].id + "/log", metrics.Path} {
		status, body := l.get(path, "Authorization", bearer)
		if status == 0 || status == http.StatusUnauthorized || body == "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
		shown[path] = body
	}
	files(t, filepath.Join(l.dir, "data"), func(path string, info fs.FileInfo, data []byte) {
		if info.Mode().Perm()&0o007 != 0 {
			t.Errorf("others may read %s: %s", path, info.Mode())
		}
		if inKeys := filepath.Base(filepath.Dir(path)) == "keys"; inKeys && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %s", path, info.Mode())
		} else if !inKeys {
			shown[path] = string(data)
		}
	})
	for where, text := range shown {
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", what, where)
			}
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", l.agent.PID()))
	if err != nil || !strings.Contains(string(limits), "Max core file size        0                    0 ") {
		t.Errorf("the agent may dump core: %v\n%s", err, limits)
	}
}

// leaks checks the arguments of all processes, and the environment of ffmpeg.
func (l *fixture) leaks(secrets map[string]string) {
	l.t.Helper()
	each(func(pid string, args []byte) {
		given := args
		if bytes.Contains(args, []byte("ffmpeg\x00")) {
			env, _ := os.ReadFile(filepath.Join("/proc", pid, "environ")) // the process may have ended
			given = append(given, env...)
		}
		for what, secret := range secrets {
			if bytes.Contains(given, []byte(secret)) {
				l.t.Errorf("%s is in the arguments or environment of %q", what, bytes.ReplaceAll(args, []byte{0}, []byte(" ")))
			}
		}
	})
}

// each visits all processes.
func each(visit func(pid string, args []byte)) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		if args, err := os.ReadFile(path); err == nil {
			visit(filepath.Base(filepath.Dir(path)), args)
		}
	}
}

// files visits all files below a folder that can still be read.
func files(t *testing.T, dir string, visit func(path string, info fs.FileInfo, data []byte)) {
	t.Helper()
	n := 0
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // it was just removed
		}
		info, err := d.Info()
		data, readErr := os.ReadFile(path)
		if err == nil && readErr == nil {
			n++
			visit(path, info, data)
		}
		return nil
	})
	if n < 5 {
		t.Errorf("%d files below %s", n, dir)
	}
}
