package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/doctor"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// well returns the sources of a healthy agent.
func well() health.Sources {
	fine := func() error { return nil }
	return health.Sources{
		Core: func() coreapi.State { return coreapi.State{Name: "worker-1", Registered: true, Online: true} }, Queue: fine,
		Volume: func() watcher.Status { return watcher.Status{Available: true} }, Storage: fine, Takes: fine, Spool: fine, FFmpeg: fine,
	}
}

// reason is the reason of the failing part.
const reason = "the reason"

// failure is a part that fails, while all others work.
type failure struct {
	part   health.Part // "" = nothing fails
	breaks func(*health.Sources)
	mild   bool                           // the agent does its other work
	page   func(statuspage.Status) string // the page's text with the reason
}

// unhealthy reports whether the failure makes the agent unhealthy.
func (f failure) unhealthy() bool { return f.part != "" && !f.mild }

func failures() []failure {
	broken := func() error { return errors.New(reason) }
	refused := func(s statuspage.Status) string { return s.Uploads.Error }
	return []failure{
		{part: "", breaks: func(*health.Sources) {}},
		{health.Core, func(s *health.Sources) {
			s.Core = func() coreapi.State { return coreapi.State{LastError: reason} }
		}, false, func(s statuspage.Status) string { return s.Core.Error }},
		{health.Core, func(s *health.Sources) {
			s.Core = func() coreapi.State { return coreapi.State{Registered: true, LastError: reason} }
		}, true, func(s statuspage.Status) string { return s.Core.Error }},
		{health.Queue, func(s *health.Sources) { s.Queue = broken }, false, func(s statuspage.Status) string { return s.Queue.Error }},
		{health.Volume, func(s *health.Sources) {
			s.Volume = func() watcher.Status { return watcher.Status{Reason: reason} }
		}, false, func(s statuspage.Status) string { return s.Volume.Reason }},
		{health.Storage, func(s *health.Sources) { s.Storage = broken }, false, func(s statuspage.Status) string { return s.Storage.Error }},
		{health.Spool, func(s *health.Sources) { s.Spool = broken }, false, refused},
		{health.FFmpeg, func(s *health.Sources) { s.FFmpeg = broken }, false, refused},
		{health.Uploads, func(s *health.Sources) { s.Takes = broken }, true, refused},
		{health.Tasks, func(s *health.Sources) {
			s.Tasks = func() health.Work {
				return health.Work{Retrying: 1, Held: true, Reason: task.ClassReadOnly, Error: reason}
			}
		}, false, nil},
		{health.Steering, func(s *health.Sources) { s.Paused = broken }, true, nil},
		{health.Notify, func(s *health.Sources) { s.Notify = broken }, true, nil},
	}
}

