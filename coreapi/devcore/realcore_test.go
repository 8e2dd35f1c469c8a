package devcore

import (
	"archive/tar"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// The tests below repeat what was measured on real cores, v3.10.9 and v4.10.16, one
// fact per test.

var realCores = []string{"3.10.9", "4.10.16"}

// each runs a test on both cores.
func each(t *testing.T, test func(*testing.T, *testCore), change ...func(*Options)) {
	t.Helper()
	for _, v := range realCores {
		t.Run(v, func(t *testing.T) { test(t, newTestCore(t, v, change...)) })
	}
}

// as makes a call that is signed with another key.
func (s *testCore) as(k key, method, path, body string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	other := *s
	other.key = k
	return other.call(method, path, body, edits...)
}

// admin adds an administrator.
func (s *testCore) admin() key {
	s.t.Helper()
	id, secret, err := s.AddUser(User{Username: "admin", Name: "Administrator", Admin: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return key{id, secret}
}

func (s *testCore) v4() bool { return strings.HasPrefix(s.Version(), "4") }

func TestAdministratorsDeleteSessions(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		s.call("POST", sessionPath+"lifecycle_log/", `{"event":"replay_convert_start"}`)
		if a := s.call("DELETE", sessionPath, ""); a.status != 403 {
			t.Error("a service account:", a.status, a.body)
		}
		if a := s.as(s.admin(), "DELETE", sessionPath, ""); a.status != 204 || a.body != "" {
			t.Error(a.status, a.body)
		}
		if a := s.call("GET", sessionPath, ""); a.status != 404 {
			t.Error("it is still there:", a.status)
		}
		if len(s.Events(sid)) != 1 {
			t.Error("the activity has gone, too")
		}
	})
}

func TestNewSessionsAreOfKnownUsersAndAssets(t *testing.T) {
	body := func(user, asset string) string {
		return `{"user":"as sent","user_id":"` + user + `","asset":"as sent","asset_id":"` + asset + `","account":"ops","protocol":"rdp"}`
	}
	const path, asset, closed = "/api/v1/terminal/sessions/", "5d0f1c1e-0000-4000-8000-000000000001", "5d0f1c1e-0000-4000-8000-000000000002"
	for _, v := range []string{"3.10.9", "4.2.0", "4.10.16"} {
		s := newTestCore(t, v)
		s.admin()
		s.AddAsset(Asset{ID: asset, Name: "win-07", Address: "10.3.4.7"})
		s.AddAsset(Asset{ID: closed, Name: "win-08", Address: "10.3.4.8", Inactive: true})
		nobody, user := uuid.NewString(), s.AccountID("admin")
		checks := v == "4.10.16"
		for name, c := range map[string]struct{ user, asset, refused string }{
			"no such user":  {nobody, asset, `{"user_id":["No user or invalid user"]}`},
			"no such asset": {user, nobody, `{"asset_id":["No asset or invalid asset"]}`},
			"a closed one":  {user, closed, `{"asset_id":["No asset or invalid asset"]}`},
			"both known":    {user, asset, ""},
		} {
			a := s.call("POST", path, body(c.user, c.asset))
			switch {
			case checks && c.refused != "":
				if a.status != 400 || a.body != c.refused {
					t.Errorf("%s, %s: %d %s", v, name, a.status, a.body)
				}
			case a.status != 201:
				t.Errorf("%s, %s: %d %s", v, name, a.status, a.body)
			case checks && (a.json(t)["user"] != "Administrator(admin)" || a.json(t)["asset"] != "win-07(10.3.4.7)"):
				t.Errorf("%s, %s: %s", v, name, a.body)
			case !checks && a.json(t)["user"] != "as sent":
				t.Errorf("%s, %s: %s", v, name, a.body)
			}
		}
		if err := s.DisableUser("admin"); err != nil {
			t.Fatal(err)
		}
		if a := s.call("POST", path, body(user, asset)); (a.status == 400) != checks {
			t.Errorf("%s, of a disabled user: %d %s", v, a.status, a.body)
		}
	}
}

func TestACommentThatWasNotSentIsNull(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		if comment, there := s.call("GET", sessionPath, "").json(t)["comment"]; !there || comment != nil {
			t.Errorf("%q", comment)
		}
		if got := s.call("PATCH", sessionPath, `{"comment":"x"}`).json(t)["comment"]; got != "x" {
			t.Errorf("%q", got)
		}
	})
}

func TestTheCommentOfARegistrationIsTheAccountsToo(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		a := s.registration(`{"name":"w","type":"video_worker","comment":"of mine"}`)
		if got := a.json(t)["service_account"].(map[string]any)["comment"]; a.status != 201 || got != "of mine" {
			t.Errorf("%d %q", a.status, got)
		}
	})
}

func TestATakenNameIsToldInTheReadersLanguage(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		want := `{"name":["名称重复"]}`
		if s.v4() {
			want = `{"name":["name not unique"]}`
		}
		body := `{"name":"[VideoWorker]-test","type":"video_worker"}`
		if a := s.registration(body); a.status != 400 || a.body != want {
			t.Errorf("%d %s", a.status, a.body)
		}
		a := s.registration(body, func(r *http.Request) { r.Header.Set("Accept-Language", "en") })
		if a.body != `{"name":["name not unique"]}` {
			t.Errorf("in English: %s", a.body)
		}
	})
}

