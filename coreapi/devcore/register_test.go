package devcore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestRegistrationAnswers(t *testing.T) {
	for _, v := range versions {
		s := newTestCore(t, v)
		long := strings.Repeat("a", 70) + strings.Repeat("b", 70)
		longer := strings.Repeat("x", 70) + strings.Repeat("y", 70)
		for _, tt := range []struct {
			name, body string
			want       map[string]any
		}{
			{"as a worker sends it", `{"name":"w1","type":"video_worker","comment":"video_worker"}`,
				map[string]any{"name": "w1", "type": "video_worker", "comment": "video_worker", "remote_addr": "127.0.0.1"}},
			{"without type", `{"name":"w2"}`, map[string]any{"name": "w2", "type": "koko", "comment": "", "remote_addr": "127.0.0.1"}},
			{"name of 127", `{"name":"` + long[:127] + `","comment":"c"}`,
				map[string]any{"name": long[:127], "type": "koko", "comment": "c", "remote_addr": "127.0.0.1"}},
			{"name of 128", `{"name":"c` + long[:127] + `","comment":"c"}`,
				map[string]any{"name": "c" + long[:61] + "..." + long[65:127], "type": "koko", "comment": "c", "remote_addr": "127.0.0.1"}},
			{"name of 140", `{"name":"` + longer + `","comment":"c"}`,
				map[string]any{"name": strings.Repeat("x", 62) + "..." + strings.Repeat("y", 62), "type": "koko", "comment": longer, "remote_addr": "127.0.0.1"}},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				a := s.registration(tt.body)
				if a.status != 201 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				got := a.json(t)
				account := got["service_account"].(map[string]any)
				delete(got, "service_account")
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				k := account["access_key"].(map[string]any)
				if uuid.Validate(k["id"].(string)) != nil || len(k["secret"].(string)) != 36 || k["is_active"] != true || k["date_last_used"] != nil {
					t.Error(k)
				}
				if _, err := time.Parse(dateForm, k["date_created"].(string)); err != nil {
					t.Error(err)
				}
				if account["name"] != got["name"] || uuid.Validate(account["id"].(string)) != nil {
					t.Error(account)
				}
			})
		}
	}
}

func TestRegistrationRefuses(t *testing.T) {
	const good = `{"name":"w","type":"video_worker"}`
	auth := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for _, v := range versions {
		s := newTestCore(t, v)
		if _, _, err := s.AddUser(User{Username: "human", Email: "mail@local.domain"}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, body string
			edit       func(*http.Request)
			status     int
			field      string // of the response
		}{
			{"wrong token", good, auth("BootstrapToken x"), 401, "code"},
			{"no token", good, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "code"},
			{"any scheme", `{"name":"a"}`, auth("Whatever and " + token), 201, "name"},
			{"no scheme", `{"name":"b"}`, auth(token), 201, "name"},
			{"unknown type", `{"name":"w","type":"video"}`, auth(token), 400, "type"},
			{"no name", `{"type":"video_worker"}`, auth(token), 400, "name"},
			{"empty name", `{"name":" "}`, auth(token), 400, "name"},
			{"null name", `{"name":null}`, auth(token), 400, "name"},
			{"endless name", `{"name":"` + strings.Repeat("n", 1025) + `"}`, auth(token), 400, "name"},
			{"name of a component", `{"name":"[VideoWorker]-test"}`, auth(token), 400, "name"},
			{"name of a person", `{"name":"human"}`, auth(token), 400, "name"},
			{"address of a person", `{"name":"mail"}`, auth(token), 400, "name"},
			{"no JSON", `{"name":`, auth(token), 400, "detail"},
			{"no object", `[]`, auth(token), 400, "non_field_errors"},
			{"a form", `name=w`, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, "detail"},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				a := s.registration(tt.body, tt.edit)
				if _, found := a.json(t)[tt.field]; a.status != tt.status || !found {
					t.Errorf("%d %s", a.status, a.body)
				}
				if a.status == 401 && a.code() != "not_authenticated" {
					t.Error(a.body)
				}
			})
		}
		t.Run(v+" name of a deleted component is free", func(t *testing.T) {
			s := s.in(t)
			if err := s.DeleteComponent("[VideoWorker]-test"); err != nil {
				t.Fatal(err)
			}
			s.register("[VideoWorker]-test")
			if n := len(s.Components()); n != 3 { // including a and b
				t.Errorf("%d components", n)
			}
		})
	}
}

