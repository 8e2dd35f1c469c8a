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
			ID: testSession, User: "Lee(lee)", UserID: "u", Asset: "win-07(10.3.4.7)", AssetID: "a",
			Account: "ops(ops)", AccountID: "c", Protocol: "rdp", RemoteAddr: "10.9.9.9",
			Type: "normal", LoginFrom: "WT", IsSuccess: true, IsFinished: true,
			DateStart: time.Date(2024, 4, 24, 1, 15, 7, 0, cst), DateEnd: time.Date(2024, 4, 24, 2, 0, 0, 0, cst),
			Terminal: Terminal{ID: "t", Name: "[Lion]-jms_lion-QwErTyU", Type: "lion"},
			OrgID:    "00000000-0000-0000-0000-000000000002", OrgName: "DEFAULT",
		}
		if name != "v3.10.9" {
			want.ReplaySize, want.ErrorReason, want.HasReplay = 73400320, "replay_convert_failed", true
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
	err := json.Unmarshal([]byte(`{"id":"x","date_start":"2024/04/24 01:15:07 +0800","date_end":null,"terminal":null,
		"type":"tunnel","login_from":null,"error_reason":{"value":null,"label":"x"},"user_id":null}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	if s.Type != "tunnel" || s.LoginFrom != "" || s.ErrorReason != "" || !s.DateEnd.IsZero() || s.Terminal != (Terminal{}) {
		t.Errorf("%+v", s)
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
		{SessionQuery{Limit: 1 << 30, Offset: -1}, url.Values{"limit": {"1000"}, "offset": {"0"}}},
		{
			SessionQuery{
				FinishedOnly: true, Terminal: "t", Protocol: "rdp", Order: "date_start", Limit: 5, Offset: 10,
				From: time.Date(2024, 4, 24, 1, 0, 0, 0, time.FixedZone("", 8*3600)),
				To:   time.Date(2024, 4, 25, 0, 0, 0, 0, time.UTC),
			},
			url.Values{
				"is_finished": {"1"}, "terminal": {"t"}, "protocol": {"rdp"}, "order": {"date_start"}, "limit": {"5"}, "offset": {"10"},
				"date_from": {"2024-04-23T17:00:00Z"}, "date_to": {"2024-04-25T00:00:00Z"},
			},
		},
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
