package devcore

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSessionDetail(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			s.AddSession(Session{
				ID: strings.ToUpper(sid), User: "Lee(lee)", UserID: "u", Asset: "win-07(10.3.4.7)", AssetID: "a",
				Account: "ops(ops)", AccountID: "c", Protocol: "rdp", RemoteAddr: "10.9.9.9", TerminalType: "lion",
				Start: began, End: began.Add(44*time.Minute + 53*time.Second), Finished: true, ReplaySize: 5,
			})
			a := s.call("GET", sessionPath, "")
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			got := a.json(t)
			terminal := got["terminal"].(map[string]any)
			if terminal["type"] != "lion" || terminal["name"] != got["terminal_display"] {
				t.Errorf("terminal %v", terminal)
			}
			delete(got, "terminal")
			delete(got, "terminal_display")
			want := map[string]any{
				"id": sid, "user": "Lee(lee)", "user_id": "u", "asset": "win-07(10.3.4.7)", "asset_id": "a",
				"account": "ops(ops)", "account_id": "c", "protocol": "rdp", "remote_addr": "10.9.9.9",
				"type":       map[string]any{"value": "normal", "label": "Normal"},
				"login_from": map[string]any{"value": "WT", "label": "Web Terminal"},
				"is_success": true, "is_finished": true, "has_replay": false, "has_command": false,
				// The folder on disk is that of the previous day.
				"date_start": "2024/04/24 01:15:07 +0800", "date_end": "2024/04/24 02:00:00 +0800", "duration": "0:44:53",
				"comment": nil, "is_locked": false, "command_amount": 0.0, "error_reason": map[string]any{"value": "", "label": ""},
				"can_replay": false, "can_join": false, "can_terminate": false,
				"org_id": orgDefault, "org_name": "DEFAULT",
			}
			if slices.Contains([]string{"4.10.13", "4.10.16", "4.10.17"}, v) {
				want["replay_size"] = 5.0
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSessionIDs(t *testing.T) {
	for _, v := range versions {
		s := newTestCore(t, v)
		bad := 500
		if v == "3.10.9" {
			bad = 404
		}
		for _, tt := range []struct {
			id     string
			status int
			code   string
		}{
			{"11111111-1111-4111-8111-111111111111", 404, "object_does_not_exist"},
			{strings.ToUpper(sid), 200, ""},
			{"nonsense", bad, ""},
		} {
			a := s.call("GET", "/api/v1/terminal/sessions/"+tt.id+"/", "")
			if a.status != tt.status || tt.code != "" && a.code() != tt.code {
				t.Errorf("%s %s: %d %s", v, tt.id, a.status, a.body)
			}
		}
	}
}

func TestDatesFollowZones(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	start := func(zone string) any {
		return s.call("GET", sessionPath, "", func(r *http.Request) { r.Header.Set("X-TZ", zone) }).json(t)["date_start"]
	}
	for zone, want := range map[string]string{
		"": "2024/04/24 01:15:07 +0800", "UTC": "2024/04/23 17:15:07 +0000", "Nowhere/Land": "2024/04/24 01:15:07 +0800",
	} {
		if got := start(zone); got != want {
			t.Errorf("%q: %v", zone, got)
		}
	}
	s = newTestCore(t, "4.10.13", func(o *Options) { o.TimeZone = time.UTC })
	if got := start(""); got != "2024/04/23 17:15:07 +0000" {
		t.Error(got)
	}
	s.AddSession(Session{ID: sid, Start: began})
	if got := s.call("GET", sessionPath, "").json(t); got["date_end"] != nil || got["terminal"] != nil || got["duration"] != "1 day, 0:00:00" {
		t.Errorf("live session: %v", got)
	}
}

func TestPatchSession(t *testing.T) {
	for _, v := range versions {
		sized := slices.Contains([]string{"4.10.13", "4.10.16", "4.10.17"}, v)
		s := newTestCore(t, v)
		for _, tt := range []struct {
			name, body string
			status     int
			check      func(Session) bool
		}{
			{"replay", `{"has_replay":true}`, 200, func(s Session) bool { return s.HasReplay }},
			{"replay and size", `{"has_replay":true,"replay_size":73400320}`, 200, func(s Session) bool {
				return s.HasReplay && (s.ReplaySize == 73400320) == sized
			}},
			{"replay in words", `{"has_replay":"no"}`, 200, func(s Session) bool { return !s.HasReplay }},
			{"replay in other words", `{"has_replay":"perhaps"}`, 400, nil},
			{"nothing", `{}`, 200, nil},
			{"unknown field", `{"colour":"red"}`, 200, nil},
			{"failure", `{"error_reason":"replay_convert_failed"}`, 200, func(s Session) bool { return s.ErrorReason == "replay_convert_failed" }},
			{"failure cleared by empty text", `{"error_reason":""}`, 400, func(s Session) bool { return s.ErrorReason != "" }},
			{"failure cleared by null", `{"error_reason":null}`, 400, func(s Session) bool { return s.ErrorReason != "" }},
			{"unknown failure", `{"error_reason":"bad_luck"}`, 400, func(s Session) bool { return s.ErrorReason == "replay_convert_failed" }},
			{"nothing of a bad request counts", `{"has_replay":true,"error_reason":"bad_luck"}`, 400, func(s Session) bool { return !s.HasReplay }},
			{"other failure", `{"error_reason":"replay_upload_failed"}`, 200, func(s Session) bool { return s.ErrorReason == "replay_upload_failed" }},
			{"as lion ends a session", `{"is_finished":true,"is_success":false,"date_end":"2024-04-23 18:00:00 +0000"}`, 200,
				func(s Session) bool { return s.Failed && s.End.Equal(began.Add(44*time.Minute+53*time.Second)) }},
			{"bad date", `{"date_end":"soon"}`, 400, nil},
			{"no JSON", `{`, 400, nil},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				a := s.call("PATCH", sessionPath, tt.body)
				if a.status != tt.status {
					t.Fatalf("%d %s", a.status, a.body)
				}
				row, _ := s.Session(sid)
				if tt.check != nil && !tt.check(row) {
					t.Errorf("%+v", row)
				}
				if a.status != 200 {
					return
				}
				got := a.json(t)
				_, amount := got["command_amount"]
				_, size := got["replay_size"]
				if got["id"] != sid || got["has_replay"] != row.HasReplay || amount != (v == "3.10.9") || size != sized {
					t.Error(a.body)
				}
			})
		}
		if a := s.call("DELETE", sessionPath, ""); a.status != 403 || a.code() != "permission_denied" {
			t.Errorf("%s delete: %d %s", v, a.status, a.body)
		}
		if a := s.call("PATCH", "/api/v1/terminal/sessions/11111111-1111-4111-8111-111111111111/", `{}`); a.status != 404 {
			t.Errorf("%s unknown: %d", v, a.status)
		}
	}
	old := newTestCore(t, "3.7.0")
	if a := old.call("PATCH", sessionPath, `{"error_reason":"replay_convert_failed"}`); a.status != 400 {
		t.Errorf("3.7.0 knows replay_convert_failed: %d", a.status)
	}
}

