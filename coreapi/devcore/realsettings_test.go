package devcore

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// As in realcore_test.go: what core does on its own schedule, and what
// administrators set.

func TestExpiryCountsSecondsOrWholeDays(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		now := s.clock.Now()
		for name, age := range map[string]time.Duration{
			"a.replay.gz": 200*24*time.Hour + time.Second, "b.replay.gz": 200*24*time.Hour - time.Second, "c.replay.gz": 201 * 24 * time.Hour,
			"../.jumpserver-video-trash/2024-01-01/d.replay.gz": 201 * 24 * time.Hour, "../.jumpserver-video-trash/2024-01-01/d.replay.gz~2": 201 * 24 * time.Hour,
		} {
			s.put("replay/"+day+"/"+name, "x")
			if err := os.Chtimes(filepath.Join(s.media, "replay", day, name), now.Add(-age), now.Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
		removed, err := s.Expire()
		if err != nil {
			t.Fatal(err)
		}
		for i := range removed {
			removed[i] = filepath.Base(removed[i])
		}
		slices.Sort(removed)
		want := []string{"c.replay.gz", "d.replay.gz"}
		if s.v4() {
			want = append([]string{"a.replay.gz"}, want...)
		}
		if d := cmp.Diff(want, removed); d != "" {
			t.Error(d)
		}
	})
}

func TestStoragesShowTheirSettingsToAdministratorsOnly(t *testing.T) {
	const path = "/api/v1/terminal/replay-storages/"
	each(t, func(t *testing.T, s *testCore) {
		admin := s.admin()
		meta := `"meta":{"BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"http://e"}`
		made := map[string]answer{
			"silent": s.as(admin, "POST", path, `{"name":"silent","type":"s3",`+meta+`}`),
			"whole":  s.as(admin, "POST", path+"?type=s3", `{"name":"whole","type":"s3",`+meta+`}`),
		}
		for _, row := range s.call("GET", path+"?limit=9", "").json(t)["results"].([]any) {
			if got := row.(map[string]any)["meta"].(map[string]any); len(got) > 0 {
				t.Errorf("%v", row)
			}
		}
		for name, want := range map[string]int{"silent": 0, "whole": 4} {
			if made[name].status != 201 {
				t.Fatal(name, made[name].status, made[name].body)
			}
			one := path + made[name].json(t)["id"].(string) + "/"
			if a := s.call("GET", one, ""); a.status != 403 {
				t.Error("a component:", a.status)
			}
			if got := s.as(admin, "GET", one, "").json(t)["meta"].(map[string]any); len(got) != want {
				t.Errorf("%s: %v", name, got)
			}
			id := s.Components()[0].ID
			if a := s.as(admin, "PATCH", "/api/v1/terminal/terminals/"+id+"/", `{"replay_storage":"`+name+`"}`); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
			got := s.call("GET", "/api/v1/terminal/terminals/config/", "").json(t)["TERMINAL_REPLAY_STORAGE"].(map[string]any)
			if got["TYPE"] != "s3" || len(got) != want+1 {
				t.Errorf("%s: the component gets %v", name, got)
			}
		}
	})
}

func TestHowRegistrationIsOpenedAndClosed(t *testing.T) {
	s := newTestCore(t, "4.10.16")
	admin := s.admin()
	n := 0
	open := func() bool {
		n++
		return s.registration(`{"name":"w`+string(rune('a'+n))+`","type":"video_worker"}`).status == 201
	}
	set := func(value string) int {
		return s.as(admin, "PATCH", "/api/v1/settings/setting/?category=terminal", `{"SECURITY_SERVICE_ACCOUNT_REGISTRATION":`+value+`}`).status
	}
	s.clock.pass(time.Hour)
	if open() {
		t.Error("open an hour after the start")
	}
	s.SetDeploying(true)
	if !open() {
		t.Error("closed while an applet host is deployed")
	}
	s.SetDeploying(false)
	for value, want := range map[string]struct {
		status int
		open   bool
	}{`true`: {200, true}, `false`: {200, false}, `"auto"`: {200, false}} {
		if status := set(value); status != want.status || open() != want.open {
			t.Errorf("%s: %d", value, status)
		}
	}
	if status := set(`"true"`); status != 400 {
		t.Errorf("as a text: %d", status)
	}
	if a := s.call("PATCH", "/api/v1/settings/setting/?category=terminal", `{}`); a.status != 403 {
		t.Error("a component:", a.status)
	}
}

