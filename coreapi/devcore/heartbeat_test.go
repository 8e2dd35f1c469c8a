package devcore

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

const statusPath = "/api/v1/terminal/terminals/status/"

func TestHeartbeat(t *testing.T) {
	for _, v := range versions {
		s := newTestCore(t, v)
		for _, tt := range []struct {
			name, body string
			status     int
			field      string
		}{
			{"whole", `{"sessions":[],"session_online":0,"cpu_load":0.42,"memory_used":37.5,"disk_used":61.0,"extra":1}`, 201, ""},
			{"least", `{"sessions":[]}`, 201, ""},
			{"live sessions", `{"sessions":["` + sid + `"]}`, 201, ""},
			{"gauge as text", `{"sessions":[],"cpu_load":"0.5"}`, 201, ""},
			{"no sessions", `{"cpu_load":0}`, 400, "sessions"},
			{"null sessions", `{"sessions":null}`, 400, "sessions"},
			{"sessions no list", `{"sessions":"x"}`, 400, "sessions"},
			{"null gauge", `{"sessions":[],"disk_used":null}`, 400, "disk_used"},
			{"gauge no number", `{"sessions":[],"memory_used":"much"}`, 400, "memory_used"},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				s.clock.pass(onlineFor)
				a := s.call("POST", statusPath, tt.body)
				if a.status != tt.status {
					t.Fatalf("%d %s", a.status, a.body)
				}
				if tt.field != "" && a.json(t)[tt.field] == nil || tt.field == "" && a.body != "[]" {
					t.Error(a.body)
				}
				if got := s.Components()[0].Online; got != (tt.status == 201) {
					t.Errorf("online: %v", got)
				}
			})
		}
	}
}

func TestComponentIsOnlineFor180Seconds(t *testing.T) {
	s := newTestCore(t, "3.10.9")
	state := func() Component { return s.Components()[0] }
	if state().Online || state().Load != "offline" {
		t.Error("online before the first beat")
	}
	for range 3 {
		s.call("POST", "/api/v1/terminal/status/", `{"sessions":[]}`)
		s.clock.pass(179 * time.Second)
		if !state().Online || state().Load != "normal" {
			t.Error("offline after 179 s")
		}
	}
	s.clock.pass(time.Second)
	if state().Online || state().Load != "offline" {
		t.Error("online after 180 s")
	}
}

func TestLoadIsTheWorstGauge(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	for _, tt := range []struct{ body, want string }{
		{`{"sessions":[],"cpu_load":5,"memory_used":85,"disk_used":80}`, "normal"},
		{`{"sessions":[],"cpu_load":5.04}`, "normal"}, // rounded
		{`{"sessions":[],"cpu_load":5.1}`, "high"},
		{`{"sessions":[],"disk_used":81,"memory_used":95}`, "high"},
		{`{"sessions":[],"memory_used":95.1}`, "critical"},
		{`{"sessions":[],"disk_used":-1}`, "critical"},
	} {
		if a := s.call("POST", statusPath, tt.body); a.status != 201 {
			t.Fatal(a.body)
		}
		if got := s.Components()[0].Load; got != tt.want {
			t.Errorf("%s: %s", tt.body, got)
		}
		row := s.call("GET", "/api/v1/terminal/terminals/?type=video_worker&limit=10", "").json(t)["results"].([]any)[0].(map[string]any)
		if row["load"].(map[string]any)["value"] != tt.want || row["is_alive"] != true {
			t.Errorf("%s: %v", tt.body, row)
		}
		metrics := s.call("GET", "/api/v1/terminal/components/metrics/", "").body
		if !strings.Contains(metrics, `"`+tt.want+`":["[VideoWorker]-test"]`) {
			t.Errorf("%s: %s", tt.body, metrics)
		}
	}
}

// dial opens the worker's socket.
func (s *testCore) dial(ctx context.Context, k key) (*websocket.Conn, *http.Response, error) {
	r := s.request("GET", "/ws/terminal-task/", nil)
	Sign(r, k.id, k.secret, vectorDate)
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+"/ws/terminal-task/",
		&websocket.DialOptions{HTTPClient: s.http, HTTPHeader: r.Header})
	return conn, resp, err
}