func TestUsernamesTakeNamesAndDisplayNamesDoNot(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		s.admin()
		for name, want := range map[string]int{"admin": 400, "Administrator": 201} {
			if a := s.registration(`{"name":"` + name + `","type":"video_worker"}`); a.status != want {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	})
}

func TestARefusedSignatureIsInvalidWhyeverItIs(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		disabled := s.register("off")
		if err := s.DisableUser("off"); err != nil {
			t.Fatal(err)
		}
		refused := map[string]answer{
			"unknown key": s.as(key{uuid.NewString(), "x"}, "GET", sessionPath, ""),
			"wrong HMAC":  s.as(key{s.key.id, "x"}, "GET", sessionPath, ""),
		}
		r := s.request("GET", sessionPath, nil)
		r.Header.Set("Authorization", "Signature junk")
		refused["junk"] = s.do(r)
		if s.v4() {
			refused["disabled"] = s.as(disabled, "GET", sessionPath, "")
		} else if a := s.as(disabled, "GET", sessionPath, ""); a.status != 403 {
			t.Error("disabled:", a.status, a.body)
		}
		for name, a := range refused {
			if a.status != 401 || a.body != `{"code":"authentication_failed","detail":"Invalid signature."}` {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	})
}

func TestABearerThatIsNone(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		r := s.request("GET", sessionPath, nil)
		r.Header.Set("Authorization", "Bearer xx")
		want := "authentication_failed"
		if s.v4() {
			want = "not_authenticated"
		}
		if a := s.do(r); a.status != 401 || a.code() != want || !s.v4() && a.json(t)["detail"] != "刷新的令牌或缓存无效。" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestASignedDateThatIsNotSentBreaksCore(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		r := s.request("GET", sessionPath, nil)
		Sign(r, s.key.id, s.key.secret, "Tue, 23 Apr 2024 11:40:34 UTC")
		r.Header.Del("Date")
		if a := s.do(r); a.status != 500 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestTheFirstAnswerOfALookupMayShowItsEnd(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		s.put("replay/"+day+"/"+sid+".replay.gz", "x")
		first := s.call("GET", sessionPath+"replay/", "").json(t)
		resp, _ := first["resp"].(map[string]any)
		if first["status"] != "ok" || first["start_time"] == nil || first["src"] != nil || resp["src"] == nil {
			t.Errorf("%v", first)
		}
		if then := s.call("GET", sessionPath+"replay/", "").json(t); then["src"] == nil {
			t.Errorf("%v", then)
		}
	}, func(o *Options) { o.RacingReplay = true })
}

// replayOf repeats the request until core's lookup has ended.
func (s *testCore) replayOf(edits ...func(*http.Request)) (a answer) {
	s.t.Helper()
	waittest.Until(s.t, "an answer", func() bool {
		a = s.call("GET", sessionPath+"replay/", "", edits...)
		return !strings.Contains(a.body, "running")
	})
	return a
}

func TestDatesOfAReplayAreInUTC(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		s.put("replay/"+day+"/"+sid+".replay.gz", "x")
		got := s.replayOf(func(r *http.Request) { r.Header.Set("X-TZ", "America/New_York") }).json(t)
		if got["date_start"] != "2024-04-23T17:15:07Z" || got["date_end"] != "2024-04-23T18:00:07Z" {
			t.Errorf("%v", got)
		}
	})
}

func TestWhatCoreSaysWhenThereIsNoReplay(t *testing.T) {
	each(t, func(t *testing.T, s *testCore) {
		if a := s.replayOf(); a.status != 404 || a.body != `{"error":"Not found REPLAY file, and not remote storage set"}` {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	each(t, func(t *testing.T, s *testCore) {
		if a := s.replayOf(); a.status != 404 || a.body != `{"error":"Not found REPLAY file"}` {
			t.Errorf("%d %s", a.status, a.body)
		}
	}, func(o *Options) { o.External = []Storage{{Name: "s3", External: newDir(t)}} })
}

func TestDownloadsAreBytes(t *testing.T) {
	accepts := func(what string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Accept", what) }
	}
	each(t, func(t *testing.T, s *testCore) {
		const path = sessionPath + "replay/download/"
		a := s.call("GET", path, "", accepts("*/*"))
		if a.status != 404 || a.body != "error" || a.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("no replay: %d %q %q", a.status, a.body, a.header.Get("Content-Type"))
		}
		a = s.call("GET", strings.Replace(path, sid, uuid.NewString(), 1), "", accepts("*/*"))
		if a.status != 404 || a.body != "detailcode" {
			t.Errorf("no session: %d %q", a.status, a.body)
		}
		s.put("replay/"+day+"/"+sid+".replay.mp4", "a video")
		if a := s.call("GET", path, "", accepts("application/json")); a.status != 406 {
			t.Errorf("JSON: %d", a.status)
		}
		a = s.call("GET", path, "", accepts("*/*"))
		var names []string
		for r := tar.NewReader(bytes.NewReader([]byte(a.body))); ; {
			h, err := r.Next()
			if err != nil {
				break
			}
			names = append(names, h.Name)
		}
		if d := cmp.Diff([]string{sid + ".replay.mp4", sid + ".json"}, names); a.status != 200 || d != "" {
			t.Errorf("%d %s", a.status, d)
		}
	})
}