func TestRegistrationWindow(t *testing.T) {
	late := func(s *testCore) { s.clock.pass(301 * time.Second) }
	for _, tt := range []struct {
		name    string
		version string
		mode    RegistrationMode
		before  func(*testCore)
		status  int
		body    string
	}{
		{"off", "3.10.9", RegistrationOff, nil, 400, "disabled"},
		{"off", "4.2.0", RegistrationOff, nil, 400, "disabled"},
		{"off", "4.10.13", RegistrationOff, nil, 401, "not_authenticated"},
		{"default after long", "3.10.9", RegistrationDefault, late, 201, ""},
		{"default after long", "4.8.0", RegistrationDefault, late, 201, ""},
		{"default at first", "4.9.0", RegistrationDefault, nil, 201, ""},
		{"default after 300 s", "4.9.0", RegistrationDefault, func(s *testCore) { s.clock.pass(300 * time.Second) }, 201, ""},
		{"default after long", "4.9.0", RegistrationDefault, late, 401, "not_authenticated"},
		{"default after long", "4.10.17", RegistrationDefault, late, 401, "not_authenticated"},
		{"auto after long", "4.10.13", RegistrationAuto, late, 401, "not_authenticated"},
		{"auto before it existed", "4.8.0", RegistrationAuto, late, 201, ""},
		{"on after long", "4.10.13", RegistrationOn, late, 201, ""},
		{"restarted", "4.10.13", RegistrationAuto, func(s *testCore) { late(s); s.Restart() }, 201, ""},
		{"switched on", "4.10.13", RegistrationAuto, func(s *testCore) { late(s); s.SetRegistration(RegistrationOn) }, 201, ""},
		{"switched off", "4.10.13", RegistrationOn, func(s *testCore) { s.SetRegistration(RegistrationOff) }, 401, ""},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.version, tt.name), func(t *testing.T) {
			s := newTestCore(t, tt.version, func(o *Options) { o.Registration = tt.mode })
			if tt.before != nil {
				tt.before(s)
			}
			a := s.registration(`{"name":"late"}`)
			if a.status != tt.status || !strings.Contains(a.body, tt.body) {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestProfileVouchesForOthers(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			lion := s.register("[Lion]-a")
			id, secret, err := s.AddUser(User{Username: "lee", Name: "Lee"})
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				key     key
				name    string
				service bool
			}{{lion, "[Lion]-a", true}, {key{id, secret}, "lee", false}} {
				// The signature that the caller would send to core …
				virtual := s.request("GET", profilePath, nil)
				virtual.Header.Set("X-JMS-ORG", "ROOT")
				Sign(virtual, tt.key.id, tt.key.secret, vectorDate)
				// … is sent by another component.
				r := s.request("GET", profilePath, nil)
				for _, h := range []string{"Authorization", "Date", "X-JMS-ORG"} {
					r.Header.Set(h, virtual.Header.Get(h))
				}
				a := s.do(r)
				if a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				p := a.json(t)
				if p["username"] != tt.name || p["is_service_account"] != tt.service || p["is_valid"] != true || p["id"] == "" {
					t.Error(p)
				}
				// The same headers are not valid for another URL.
				r = s.request("GET", sessionPath, nil)
				r.Header = virtual.Header.Clone()
				if a := s.do(r); a.status != 401 {
					t.Errorf("elsewhere: %d", a.status)
				}
			}
		})
	}
}
