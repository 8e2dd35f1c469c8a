package devcore

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The vectors were computed with the signer of JumpServer's Go components and
// verified with the library that core uses.
const (
	vectorKey    = "3f2b6c0e-8a47-4d0b-9f5e-1c2d3e4f5a6b"
	vectorSecret = "Zk3Qp9XwLr7TbN2vHs8JdY5mGc1FaE4uRt6K"
	vectorDate   = "Tue, 23 Apr 2024 11:40:34 UTC"
)

func TestSignatureMatchesVectors(t *testing.T) {
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/api/v1/users/profile/", "3f2NJl9OpWX3usYFPQlC8D5Bt5QOkj0PVgejfeugCM4="},
		{"GET", "/api/v1/terminal/sessions/?is_finished=1&limit=100&offset=0&protocol=rdp", "7xWf7OdV4tI+5HIWulHhg60sr54yLvBR97Aojn8UTQY="},
		{"POST", "/api/v1/terminal/sessions/0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f/replay/", "jxh+rr0BCZsq4W8kZkQTqYN7X7MrUwcganbNATy8zwc="},
		{"GET", "/ws/terminal-task/", "F0IVlWPyhFPWd1TEXOB+RaOblqvDPveFl3quyLuErj8="},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://core"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		Sign(r, vectorKey, vectorSecret, vectorDate)
		want := fmt.Sprintf(`Signature keyId="%s",algorithm="hmac-sha256",headers="(request-target) date",signature="%s"`, vectorKey, tt.want)
		if got := r.Header.Get("Authorization"); got != want {
			t.Errorf("%s %s: %s", tt.method, tt.path, got)
		}
	}
}

const profilePath = "/api/v1/users/profile/"

func TestCredentials(t *testing.T) {
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for _, v := range versions {
		s := newTestCore(t, v)
		sign := func(id, secret string) func(*http.Request) {
			return func(r *http.Request) { Sign(r, id, secret, vectorDate) }
		}
		gone := s.register("gone")
		if err := s.DeleteComponent("gone"); err != nil {
			t.Fatal(err)
		}
		challenge := `Signature realm="api",headers="(request-target) date"`
		if v == "3.10.9" {
			challenge = "Bearer"
		}
		for _, tt := range []struct {
			name   string
			edit   func(*http.Request)
			status int
			code   string
		}{
			{"no header", func(*http.Request) {}, 401, "not_authenticated"},
			{"foreign scheme", header("Basic abc"), 401, "not_authenticated"},
			{"bootstrap token", header("BootstrapToken " + token), 401, "not_authenticated"},
			{"good", sign(s.key.id, s.key.secret), 200, ""},
			{"scheme in lower case", func(r *http.Request) {
				Sign(r, s.key.id, s.key.secret, vectorDate)
				r.Header.Set("Authorization", "signature "+strings.TrimPrefix(r.Header.Get("Authorization"), "Signature "))
			}, 200, ""},
			{"spaces between parameters", func(r *http.Request) {
				Sign(r, s.key.id, s.key.secret, vectorDate)
				r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), `",`, `", `))
			}, 200, ""},
			{"wrong secret", sign(s.key.id, "x"), 401, "authentication_failed"},
			{"unknown key", sign(vectorKey, vectorSecret), 401, "authentication_failed"},
			{"key of a deleted component", sign(gone.id, gone.secret), 401, "authentication_failed"},
			{"key that is no UUID", sign("mykey", "x"), 500, ""},
			{"no signature parameter", header(`Signature keyId="` + s.key.id + `",algorithm="hmac-sha256"`), 401, "authentication_failed"},
			{"empty", header("Signature"), 401, "authentication_failed"},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				a := s.do(s.request("GET", profilePath, nil, tt.edit))
				if a.status != tt.status || a.code() != tt.code {
					t.Errorf("%d %s", a.status, a.body)
				}
				if got := a.header.Get("WWW-Authenticate"); a.status == 401 && got != challenge {
					t.Errorf("challenge %q", got)
				}
			})
		}
	}
}

