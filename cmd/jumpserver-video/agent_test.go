package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// fixture is a development core with an agent, which runs as a user would start it. Each fixture
// uses its own processes, so that fixtures do not affect each other.
type fixture struct {
	t     *testing.T
	agent *agenttest.Agent
	core  *devcore.Server
	dir   string            // of core and agent
	env   map[string]string // environment of the agent and of commands
}

func newFixture(t *testing.T, version string, change ...func(*devcore.Options)) *fixture {
	t.Helper()
	options := devcore.Options{Version: version, BootstrapToken: "boot-secret"}
	for _, f := range change {
		f(&options)
	}
	a := agenttest.InTest(t, agenttest.Options{
		Binary: "jumpserver-video", // this test binary: see TestMain
		Core:   &options,
		Flags:  []string{"--play-cache", "0s"}, // there are no viewers
		Env: map[string]string{
			"SETTLE_TIME": "500ms", "SCAN_INTERVAL": "200ms", "LOG_LEVEL": "DEBUG", "VIDEO_WORKER_COUNT": "2", "CPU_TARGET": "100",
		},
	})
	return &fixture{t: t, agent: a, core: a.Core, dir: a.Dir, env: a.Env}
}

func (l *fixture) replay() string { return l.agent.Replay() }

// start starts the agent, which runs until stop or kill.
func (l *fixture) start() {
	l.t.Helper()
	l.agent.Check(l.t, l.agent.Start())
	l.t.Cleanup(func() { l.stop() })
}

// startHealthy starts the agent, and waits until it is healthy.
func (l *fixture) startHealthy() {
	l.t.Helper()
	l.start()
	l.agent.Check(l.t, l.agent.WaitHealthy(l.t.Context()))
}

// stop stops the agent as a service manager does, and returns its exit code.
func (l *fixture) stop() int {
	l.t.Helper()
	if err := l.agent.Stop(); err != nil && l.agent.ExitCode() < 0 {
		l.t.Error(err)
	}
	return l.agent.ExitCode()
}

// kill ends the agent with SIGKILL.
func (l *fixture) kill() {
	l.t.Helper()
	l.agent.Check(l.t, l.agent.Kill())
}

// command runs a command with the agent's environment.
func (l *fixture) command(args ...string) (out string, code int) {
	cmd := l.agent.Command(args...)
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// until waits for something that is expected to happen.
func (l *fixture) until(what string, ok func() bool) {
	l.t.Helper()
	l.agent.Check(l.t, l.agent.Until(l.t.Context(), what, ok))
}

func (l *fixture) served(id string) string {
	replay, err := l.core.Served(l.t.Context(), id)
	if err != nil {
		return err.Error()
	}
	return replay.Type
}

// health returns the status of the agent's health response; 0 if there is none.
func (l *fixture) health() int {
	status, _ := l.agent.Health(l.t.Context())
	return status
}

// releases returns the releases of core for tests of the agent: the oldest and a recent one;
// in short mode only the recent one.
func releases() []string {
	if testing.Short() {
		return []string{"4.10.13"}
	}
	return []string{"3.10.9", "4.10.13"}
}

func TestAgentReplacesWhatIsOnTheVolume(t *testing.T) {
	t.Parallel()
	for _, version := range releases() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			l := newFixture(t, version)
			seeds, err := plant("../../testdata/recordings", l.replay(), l.core)
			if err != nil {
				t.Fatal(err)
			}
			l.start()
			for _, s := range seeds {
				want := "mp4"
				switch {
				case s.foreign:
					want = "asciicast"
				case s.from == "":
					want = "json"
				}
				l.until(s.what, func() bool { return l.served(s.id) == want })
			}
			l.until("healthy", func() bool { return l.health() == http.StatusOK })
			l.until("online", func() bool {
				c := l.core.Components()
				return len(c) == 1 && c[0].Online && c[0].Type == "video_worker"
			})

			out, code := l.command("tasks", "--all")
			if code != 0 || !strings.Contains(out, seeds[0].id) || !strings.Contains(out, "not_graphical") {
				t.Errorf("tasks: %d\n%s", code, out)
			}
			l.until("all done", func() bool {
				out, _ := l.command("tasks", "--state", "done", "--json")
				return strings.Count(out, `"state": "done"`) == 8
			})
			out, code = l.command("tasks", "show", seeds[1].id)
			if code != 0 || !strings.Contains(out, "smaller") || !strings.Contains(out, "INF rendered and verified") {
				t.Errorf("tasks show: %d\n%s", code, out)
			}
			if out, code = l.command("tasks", "retry", "--reason", "not_graphical"); code != 0 || !strings.Contains(out, "1 task is") {
				t.Errorf("tasks retry: %d\n%s", code, out)
			}
			if out, code = l.command("tasks", "retry", "11111111-1111-4111-8111-111111111111"); code != exitFailure || !strings.Contains(out, "no such task") {
				t.Errorf("retry of nothing: %d\n%s", code, out)
			}
			_, shown := l.get(metrics.Path, "", "")
			for _, want := range []string{
				`jumpserver_video_tasks{reason="",state="done"} 8`,
				`jumpserver_video_stage_duration_seconds_count{stage="rendering"} 8`,
				`jumpserver_video_core_requests_total{call="upload_replay",outcome="ok"} 8`,
				`jumpserver_video_task_attempts_total{reason="",state="done"} 8`,
				"jumpserver_video_volume_up 1", "jumpserver_video_core_online 1",
			} {
				if !strings.Contains(shown, want+"\n") {
					t.Errorf("metrics: no %s", want)
				}
			}
			if code := l.stop(); code != 0 {
				t.Errorf("the agent ended with %d", code)
			}
			for _, secret := range []string{"boot-secret", keySecret(t, l)} {
				if strings.Contains(l.agent.Log(), secret) {
					t.Error("a secret is in the log")
				}
			}
		})
	}
}