func TestComponentsCreateSessions(t *testing.T) {
	s := newTestCore(t, "3.10.9")
	s.key = s.register("[Lion]-a")
	const id = "22222222-2222-4222-8222-222222222222"
	body := `{"id":"` + id + `","user":"Lee(lee)","asset":"a","account":"ops","protocol":"http","login_from":"WT",` +
		`"date_start":"2024-04-23 17:15:07 +0000","is_finished":false,"is_success":true,"org_id":"` + orgDefault + `"}`
	if a := s.call("POST", "/api/v1/terminal/sessions/", body); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got, _ := s.Session(id)
	if got.Terminal != "[Lion]-a" || got.TerminalType != "video_worker" || !got.Start.Equal(began) || got.Failed || got.Protocol != "http" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{body, `{"asset":"a"}`, `{"id":"x","user":"u","asset":"a","account":"o","protocol":"rdp"}`} {
		if a := s.call("POST", "/api/v1/terminal/sessions/", bad); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	// If a component is deleted, its sessions keep it under another name.
	if err := s.DeleteComponent("[Lion]-a"); err != nil {
		t.Fatal(err)
	}
	s.key = s.register("[Lion]-a")
	got, _ = s.Session(id)
	row := s.call("GET", "/api/v1/terminal/sessions/"+id+"/", "").json(t)
	if got.Terminal == "[Lion]-a" || row["terminal"].(map[string]any)["name"] != got.Terminal {
		t.Errorf("%+v, %v", got, row)
	}
	s.RemoveSession(id)
	if _, found := s.Session(id); found {
		t.Error("removed session is there")
	}
}

func TestListSessions(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			s.RemoveSession(sid)
			for i := range 6 {
				s.AddSession(Session{
					ID: id(i), User: fmt.Sprintf("U%d", i%2), Protocol: []string{"rdp", "vnc", "http"}[i%3], TerminalType: "lion",
					Start: began.Add(time.Duration(i) * time.Hour), Finished: i != 5, HasReplay: i == 0,
				})
			}
			s.AddSession(Session{ID: id(6), Protocol: "ssh", TerminalType: "koko", Start: began.Add(-time.Hour), Finished: true})
			const hour = "2024-04-23T19:15:07Z" // the start of session 2
			for _, tt := range []struct {
				query string
				want  []int
			}{
				{"", []int{5, 4, 3, 2, 1, 0, 6}},
				{"order=date_start", []int{6, 0, 1, 2, 3, 4, 5}},
				{"order=protocol,-date_start", []int{5, 2, 3, 0, 6, 4, 1}},
				{"order=nonsense", []int{5, 4, 3, 2, 1, 0, 6}},
				{"is_finished=1", []int{4, 3, 2, 1, 0, 6}},
				{"is_finished=true", []int{4, 3, 2, 1, 0, 6}},
				{"is_finished=0", []int{5}},
				{"is_finished=maybe", []int{5, 4, 3, 2, 1, 0, 6}},
				{"has_replay=1", []int{5, 4, 3, 2, 1, 0, 6}}, // no such filter
				{"protocol=rdp", []int{3, 0}},
				{"protocol=RDP&user=u1", []int{3}},
				{"terminal=" + url.QueryEscape("[Lion]-recorder"), []int{5, 4, 3, 2, 1, 0}}, // http among them
				{"terminal=nobody", nil},
				{"ids=" + id(1) + "," + id(6), []int{1, 6}},
				{"date_from=" + hour + "&order=date_start", []int{2, 3, 4, 5}},
				{"date_to=" + hour, []int{2, 1, 0, 6}},
				{"date_to=" + url.QueryEscape("2024/04/24 03:15:07 +0800"), []int{2, 1, 0, 6}},
				{"date_to=2024/04/24 03:15:07 +0800", []int{5, 4, 3, 2, 1, 0, 6}}, // + means a space, so that the date cannot be parsed
				{"date_from=yesterday", []int{5, 4, 3, 2, 1, 0, 6}},
			} {
				path := "/api/v1/terminal/sessions/?" + strings.ReplaceAll(tt.query, " ", "%20")
				bare := s.call("GET", path, "")
				if !strings.HasPrefix(bare.body, "[") {
					t.Fatalf("%s: not bare: %.200s", tt.query, bare.body)
				}
				envelope := s.call("GET", path+"&limit=100", "").json(t)
				var got []int
				for _, row := range envelope["results"].([]any) {
					var n int
					if _, err := fmt.Sscanf(row.(map[string]any)["id"].(string), "00000000-0000-4000-8000-%d", &n); err != nil {
						t.Fatal(err)
					}
					got = append(got, n)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: %s", tt.query, diff)
				}
				if strings.Count(bare.body, `"date_start"`) != len(tt.want) {
					t.Errorf("%s: bare list: %s", tt.query, bare.body)
				}
			}
			lions := s.call("GET", "/api/v1/terminal/terminals/?type=lion&limit=100", "").json(t)["results"].([]any)
			byID := lions[0].(map[string]any)["id"].(string)
			if got := s.call("GET", "/api/v1/terminal/sessions/?limit=1&terminal="+byID, "").json(t)["count"]; len(lions) != 1 || got != 6.0 {
				t.Errorf("by id of the terminal: %v", got)
			}
		})
	}
}

