package devcore

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

var lifecycleURL = regexp.MustCompile(`/lifecycle_log/$`)

// event sends a lifecycle event and returns the status, 0 if there is no response.
func (s *testCore) event(ctx context.Context) int {
	s.t.Helper()
	r := s.request("POST", lifecyclePath, strings.NewReader(`{"event":"replay_convert_start"}`)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	// Use a connection of its own: on a pooled one, net/http retries requests.
	r.Close = true
	Sign(r, s.key.id, s.key.secret, vectorDate)
	resp, err := s.http.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  Fault
		want   []int // statuses of three calls
		events int
	}{
		{"none matches", Fault{Method: "GET", Status: 500}, []int{200, 200, 200}, 3},
		{"other path", Fault{Path: regexp.MustCompile(`/replay/$`), Status: 500}, []int{200, 200, 200}, 3},
		{"status", Fault{Path: lifecycleURL, Status: 503}, []int{503, 503, 503}, 0},
		{"status once", Fault{Path: lifecycleURL, Times: 1, Status: 502}, []int{502, 200, 200}, 2},
		{"cut twice", Fault{Method: "POST", Times: 2, Cut: true}, []int{0, 0, 200}, 1},
		{"answer lost", Fault{Path: lifecycleURL, Times: 1, After: true, Cut: true}, []int{0, 200, 200}, 3},
		{"answer replaced", Fault{Path: lifecycleURL, Times: 1, After: true, Status: 504}, []int{504, 200, 200}, 3},
		{"late", Fault{Path: lifecycleURL, Delay: time.Millisecond}, []int{200, 200, 200}, 3},
		{"cut within the body", Fault{Times: 1, Read: 5, Cut: true}, []int{0, 200, 200}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestCore(t, "4.10.13")
			remove := s.Fail(tt.fault)
			var got []int
			for range 3 {
				got = append(got, s.event(t.Context()))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(s.Events(sid)) != tt.events {
				t.Errorf("%d events %s", len(s.Events(sid)), diff)
			}
			remove()
			if got := s.event(t.Context()); got != 200 {
				t.Errorf("removed: %d", got)
			}
		})
	}
}

func TestFaultHasHeadersAndBody(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	s.Fail(Fault{Times: 1, Status: 503, Header: map[string]string{"Retry-After": "7"}, Body: `{"detail":"soon"}`})
	s.Fail(Fault{Times: 1, Status: 302, Header: map[string]string{"Location": "https://elsewhere/"}}) // the latest fault takes precedence
	if a := s.call("GET", profilePath, ""); a.status != 302 || a.header.Get("Location") != "https://elsewhere/" {
		t.Errorf("%+v", a)
	}
	if a := s.call("GET", profilePath, ""); a.status != 503 || a.header.Get("Retry-After") != "7" || a.json(t)["detail"] != "soon" {
		t.Errorf("%+v", a)
	}
}

func TestDelayEndsWithTheCaller(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	s.Fail(Fault{Path: lifecycleURL, Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- s.event(ctx) }()
	waittest.Until(t, "the request", func() bool { l := s.Requests(); return lifecycleURL.MatchString(l[len(l)-1].Path) })
	cancel()
	if got := <-done; got != 0 {
		t.Error(got)
	}
	// Close also ends the wait: the test would not end otherwise.
	go s.event(t.Context())
	waittest.Until(t, "the second request", func() bool { return len(s.Requests()) == 3 })
}

func TestRequestsAreLoggedWithoutSecrets(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	s.ForgetRequests()
	s.call("PATCH", sessionPath, `{"has_replay":true}`)
	s.call("POST", statusPath, `{"sessions":[]}`)
	s.call("GET", "/api/v1/terminal/sessions/?limit=1", "", func(r *http.Request) { r.Header.Set("X-JMS-ORG", "default") })
	s.do(s.request("GET", profilePath, nil))
	s.Fail(Fault{Path: lifecycleURL, After: true, Cut: true})
	s.event(t.Context())
	want := []Request{
		{Method: "PATCH", Path: sessionPath, Org: "ROOT", User: "[VideoWorker]-test", Status: 200, Body: `{"has_replay":true}`},
		{Method: "POST", Path: statusPath, Org: "ROOT", User: "[VideoWorker]-test", Status: 201},
		{Method: "GET", Path: "/api/v1/terminal/sessions/", Query: "limit=1", Org: "default", User: "[VideoWorker]-test", Status: 200},
		{Method: "GET", Path: profilePath, Status: 401},
		{Method: "POST", Path: lifecyclePath, User: "[VideoWorker]-test", Body: `{"event":"replay_convert_start"}`},
	}
	if diff := cmp.Diff(want, s.Requests(), cmpopts.IgnoreFields(Request{}, "Time")); diff != "" {
		t.Error(diff)
	}
}

func TestCoreIsAHandler(t *testing.T) {
	c, err := New(Options{Version: "v4.10.13", MediaDir: t.TempDir(), BootstrapToken: token})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	defer srv.Close()
	get := func() (int, error) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+profilePath, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := get(); status != 401 || err != nil {
		t.Errorf("%d %v", status, err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if status, err := get(); err == nil {
		t.Errorf("closed: %d", status)
	}
}

func TestOptions(t *testing.T) {
	for _, v := range []string{"", "4.10", "4.x.1", "2.28.1", "3.2.0", "3.11.0", "4.11.0", "5.0.0", "4.10.-1"} {
		if _, err := Start(Options{Version: v, MediaDir: t.TempDir()}); err == nil {
			t.Errorf("%q is a known version", v)
		}
	}
	if _, err := New(Options{Version: "4.10.13"}); err == nil {
		t.Error("a core without folder")
	}
	if _, err := Start(Options{Version: "4.10.13", MediaDir: t.TempDir(), Addr: "nowhere:x"}); err == nil {
		t.Error("a core at no address")
	}
	s := newTestCore(t, "4.10.13")
	if err := s.SetVersion("9.9.9"); err == nil || s.Version() != "4.10.13" {
		t.Errorf("version %s, %v", s.Version(), err)
	}
}