func TestSignatureCoversMethodPathAndQuery(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	list := "/api/v1/terminal/sessions/?limit=10&offset=0"
	signed := func(parts, algorithm string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Date", vectorDate)
			mac, err := signature(r, "hmac-sha256", strings.Fields(parts), s.key.secret)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", fmt.Sprintf(`Signature keyId="%s",algorithm="%s",headers="%s",signature="%s"`,
				s.key.id, algorithm, parts, base64.StdEncoding.EncodeToString(mac)))
		}
	}
	both := "(request-target) date"
	for _, tt := range []struct {
		name         string
		method, path string
		edit, after  func(*http.Request)
		want         int
	}{
		{"as sent", "GET", list, signed(both, "hmac-sha256"), nil, 200},
		{"other query", "GET", list, signed(both, "hmac-sha256"), func(r *http.Request) { r.URL.RawQuery = "limit=10&offset=1" }, 401},
		{"other order of query", "GET", list, signed(both, "hmac-sha256"), func(r *http.Request) { r.URL.RawQuery = "offset=0&limit=10" }, 401},
		{"other path", "GET", list, signed(both, "hmac-sha256"), func(r *http.Request) { r.URL.Path = "/api/v1/terminal/terminals/" }, 401},
		{"other method", "GET", list, signed(both, "hmac-sha256"), func(r *http.Request) { r.Method = "POST" }, 401},
		{"other date", "GET", list, signed(both, "hmac-sha256"), func(r *http.Request) { r.Header.Set("Date", "Tue, 23 Apr 2024 11:40:35 UTC") }, 401},
		{"date not signed", "GET", list, signed("(request-target)", "hmac-sha256"), nil, 500},
		{"target not signed", "GET", list, signed("date", "hmac-sha256"), nil, 500},
		{"further header signed", "GET", list, signed(both+" accept", "hmac-sha256"), nil, 200},
		{"signed header missing", "GET", list, signed(both+" accept", "hmac-sha256"), func(r *http.Request) { r.Header.Del("Accept") }, 500},
		{"unknown algorithm", "GET", list, signed(both, "hmac-md5"), nil, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := s.in(t)
			r := s.request(tt.method, tt.path, nil)
			r.Header.Set("Accept", "*/*")
			tt.edit(r)
			if tt.after != nil {
				tt.after(r)
			}
			if a := s.do(r); a.status != tt.want {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestDateIsNotComparedUnlessStrict(t *testing.T) {
	for _, tt := range []struct {
		name string
		skew time.Duration
		date time.Duration // from core's clock
		want int
	}{
		{"years old, as core does", 0, -20000 * time.Hour, 200},
		{"years ahead, as core does", 0, 20000 * time.Hour, 200},
		{"strict and fresh", time.Minute, -30 * time.Second, 200},
		{"strict and stale", time.Minute, -2 * time.Minute, 401},
		{"strict and ahead", time.Minute, 2 * time.Minute, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestCore(t, "4.10.13", func(o *Options) { o.MaxSkew = tt.skew })
			r := s.request("GET", profilePath, nil)
			Sign(r, s.key.id, s.key.secret, s.clock.Now().Add(tt.date).UTC().Format(time.RFC1123))
			if a := s.do(r); a.status != tt.want {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	s := newTestCore(t, "3.10.9")
	for _, algorithm := range []string{"hmac-sha1", "hmac-sha256", "hmac-sha512", "HMAC-SHA512"} {
		r := s.request("GET", profilePath, nil)
		r.Header.Set("Date", "any words")
		mac, err := signature(r, strings.ToLower(algorithm), []string{target, "date"}, s.key.secret)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", fmt.Sprintf(`Signature keyId="%s",algorithm="%s",headers="(request-target) date",signature="%s"`,
			s.key.id, algorithm, base64.StdEncoding.EncodeToString(mac)))
		if a := s.do(r); a.status != 200 {
			t.Errorf("%s: %d %s", algorithm, a.status, a.body)
		}
	}
}

func TestKeysAndUsersAreSwitchedOffAtRunTime(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			everything := func(want int) {
				t.Helper()
				for _, path := range []string{profilePath, sessionPath, "/api/v1/terminal/sessions/", "/api/v1/terminal/terminals/config/"} {
					if a := s.call("GET", path, ""); a.status != want {
						t.Errorf("%s: %d, want %d", path, a.status, want)
					}
				}
			}
			everything(200)
			disabled := 403
			if strings.HasPrefix(v, "4.10.") {
				disabled = 401
			}
			if err := s.DisableUser("[VideoWorker]-test"); err != nil {
				t.Fatal(err)
			}
			everything(disabled)
			if err := s.EnableUser("[VideoWorker]-test"); err != nil {
				t.Fatal(err)
			}
			everything(200)
			if err := s.RevokeKey(s.key.id); err != nil {
				t.Fatal(err)
			}
			everything(401)
			if err := s.RevokeKey("nobody"); err == nil {
				t.Error("revoked the key of nobody")
			}
		})
	}
}

func TestKeysCanBeBoundToAddresses(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	for name, tt := range map[string]struct {
		group []string
		want  int
	}{
		"any": {nil, 200}, "other": {[]string{"10.0.0.1"}, 401}, "network": {[]string{"10.0.0.1", "127.0.0.0/8"}, 200}, "exact": {[]string{"127.0.0.1"}, 200},
	} {
		id, secret, err := s.AddUser(User{Username: name, IPGroup: tt.group})
		if err != nil {
			t.Fatal(err)
		}
		r := s.request("GET", profilePath, nil)
		Sign(r, id, secret, vectorDate)
		if a := s.do(r); a.status != tt.want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestRateOfServiceAccounts(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			limited := v == "4.10.16"
			for range 300 {
				if a := s.call("GET", profilePath, ""); a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			s.clock.pass(20 * time.Second)
			a := s.call("GET", profilePath, "")
			if !limited {
				if a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
				return
			}
			if a.status != 429 || a.header.Get("Retry-After") != "40" || a.code() != "throttled" {
				t.Errorf("%d, Retry-After %q, %s", a.status, a.header.Get("Retry-After"), a.body)
			}
			id, secret, err := s.AddUser(User{Username: "lee"})
			if err != nil {
				t.Fatal(err)
			}
			r := s.request("GET", profilePath, nil)
			Sign(r, id, secret, vectorDate)
			if a := s.do(r); a.status != 200 {
				t.Errorf("another account: %d %s", a.status, a.body)
			}
			s.clock.pass(40 * time.Second)
			if a := s.call("GET", profilePath, ""); a.status != 200 {
				t.Errorf("when the minute has passed: %d %s", a.status, a.body)
			}
		})
	}
	t.Run("4.10.17 has a higher limit", func(t *testing.T) {
		v, err := parseVersion("4.10.17")
		if err != nil || v.ratePerMinute() != 20480 {
			t.Errorf("%d, %v", v.ratePerMinute(), err)
		}
	})
	t.Run("as told", func(t *testing.T) {
		s := newTestCore(t, "3.10.9", func(o *Options) { o.RatePerMinute = 2 })
		var got []string
		for range 3 {
			got = append(got, strconv.Itoa(s.call("GET", profilePath, "").status))
		}
		if strings.Join(got, " ") != "200 200 429" {
			t.Error(got)
		}
	})
}

func TestOrganizations(t *testing.T) {
	const other = "7a1f4a3e-0000-4000-8000-000000000001"
	for _, v := range versions {
		s := newTestCore(t, v, func(o *Options) { o.Enterprise = true })
		const foreign = "11111111-1111-4111-8111-111111111111"
		s.AddSession(Session{ID: foreign, Org: other, OrgName: "Finance", Start: began, Protocol: "rdp", TerminalType: "lion"})
		detail := "/api/v1/terminal/sessions/" + foreign + "/"
		for _, tt := range []struct {
			name, path string
			org        string
			want       int
		}{
			{"without header", detail, "", 404},
			{"root", detail, "ROOT", 200},
			{"root in lower case", detail, "root", 200},
			{"root by id", detail, orgRoot, 200},
			{"its own", detail, other, 200},
			{"default", detail, "default", 404},
			{"system", detail, "SYSTEM", 404},
			{"unknown", detail, "7a1f4a3e-0000-4000-8000-000000000009", 404},
			{"query overrides header", detail + "?oid=" + other, "default", 200},
			{"session of the default one without header", sessionPath, "", 200},
			{"session of the default one from another", sessionPath, other, 404},
			{"replay", detail + "replay/", "", 404},
			{"download", detail + "replay/download/", "", 404},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				a := s.call("GET", tt.path, "", func(r *http.Request) {
					r.Header.Del("X-JMS-ORG")
					if tt.org != "" {
						r.Header.Set("X-JMS-ORG", tt.org)
					}
				})
				missing := a.code() == "object_does_not_exist" || tt.name == "download" && a.body == "detailcode"
				if a.status != tt.want || tt.want == 404 && !missing {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
	}
}

func TestPermissions(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	keys := map[string]key{}
	for _, u := range []User{{Username: "person"}, {Username: "admin", Admin: true}, {Username: "service", Service: true}, {Username: "expired", Service: true, Expired: true}} {
		id, secret, err := s.AddUser(u)
		if err != nil {
			t.Fatal(err)
		}
		keys[u.Username] = key{id, secret}
	}
	if _, _, err := s.AddUser(User{Username: "person"}); err == nil {
		t.Error("added the same user twice")
	}
	worker := s.key
	for _, tt := range []struct {
		method, path, body              string
		component, person, admin, plain int // expected status for each caller
	}{
		{"GET", profilePath, "", 200, 200, 200, 200},
		{"GET", sessionPath, "", 200, 403, 200, 200},
		{"GET", "/api/v1/terminal/sessions/?limit=1", "", 200, 403, 200, 200},
		{"PATCH", sessionPath, `{"has_replay":true}`, 200, 403, 200, 200},
		{"PUT", sessionPath, "{}", 405, 403, 405, 405},
		{"GET", sessionPath + "replay/", "", 200, 403, 200, 200},
		{"POST", sessionPath + "lifecycle_log/", `{"event":"replay_upload_start"}`, 200, 403, 403, 200},
		{"GET", "/api/v1/terminal/terminals/config/", "", 200, 403, 500, 500}, // core's code raises without a terminal
		{"GET", "/api/v1/terminal/terminals/?type=lion&limit=10", "", 200, 403, 200, 200},
		{"GET", "/api/v1/terminal/replay-storages/", "", 200, 403, 200, 200},
		{"DELETE", "/api/v1/terminal/sessions/11111111-1111-4111-8111-111111111111/", "", 403, 403, 404, 403},
		{"GET", "/api/v1/terminal/nonsense/", "", 404, 404, 404, 404},
		{"GET", strings.TrimSuffix(sessionPath, "/"), "", 301, 301, 301, 301},
	} {
		for _, who := range []struct {
			name string
			key  key
			want int
		}{{"component", worker, tt.component}, {"person", keys["person"], tt.person}, {"admin", keys["admin"], tt.admin}, {"service", keys["service"], tt.plain}} {
			s.key = who.key
			a := s.call(tt.method, tt.path, tt.body)
			if a.status != who.want {
				t.Errorf("%s %s as %s: %d %s", tt.method, tt.path, who.name, a.status, a.body)
			}
			if a.status == 403 && a.code() != "permission_denied" {
				t.Errorf("%s %s as %s: %s", tt.method, tt.path, who.name, a.body)
			}
		}
	}
	s.key = keys["expired"]
	if a := s.call("GET", profilePath, ""); a.status != 401 {
		t.Errorf("expired: %d", a.status)
	}
}