func TestPages(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	for range 4 {
		s.AddSession(Session{Start: began})
	}
	next := "/api/v1/terminal/sessions/?limit=2&order=id"
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		p := s.call("GET", next, "").json(t)
		for _, row := range p["results"].([]any) {
			seen[row.(map[string]any)["id"].(string)] = true
		}
		if p["count"] != 5.0 || (p["previous"] == nil) != (pages == 1) {
			t.Fatalf("page %d: %v", pages, p)
		}
		if p["next"] == nil {
			if pages != 3 || len(seen) != 5 {
				t.Fatalf("%d pages with %d sessions", pages, len(seen))
			}
			break
		}
		next = strings.TrimPrefix(p["next"].(string), s.URL)
	}
	if p := s.call("GET", "/api/v1/terminal/sessions/?limit=2&offset=9", "").json(t); len(p["results"].([]any)) != 0 || p["next"] != nil {
		t.Errorf("beyond the end: %v", p)
	}
}

// TestListsAreCapped: lists have a maximum length.
func TestListsAreCapped(t *testing.T) {
	for _, tt := range []struct {
		version   string
		bare, max int
	}{
		{"3.10.9", 1100, 1100}, {"4.2.0", 1100, 1100}, {"4.8.0", 1100, 1100}, {"4.10.7", 1100, 1100},
		{"4.10.8", 200, 1000}, {"4.10.13", 200, 1000}, {"4.10.16", 200, 1000}, {"4.10.17", 200, 1000},
	} {
		t.Run(tt.version, func(t *testing.T) {
			s := newTestCore(t, tt.version)
			s.RemoveSession(sid)
			for range 1100 {
				s.AddSession(Session{Start: began})
			}
			rows := func(query string) int {
				return strings.Count(s.call("GET", "/api/v1/terminal/sessions/"+query, "").body, `"date_start"`)
			}
			for query, want := range map[string]int{"": tt.bare, "?limit=100000": tt.max, "?limit=0": tt.bare, "?limit=x": tt.bare, "?limit=7": 7} {
				if got := rows(query); got != want {
					t.Errorf("%q: %d rows, want %d", query, got, want)
				}
			}
		})
	}
	if v, err := parseVersion("3.10.9"); err != nil || v.maxLimit() != 10000 {
		t.Errorf("%d, %v", v.maxLimit(), err)
	}
}