func TestAnOrganizationsIDIsIgnoredInTheCommunityEdition(t *testing.T) {
	const orgB = "11111111-2222-4333-8444-555555555555"
	for _, enterprise := range []bool{false, true} {
		each(t, func(t *testing.T, s *testCore) {
			session, _ := s.Session(sid)
			session.Org = orgB
			s.AddSession(session)
			for org, want := range map[string]int{"ROOT": 200, "": 404, "DEFAULT": 404, orgB: map[bool]int{true: 200, false: 404}[enterprise]} {
				a := s.call("GET", sessionPath, "", func(r *http.Request) { r.Header.Set("X-JMS-ORG", org) })
				if a.status != want {
					t.Errorf("enterprise %v, %q: %d", enterprise, org, a.status)
				}
			}
		}, func(o *Options) { o.Enterprise = enterprise })
	}
}

func TestCommasOfReasons(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		long := strings.Repeat("x", 5000)
		for _, reason := range []string{"a, b, c", long} {
			body, _ := json.Marshal(map[string]string{"event": "replay_convert_failure", "reason": reason})
			if a := s.call("POST", sessionPath+"lifecycle_log/", string(body)); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
		}
		want := "a, b, c"
		if s.v4() {
			want = "a b c"
		}
		events := s.Events(sid)
		if events[0].Text != want || events[0].Garbled == s.v4() || events[1].Text != long {
			t.Errorf("%q, garbled %v", events[0].Text, events[0].Garbled)
		}
	})
}

func TestOrphansCountAsOver(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		const live, orphan = "0b9d5f1e-6c1a-4f0e-8f3a-000000000001", "0b9d5f1e-6c1a-4f0e-8f3a-000000000002"
		s.AddSession(Session{ID: live, Terminal: "[VideoWorker]-test", Protocol: "rdp"})
		s.AddSession(Session{ID: orphan, TerminalType: "lion", Protocol: "rdp"})
		s.call("POST", "/api/v1/terminal/terminals/status/", `{"sessions":[]}`)
		s.clock.pass(2 * time.Minute)
		if d := cmp.Diff([]string{orphan}, s.FinishOrphans()); d != "" {
			t.Error(d)
		}
		if got, _ := s.Session(orphan); !got.Finished || !got.End.Equal(s.clock.Now()) {
			t.Errorf("%+v", got)
		}
		s.clock.pass(2 * time.Minute)
		if d := cmp.Diff([]string{live}, s.FinishOrphans()); d != "" {
			t.Error(d)
		}
	})
}

func TestSizesOfReplaysHave63Bits(t *testing.T) {
	for version, knows := range map[string]bool{"3.10.9": false, "4.10.3": false, "4.10.16": true} {
		s := newTestCore(t, version)
		for size, fits := range map[string]bool{"73400320": true, "9223372036854775807": true, "9223372036854775808": false} {
			a := s.call("PATCH", sessionPath, `{"replay_size":`+size+`}`)
			if want := map[bool]int{true: 200, false: 400}[fits || !knows]; a.status != want {
				t.Errorf("%s, %s: %d %s", version, size, a.status, a.body)
			}
			if got, _ := s.Session(sid); !knows && got.ReplaySize != 0 || knows && size == "9223372036854775807" && got.ReplaySize != 1<<63-1 {
				t.Errorf("%s, %s: %d", version, size, got.ReplaySize)
			}
		}
	}
}

func TestV3FailsToChangeSessionsOnPostgreSQL(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		want := 500
		if s.v4() {
			want = 200
		}
		if a := s.call("PATCH", sessionPath, `{"has_replay":true}`); a.status != want {
			t.Errorf("%d %s", a.status, a.body)
		}
	}, func(o *Options) { o.PostgreSQL = true })
}

func TestHeartbeatsCannotBeRead(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		if a := s.call("GET", "/api/v1/terminal/terminals/status/", ""); a.status != 200 || a.body != "[]" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}