// TestAllWhoTellHowTheAgentIsAgree: the health endpoint, the status page, the metrics, the
// status line, and the doctor report the same failures with the same reasons.
func TestAllWhoTellHowTheAgentIsAgree(t *testing.T) {
	for name, value := range map[string]string{
		"REPLAY_DIR": t.TempDir(), "CORE_HOST": "http://127.0.0.1:9", "BIND_HOST": "127.0.0.1", "BOOTSTRAP_TOKEN": "boot-secret",
		"QUEUE_URL": "", "SPOOL_DIR": "", "STATUS_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	for _, f := range failures() {
		t.Run("fails: "+string(f.part), func(t *testing.T) {
			t.Setenv("DATA_DIR", t.TempDir())
			cfg, err := config.Load("")
			if err != nil {
				t.Fatal(err)
			}
			a, err := newAgent(t.Context(), cfg, defaultOptions(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(a.close)
			sources := well()
			f.breaks(&sources)
			a.view.health = sources
			server := httptest.NewServer(a.handler)
			t.Cleanup(server.Close)

			report := f.inHealth(t, server.URL)
			f.inMetrics(t, server.URL, report.Conditions)
			f.inPage(t, server.URL)
			if line := statusLine(a.view); strings.Contains(line, reason) != (f.part != "") {
				t.Errorf("status line: %s", line)
			}
			f.inDoctor(t, cfg, server, report.Conditions)
		})
	}
}

// TestTheStatusLineOfAnAgentWithoutItsQueue: it says what the agent waits for, and not that
// the agent is stopping.
func TestTheStatusLineOfAnAgentWithoutItsQueue(t *testing.T) {
	for name, value := range map[string]string{
		"REPLAY_DIR": "", "CORE_HOST": "http://127.0.0.1:9", "BOOTSTRAP_TOKEN": "boot-secret", "DATA_DIR": t.TempDir(),
		"QUEUE_URL": "nats://127.0.0.1:9", "SPOOL_DIR": "",
	} {
		t.Setenv(name, value)
	}
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAgent(t.Context(), cfg, defaultOptions(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	line := statusLine(a.view)
	for _, want := range []string{"waiting for core: not registered yet; waiting for the queue; ", "the queue cannot be reached", "replay storage: core has not said"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q, want %q in it", line, want)
		}
	}
}

func (f failure) inHealth(t *testing.T, url string) (report health.Report) {
	t.Helper()
	status, body := fetch(t, url+"/video-worker/health/")
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err)
	}
	bad := f.unhealthy()
	if (status == http.StatusServiceUnavailable) != bad || (report.Status == health.Failing) != bad || (report.Status == health.Well) != (f.part == "") ||
		(len(report.Reasons) == 1) != (f.part != "") {
		t.Errorf("health: %d %s", status, body)
	}
	failing := report.Conditions.Failing()
	if f.part == "" && len(failing) > 0 || f.part != "" && (len(failing) != 1 || failing[0].Part != f.part) {
		t.Errorf("health: %s", body)
	}
	return report
}

func (f failure) inMetrics(t *testing.T, url string, conditions health.Conditions) {
	t.Helper()
	_, body := fetch(t, url+metrics.Path)
	for _, c := range conditions {
		want := `jumpserver_video_condition{part="` + string(c.Part) + `"} ` + map[bool]string{true: "1", false: "0"}[c.OK] + "\n"
		if !strings.Contains(body, want) {
			t.Errorf("metrics: no %s", want)
		}
	}
	if held := strings.Contains(body, "\njumpserver_video_held{reason=\"read_only\"} 1\n"); held != (f.part == health.Tasks) || !held && strings.Contains(body, "jumpserver_video_held{") {
		t.Errorf("metrics: held: %t", held)
	}
}

func (f failure) inPage(t *testing.T, url string) {
	t.Helper()
	_, body := fetch(t, url+statuspage.StatusPath)
	var page statuspage.Status
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if f.page != nil && f.page(page) != reason {
		t.Errorf("status page: %q", f.page(page))
	}
	if said := page.Core.Error + page.Queue.Error + page.Volume.Reason + page.Storage.Error + page.Uploads.Error; (said == "") != (f.page == nil) {
		t.Errorf("status page: %q", said)
	}
	if told := page.Health.Troubles; (page.Health.Level == health.Well) != (f.part == "") || f.part != "" && (len(told) == 0 || told[0].Part != f.part || told[0].Say.IsZero()) {
		t.Errorf("status page: %+v", page.Health)
	}
}

func (f failure) inDoctor(t *testing.T, cfg config.Config, server *httptest.Server, conditions health.Conditions) {
	t.Helper()
	cfg.Port = config.Port(server.Listener.Addr().(*net.TCPAddr).Port)
	all := (&doctor.Doctor{Config: cfg, UserAgent: userAgent()}).Examine(t.Context())
	i := slices.IndexFunc(all, func(f doctor.Finding) bool { return f.Check == "agent" })
	if i < 0 {
		t.Fatalf("the doctor says nothing about the agent: %+v", all)
	}
	found := all[i]
	if (found.Level == doctor.OK) != (f.part == "") || strings.Contains(found.Detail.String(), "not healthy") != f.unhealthy() {
		t.Errorf("doctor: %+v", found)
	}
	for _, c := range conditions.Failing() {
		if !strings.Contains(found.Detail.String(), c.String()) {
			t.Errorf("doctor: %+v, want %s", found, c)
		}
	}
}

// fetch requests a page of a server.
func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