// keySecret reads the access key that the agent has stored.
func keySecret(t *testing.T, l *fixture) string {
	t.Helper()
	path := filepath.Join(l.dir, "data", "keys", ".access_key")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", st.Mode(), err)
	}
	_, secret, _ := strings.Cut(strings.TrimSpace(string(data)), ":")
	if len(secret) < 20 {
		t.Fatalf("key file: %q", data)
	}
	return secret
}

func TestARecordingThatArrivesWhileTheAgentRuns(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	const id = "eeeeeeee-1111-4111-8111-111111111111"
	l.put(id)
	l.until("served", func() bool { return l.served(id) == "mp4" })
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.core.SetRegistration(devcore.RegistrationOff)
	l.start()
	l.until("unhealthy", func() bool { return l.health() == http.StatusServiceUnavailable })
	l.until("told", func() bool { return strings.Contains(l.agent.Log(), "SECURITY_SERVICE_ACCOUNT_REGISTRATION") })
	l.core.SetRegistration(devcore.RegistrationOn)
}

func TestTwoAgentsDoNotShareADataFolder(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	out, code := l.command("agent")
	if code != exitFailure || !strings.Contains(out, "another agent uses") {
		t.Errorf("%d\n%s", code, out)
	}
}

func TestTheTaskAPIAndMetricsAreForThisHostOnly(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	for _, path := range []string{taskapi.Prefix + "/tasks", metrics.Path} {
		if status, _ := l.get(path, "X-Forwarded-For", "203.0.113.9"); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d through a proxy", path, status)
		}
		if status, _ := l.get(path, "", ""); status != http.StatusOK {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// get requests a page of the agent, with one header. Without a response, the status is 0,
// and the body is the error.
func (l *fixture) get(path, header, value string) (status int, body string) {
	l.t.Helper()
	headers := http.Header{}
	if header != "" {
		headers.Set(header, value)
	}
	status, body, err := l.agent.Get(l.t.Context(), path, headers)
	if err != nil {
		return 0, err.Error()
	}
	return status, body
}

// TestRazorsRecordingsOnTheVolume: recordings of each component that writes such files, and
// with each form of the file name, become MP4s.
func TestRazorsRecordingsOnTheVolume(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	packed, err := os.Open(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	dump, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	day := filepath.Join(l.replay(), sessionDay)
	if err := os.MkdirAll(day, 0o755); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, kind := range []string{"razor", "xrdp", "guacamole"} {
		for j, suffix := range []string{".replay.gz", ".guac", ""} {
			if testing.Short() && i != j {
				continue
			}
			id := fmt.Sprintf("%08x-%04x-4111-8111-111111111111", i, j)
			ids = append(ids, id)
			l.core.AddSession(devcore.Session{ID: id, User: "a(a)", Asset: "win", Account: "b(b)", Protocol: "rdp", TerminalType: kind,
				Start: sessionStart, Finished: true, HasReplay: true})
			data := dump
			if suffix == ".replay.gz" {
				data = gzipped(t, string(dump))
			}
			if err := os.WriteFile(filepath.Join(day, id+suffix), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.start()
	for _, id := range ids {
		l.until(id, func() bool { return l.served(id) == "mp4" })
	}
	l.until("the originals retired", func() bool {
		entries, err := os.ReadDir(day)
		return err == nil && len(entries) == len(ids)
	})
}