func TestSocket(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			conn, _, err := s.dial(ctx, s.key)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			kind, b, err := conn.Read(ctx)
			if err != nil || kind != websocket.MessageBinary || string(b) != "[]" {
				t.Fatalf("first frame: %v %q %v", kind, b, err)
			}
			// Invalid heartbeats are ignored, and the socket stays open.
			for _, text := range []string{`{"type":"status","payload":{"sessions":null}}`, `{"type":"status","payload":{}}`, `{"type":"other"}`, `nonsense`} {
				if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			// Core sends the task only after the first lists.
			if _, err := s.AddTask("[VideoWorker]-test", Task{ID: "t1", Name: "kill_session", Args: sid}); err != nil {
				t.Fatal(err)
			}
			if _, b, err = conn.Read(ctx); err != nil || !strings.Contains(string(b), `"kill_session"`) {
				t.Fatalf("task: %q %v", b, err)
			}
			if err := conn.Ping(conn.CloseRead(ctx)); err != nil {
				t.Fatal(err)
			}
			if s.Components()[0].Online {
				t.Error("an invalid beat counted")
			}
			beat := `{"type":"status","payload":{"sessions":[],"session_online":0,"cpu_load":0.5,"memory_used":1,"disk_used":2}}`
			if err := conn.Write(ctx, websocket.MessageText, []byte(beat)); err != nil {
				t.Fatal(err)
			}
			waittest.Until(t, "online", func() bool { return s.Components()[0].Online })
			want := Stat{Sessions: []string{}, CPULoad: 0.5, MemoryUsed: 1, DiskUsed: 2}
			if diff := cmp.Diff(want, s.Components()[0].Stat); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSocketRefusesStrangers(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	person, secret, err := s.AddUser(User{Username: "lee"})
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]key{"wrong secret": {s.key.id, "x"}, "no terminal": {person, secret}} {
		_, resp, err := s.dial(t.Context(), k)
		if err == nil || resp == nil || resp.StatusCode != 403 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTasksAreHandedOutUntilAcknowledged(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	id, err := s.AddTask("[VideoWorker]-test", Task{Name: "lock_session", Args: sid})
	if err != nil {
		t.Fatal(err)
	}
	beat := func() string { return s.call("POST", statusPath, `{"sessions":[]}`).body }
	if got := beat(); !strings.Contains(got, id) || !strings.Contains(got, `"is_finished":false`) {
		t.Error(got)
	}
	if a := s.call("PATCH", "/api/v1/terminal/tasks/"+id+"/", `{"is_finished":true}`); a.status != 200 {
		t.Error(a.body)
	}
	if got := beat(); got != "[]" || !s.Tasks("[VideoWorker]-test")[0].Finished {
		t.Error(got)
	}
	if _, err := s.AddTask("[VideoWorker]-test", Task{Name: "lock_session"}); err != nil {
		t.Fatal(err)
	}
	s.clock.pass(11 * time.Minute)
	if got := beat(); got != "[]" {
		t.Errorf("after 11 minutes: %s", got)
	}
	if a := s.call("PATCH", "/api/v1/terminal/tasks/nothing/", `{"is_finished":true}`); a.status != 404 {
		t.Error(a.body)
	}
	if _, err := s.AddTask("nobody", Task{}); err == nil {
		t.Error("a task for nobody")
	}
}

func TestTerminalConfig(t *testing.T) {
	bucket := map[string]any{"TYPE": "s3", "BUCKET": "b", "ACCESS_KEY": "ak", "SECRET_KEY": "sk", "ENDPOINT": "http://minio:9000"}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v, func(o *Options) {
				o.KeepDays = 30
				o.External = []Storage{{Name: "minio", Config: bucket}}
			})
			config := func() map[string]any { return s.call("GET", "/api/v1/terminal/terminals/config/", "").json(t) }
			got := config()
			if diff := cmp.Diff(map[string]any{"TYPE": "server"}, got["TERMINAL_REPLAY_STORAGE"]); diff != "" {
				t.Error(diff)
			}
			if got["TERMINAL_SESSION_KEEP_DURATION"] != 30.0 {
				t.Error(got)
			}
			if _, licence := got["XPACK_LICENSE_IS_VALID"]; licence != strings.HasPrefix(v, "4") {
				t.Errorf("licence %v", licence)
			}
			// The default applies at registration; a component's own storage can be
			// changed at any time.
			if err := s.SetReplayStorage("", bucket); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"TYPE": "server"}, config()["TERMINAL_REPLAY_STORAGE"]); diff != "" {
				t.Error(diff)
			}
			s.key = s.register("second")
			if diff := cmp.Diff(bucket, config()["TERMINAL_REPLAY_STORAGE"]); diff != "" {
				t.Error(diff)
			}
			odd := map[string]any{"default": map[string]any{"TYPE": "server"}}
			if err := s.SetReplayStorage("second", odd); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(odd, config()["TERMINAL_REPLAY_STORAGE"]); diff != "" {
				t.Error(diff)
			}
			if err := s.SetReplayStorage("nobody", odd); err == nil {
				t.Error("a storage for nobody")
			}
			list := s.call("GET", "/api/v1/terminal/replay-storages/", "").body
			if !strings.Contains(list, `"minio"`) || strings.Contains(list, "sk") || strings.Contains(list, `"ak"`) {
				t.Error(list)
			}
		})
	}
}
