package coreapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSessionIsReadAsCorePrintsIt(t *testing.T) {
	for _, name := range []string{"v3.10.9", "v4.10.13"} {
		b, err := os.ReadFile("testdata/session-" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var s Session
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		cst := time.FixedZone("", 8*3600)
		want := Session{
			ID: testSession, User: "Lee(lee)", Asset: "win-07(10.3.4.7)", Account: "ops(ops)", Protocol: "rdp", IsFinished: true, HasReplay: name != "v3.10.9",
			DateStart: time.Date(2024, 4, 24, 1, 15, 7, 0, cst), DateEnd: time.Date(2024, 4, 24, 2, 0, 0, 0, cst),
			Terminal: Terminal{Type: "lion"},
		}
		if name == "v4.10.13" {
			want.ReplaySize = 73400320
		}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if s.DateDir() != "2024-04-23" {
			t.Errorf("%s: stored under %s", name, s.DateDir())
		}
	}
}

func TestDateDirIsTheDayInUTC(t *testing.T) {
	for printed, want := range map[string]string{
		"2024/04/24 07:59:59 +0800":        "2024-04-23",
		"2024/04/24 08:00:00 +0800":        "2024-04-24",
		"2024/04/23 16:29:59 -0730":        "2024-04-23",
		"2024/04/23 16:30:00 -0730":        "2024-04-24",
		"2024/01/01 00:00:00 +0000":        "2024-01-01",
		"2025-11-20 17:15:07 +0000":        "2025-11-20",
		"2024-04-24T01:15:07.123456+08:00": "2024-04-23",
		"2024-04-23T23:59:59Z":             "2024-04-23",
	} {
		var s Session
		if err := json.Unmarshal([]byte(`{"id":"x","date_start":"`+printed+`"}`), &s); err != nil {
			t.Error(err)
		} else if got := s.DateDir(); got != want {
			t.Errorf("%s: got %s, want %s", printed, got, want)
		}
	}
}

func TestSessionToleratesWhatCoreMayLeaveOut(t *testing.T) {
	var s Session
	err := json.Unmarshal([]byte(`{"id":"x","date_start":"2024/04/24 01:15:07 +0800","date_end":null,"terminal":null}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	if s.HasReplay || !s.DateEnd.IsZero() || s.Terminal != (Terminal{}) {
		t.Errorf("%+v", s)
	}
}

// TestSessionIsReadWhateverTheFieldsThatAreNotNeeded: a newer core may print those
// fields in another form.
func TestSessionIsReadWhateverTheFieldsThatAreNotNeeded(t *testing.T) {
	for _, value := range []string{`null`, `""`, `"yes"`, `7`, `[]`, `{"value":1}`} {
		var s Session
		err := json.Unmarshal([]byte(`{"id":"x","protocol":"vnc","is_finished":true,"date_start":"2024-04-23T23:59:59Z","terminal":{"type":"lion","id":`+value+`},
			"has_replay":`+value+`,"date_end":`+value+`,"user":`+value+`,"type":`+value+`,"error_reason":`+value+`,"replay_size":`+value+`}`), &s)
		want := Session{
			ID: "x", Protocol: "vnc", IsFinished: true, DateStart: time.Date(2024, 4, 23, 23, 59, 59, 0, time.UTC), Terminal: Terminal{Type: "lion"},
			ReplayUnknown: true,
		}
		if value == "7" { // 7 is a valid size
			want.ReplaySize = 7
		}
		_ = json.Unmarshal([]byte(value), &want.User) // any text is valid
		if diff := cmp.Diff(want, s); err != nil || diff != "" {
			t.Errorf("%s: %v %s", value, err, diff)
		}
	}
}

func TestSessionWithoutUsableDateIsRefused(t *testing.T) {
	for _, bad := range []string{`null`, `""`, `"2024/04/24 01:15:07"`, `"yesterday"`, `7`} {
		var s Session
		if err := json.Unmarshal([]byte(`{"id":"x","date_start":`+bad+`}`), &s); err == nil {
			t.Errorf("%s taken for %v", bad, s.DateStart)
		}
	}
}

func TestGraphicalSessionsAreThoseOfCore(t *testing.T) {
	for _, tt := range []struct {
		terminal, protocol string
		want               bool
	}{
		{"lion", "mysql", true}, {"razor", "ssh", true}, {"xrdp", "", true}, {"guacamole", "", true},
		{"koko", "rdp", true}, {"", "vnc", true},
		{"koko", "ssh", false}, {"chen", "mysql", false}, {"", "", false},
	} {
		s := Session{Terminal: Terminal{Type: tt.terminal}, Protocol: tt.protocol}
		if got := s.Graphical(); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestSessionIdsReachCoreInItsOwnForm(t *testing.T) {
	var path string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		reply(w, 200, `{"id":"x","date_start":"2024-04-23T23:59:59Z"}`)
	})
	if _, err := c.Session(t.Context(), "0B9D5F1E-6C1A-4F0E-8F3A-2D1C0B9A8E7F"); err != nil {
		t.Fatal(err)
	}
	if want := "/api/v1/terminal/sessions/" + testSession + "/"; path != want {
		t.Errorf("got %s", path)
	}
	for _, bad := range []string{"", "x", "../../users/profile", "{" + testSession + "}", testSession + "/.."} {
		path = ""
		if _, err := c.Session(t.Context(), bad); !errors.Is(err, ErrNotFound) || path != "" {
			t.Errorf("%q: %v, asked for %q", bad, err, path)
		}
	}
}

func TestSessionsAsksForABoundedPage(t *testing.T) {
	var got url.Values
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query()
		reply(w, 200, `{"count":7,"next":"http://x","previous":null,"results":[{"id":"x","date_start":"2024-04-23T23:59:59Z"}]}`)
	})
	for _, tt := range []struct {
		query SessionQuery
		want  url.Values
	}{
		{SessionQuery{}, url.Values{"limit": {"100"}, "offset": {"0"}}},
		{SessionQuery{Limit: 1 << 30}, url.Values{"limit": {"1000"}, "offset": {"0"}}},
		{SessionQuery{Limit: -1}, url.Values{"limit": {"1"}, "offset": {"0"}}},
		{SessionQuery{IDs: []string{"a", "b"}, Limit: 2}, url.Values{"ids": {"a,b"}, "limit": {"2"}, "offset": {"0"}}},
	} {
		p, err := c.Sessions(t.Context(), tt.query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
		if p.Count != 7 || !p.More || len(p.Sessions) != 1 {
			t.Errorf("%+v", p)
		}
	}
}

func TestMarksSayNoMoreThanTheyShould(t *testing.T) {
	var got map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch {
			t.Errorf("method %s", r.Method)
		}
		got = decode(t, r.Body)
		reply(w, 200, `{}`)
	})
	for _, tt := range []struct {
		mark func() error
		want map[string]any
	}{
		{func() error { return c.MarkReplay(t.Context(), testSession, 73400320) }, map[string]any{"has_replay": true, "replay_size": 73400320.0}},
		{func() error { return c.MarkReplay(t.Context(), testSession, 0) }, map[string]any{"has_replay": true}},
		{func() error { return c.MarkConvertFailed(t.Context(), testSession) }, map[string]any{"error_reason": "replay_convert_failed"}},
	} {
		if err := tt.mark(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
	}
}
