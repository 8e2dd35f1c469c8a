package main

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/report"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jumpserver-video": func() { testApp().main() }})
}

// testApp returns the program, with the options that tests set in the environment.
func testApp() *app {
	a := newApp(os.Stdout, os.Stderr)
	a.installed = cmp.Or(os.Getenv("INSTALLED"), "/nonexistent/config.txt") // not the settings installed on this machine
	for name, d := range map[string]*time.Duration{
		"TEST_REFRESH": &a.options.refresh, "TEST_BEAT": &a.options.beat, "TEST_EXPIRE": &a.options.expireEvery, "TEST_MEASURE": &a.options.measureEvery,
		"TEST_NOTIFY_SETTLE": &a.options.notifySettle, "TEST_NOTIFY_EVERY": &a.options.notifyEvery, "TEST_NOTIFY_POLL": &a.options.notifyPoll,
	} {
		if changed, err := time.ParseDuration(os.Getenv(name)); err == nil {
			*d = changed
		}
	}
	if n, err := strconv.ParseInt(os.Getenv("TEST_UPLOAD_RESERVE"), 10, 64); err == nil {
		a.options.uploadReserve = n
	}
	return a
}

// TestScripts runs the command lines in testdata/script.
func TestScripts(t *testing.T) {
	recordings, err := filepath.Abs("../../testdata/recordings")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("RECORDINGS", recordings)
			for _, kv := range withoutSettings(os.Environ()) { // proxies and the like are not needed here
				if len(kv) > 5 && kv[:5] == "PATH=" {
					env.Vars = append(env.Vars, kv)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"gzip": gzipFile, "exit": exitCodeIs, "cut": cutFile, "agent": startAgent},
	})
}

// gzipFile compresses IN to OUT.
func gzipFile(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte(data))
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(f.Close())
}

// cutFile copies the first half of IN to OUT.
func cutFile(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(data[:len(data)/2]), 0o644))
}

// exitCodeIs runs a command and checks its exit code: exit CODE COMMAND...
func exitCodeIs(ts *testscript.TestScript, _ bool, args []string) {
	want := args[0]
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = err.Error()
		if want != "0" && got == "exit status "+want {
			return
		}
	}
	if got != want {
		ts.Fatalf("exit code: %s, want %s", got, want)
	}
}

// startAgent serves the tasks of an agent, and sets HTTPD_PORT to its port.
func startAgent(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs("agent")
	q, err := queue.Open(context.Background(), queue.Options{Dir: filepath.Join(dir, "queue"), Owner: "worker-1:9000"})
	ts.Check(err)
	end := func(id string, size int64, how func(*queue.Task)) {
		source, err := json.Marshal(task.Source{Path: "2026-11-22/" + id + ".replay.gz", Size: size})
		ts.Check(err)
		_, _, err = q.Submit(context.Background(), queue.Task{ID: id, Source: source, Fingerprint: id})
		ts.Check(err)
		lease, err := q.Lease(context.Background())
		ts.Check(err)
		ts.Check(lease.Release(how))
	}
	failed := func(t *queue.Task) {
		t.State, t.Reason, t.Error, t.Attempt = queue.StateFailed, task.ClassEncoder, "ffmpeg ended with 1", 5
	}
	began := time.Now().Add(-2 * time.Minute)
	over := began.Add(73 * time.Minute)
	lilei := &task.Session{User: "李雷(lilei)", Asset: "财务服务器", Account: "administrator", Protocol: "rdp", Start: began, End: &over}
	const log = "5f946840-ca17-47b4-9b3a-67b7ba28ad0f"
	end("9d38ac84-0e5b-4bf8-9f7e-abfbfe6ce14d", 9e6, func(t *queue.Task) {
		t.State, t.Reason, t.Error = queue.StateSkipped, task.ClassKind, "a koko JSON recording"
	})
	end(log, 9e6, failed)
	end("6a057951-db28-48c5-8c4b-78c8cb39be1a", 8e6, failed)
	end("7b168a62-ec39-49d6-9d5c-89d9dc4acf2b", 8e6, func(t *queue.Task) {
		t.State, t.Reason, t.Error, t.Attempt, t.Next = queue.StateRetrying, task.ClassDiskFull, "no space left on device", 3, time.Now().Add(time.Hour)
	})
	end("aec03eff-9413-4017-b690-a75929062ab6", 31e6, func(t *queue.Task) {
		t.State = queue.StateDone
		t.Data, err = json.Marshal(task.Journal{Session: lilei, RenderSeconds: 41, Video: &task.VideoFacts{Size: 3e6, Frames: 2210, DurationMS: 273000}})
		ts.Check(err)
	})
	tasks := filepath.Join(dir, "tasks")
	ts.Check(os.MkdirAll(filepath.Join(tasks, log), 0o750))
	ts.Check(os.WriteFile(filepath.Join(tasks, log, "task.log"), []byte("the log of the task\n"), 0o640))
	mux := http.NewServeMux()
	mux.Handle("/", (&taskapi.Server{Queue: q, TasksDir: tasks, Access: taskapi.NewAccess("", nil), Log: slog.New(slog.DiscardHandler)}).Handler())
	mux.Handle("GET "+report.Path, &report.Maker{Tasks: q.Newest, View: task.ViewOf, Sessions: func(_ context.Context, _ coreapi.SessionQuery) (p coreapi.SessionPage, _ error) {
		for _, id := range []string{log, "6a057951-db28-48c5-8c4b-78c8cb39be1a", "aec03eff-9413-4017-b690-a75929062ab6", "ffffffff-0000-4000-8000-000000000001"} {
			p.Sessions = append(p.Sessions, coreapi.Session{ID: id, Protocol: "rdp", IsFinished: true, DateStart: began})
		}
		p.Sessions = append(p.Sessions, coreapi.Session{ID: "9d38ac84-0e5b-4bf8-9f7e-abfbfe6ce14d", Protocol: "ssh", IsFinished: true, DateStart: began})
		return p, nil
	}})
	server := httptest.NewServer(mux)
	ts.Defer(func() {
		server.Close()
		ts.Check(q.Close())
	})
	ts.Setenv("HTTPD_PORT", strconv.Itoa(server.Listener.Addr().(*net.TCPAddr).Port))
}
