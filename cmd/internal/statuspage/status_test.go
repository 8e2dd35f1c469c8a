package statuspage

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

func journal(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// get requests a path of the fixture, and returns the response and its body.
func (l *fixture) get(t *testing.T, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestStatus(t *testing.T) {
	l := newFixture(t, "")
	resp, body := l.get(t, StatusPath)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	var s Status
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if s.MayAct || s.TokenSet {
		t.Errorf("no token is set: may act %v, token set %v", s.MayAct, s.TokenSet)
	}
	q := s.Queue
	if q.Open != 23 || len(q.Working) != 2 || len(q.Waiting) != waitingShown || q.Counts[queue.StateQueued] != 20 {
		t.Errorf("open %d, working %d, waiting %d, counts %v", q.Open, len(q.Working), len(q.Waiting), q.Counts)
	}
	if want := int64(412e6 + 28e6 + 9e6 + 20*20e6 + 190e6); q.Bytes != want {
		t.Errorf("%d bytes to do, want %d", q.Bytes, want)
	}
	if want := .37*412e6 + 28e6; q.Done < want-1 || q.Done > want+1 {
		t.Errorf("%.0f bytes of them done, want %.0f", q.Done, want)
	}
	if r := s.Reasons; len(r) != 3 || r[0].Class != task.ClassVerify || r[0].Failed != 2 || r[1].Retrying != 1 || r[2].Skipped != 2 {
		t.Errorf("reasons %+v", r)
	}
	if r := s.Reasons; !r[1].Alone || r[2].Alone {
		t.Errorf("retried automatically: %+v", r)
	}
	if s.Rate.Tasks != 6 || s.Rate.ETA == nil || *s.Rate.ETA <= 0 {
		t.Errorf("rate %+v", s.Rate)
	}
	if len(s.Savings.Days) != daysShown || s.Savings.Recordings != 24 || s.Savings.Before != 9*s.Savings.After {
		t.Errorf("savings %+v", s.Savings.Sum)
	}
	_, body = newFixture(t, token).get(t, StatusPath, "Authorization", "Bearer "+token)
	if !strings.Contains(body, `"may_act":true`) || !strings.Contains(body, `"token_set":true`) {
		t.Error("with the token, tasks can be changed")
	}
}

// TestWhoSeesWhat: everybody may see the page, but not its data.
func TestWhoSeesWhat(t *testing.T) {
	l := newFixture(t, token)
	const proxy = "X-Forwarded-For"
	for _, tc := range []struct {
		path   string
		header []string
		want   int
	}{
		{Path, []string{proxy, "10.0.0.1"}, 200},
		{Path + "assets/app.js", []string{proxy, "10.0.0.1"}, 200},
		{Path + "assets/", nil, 404},
		{StatusPath, nil, 401},
		{StatusPath, []string{"Authorization", "Bearer " + token}, 200},
		{StatusPath, []string{proxy, "10.0.0.1"}, 401},
		{StatusPath, []string{proxy, "10.0.0.1", "Authorization", "Bearer wrong"}, 401},
		{StatusPath, []string{proxy, "10.0.0.1", "Authorization", "Bearer " + token}, 200},
		{"/video-worker/api/tasks/" + failed + "/log", nil, 401},
		{"/video-worker/api/tasks/" + failed + "/log", []string{proxy, "10.0.0.1"}, 401},
	} {
		if resp, _ := l.get(t, tc.path, tc.header...); resp.StatusCode != tc.want {
			t.Errorf("%s %v: %d, want %d", tc.path, tc.header, resp.StatusCode, tc.want)
		}
	}
	l = newFixture(t, "")
	for _, tc := range []struct {
		header []string
		want   int
	}{{nil, 200}, {[]string{proxy, "10.0.0.1"}, 401}} {
		if resp, _ := l.get(t, StatusPath, tc.header...); resp.StatusCode != tc.want {
			t.Errorf("no token is set, %v: %d, want %d", tc.header, resp.StatusCode, tc.want)
		}
	}
}

func TestThePageIsLockedDown(t *testing.T) {
	l := newFixture(t, "")
	resp, body := l.get(t, Path)
	h := resp.Header
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Content-Type": "text/html; charset=utf-8",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
	for _, never := range []string{"<script>", "onclick=", "style=", "http://", "https://", `="/`} {
		if strings.Contains(body, never) {
			t.Errorf("the page contains %s", never)
		}
	}
	if resp, _ := l.get(t, Path, "If-None-Match", h.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("requested again: %d", resp.StatusCode)
	}
	if resp, _ := l.get(t, strings.TrimSuffix(Path, "/")); resp.Header.Get("Location") != "video-worker/" {
		t.Errorf("the redirect leads to %q, which a proxy's prefix would break", resp.Header.Get("Location"))
	}
}

// TestComputedOnce: many viewers cause no more work than one.
func TestComputedOnce(t *testing.T) {
	l := newFixture(t, "")
	asked := 0
	l.page.Tasks = func(context.Context) ([]*queue.Task, error) { asked++; return nil, errGone }
	for range 20 {
		l.page.serveStatus(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, StatusPath, nil))
	}
	if asked != 1 {
		t.Errorf("the queue was read %d times", asked)
	}
	if s := l.page.last; s.Queue.Error != errGone.Error() {
		t.Errorf("queue error %q", s.Queue.Error)
	}
}

func TestRate(t *testing.T) {
	now := time.Now()
	view := func(ended time.Duration, seconds float64, size int64) task.View {
		return task.View{Updated: now.Add(-ended), Seconds: seconds, Before: size, Duration: 100_000}
	}
	hour := func(views ...task.View) Rate {
		w := window{from: now.Add(-time.Hour), to: now}
		for _, v := range views {
			w.add(v)
		}
		return w.rate(1000)
	}
	for _, tc := range []struct {
		name         string
		rate         Rate
		bytes, speed float64
		eta          float64 // -1 = none
	}{
		{"nothing", hour(), 0, 0, -1},
		{"one", hour(view(time.Minute, 10, 100)), 10, 10, 100},
		{"two with a pause between them", hour(view(time.Minute, 10, 100), view(5*time.Minute, 10, 300)), 20, 10, 50},
		{"two at once", hour(view(time.Minute, 10, 100), view(time.Minute, 10, 100)), 20, 20, 50},
		{"half of it before the hour", hour(view(59*time.Minute, 120, 1200)), 10, 100. / 120, 100},
		{"existed already", hour(view(time.Minute, 0, 1e9)), 0, 0, -1},
	} {
		eta := -1.0
		if tc.rate.ETA != nil {
			eta = *tc.rate.ETA
		}
		near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
		if !near(tc.rate.Bytes, tc.bytes) || !near(tc.rate.Speed, tc.speed) || !near(eta, tc.eta) {
			t.Errorf("%s: %+v, eta %v", tc.name, tc.rate, eta)
		}
	}
}

// TestDelay: the page shows the median for the last hundred MP4s.
func TestDelay(t *testing.T) {
	t.Parallel()
	var d delays
	if d.median() != nil {
		t.Error("of nothing")
	}
	ended := time.Now().UTC()
	for n := range delaysCounted + 50 {
		d.add(queue.Task{
			State: queue.StateDone, Created: ended, Updated: ended.Add(time.Duration(n) * time.Second),
			Data: task.Encode(task.Journal{Ended: ended, RenderSeconds: 1}),
		})
	}
	if got := d.median(); got == nil || *got != delaysCounted/2 {
		t.Errorf("%v", got)
	}
}
