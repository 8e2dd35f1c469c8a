package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/notify"
)

// TestPeopleAreNotified: messages are sent when a volume becomes unavailable and when it is
// available again. The agent reports a target that does not accept messages.
func TestPeopleAreNotified(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var taken []notify.Message
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var m notify.Message
		if err != nil || json.Unmarshal(data, &m) != nil {
			t.Errorf("%v: %s", err, data)
		}
		mu.Lock()
		defer mu.Unlock()
		taken = append(taken, m)
	}))
	defer hook.Close()
	told := func(of func(notify.Message) bool) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.ContainsFunc(taken, of)
		}
	}
	l := newFixture(t, "4.10.13")
	const secret = "whk-4f5e6d7c8b9a"
	l.env["NOTIFY_URL"] = hook.URL + "/?token=" + secret + " http://127.0.0.1:1/" + secret
	l.env["NOTIFY_LANG"], l.env["STATUS_URL"] = "ru", "https://video.example.org/video-worker/"
	l.env["TEST_NOTIFY_SETTLE"], l.env["TEST_NOTIFY_EVERY"], l.env["TEST_NOTIFY_POLL"] = "200ms", "200ms", "100ms"

	l.startHealthy()
	away := l.replay() + ".away"
	if err := os.Rename(l.replay(), away); err != nil {
		t.Fatal(err)
	}
	l.until("told that the volume is away", told(func(m notify.Message) bool {
		return slices.Contains(m.Troubles, health.Volume) && strings.Contains(m.Title, i18n.Russian.T("health.volume")) && strings.HasSuffix(m.Body, "\n"+m.Link) &&
			m.Link == l.env["STATUS_URL"]
	}))
	l.until("tells that a target takes nothing", func() bool {
		_, body := l.get(metrics.Path, "", "")
		return strings.Contains(body, `jumpserver_video_condition{part="notify"} 0`)
	})
	for _, result := range []string{"sent", "failed"} {
		if n, err := l.agent.Metric(t.Context(), "jumpserver_video_notifications_total", `service="webhook"`, `result="`+result+`"`); err != nil || n < 1 {
			t.Errorf("notifications %s: %v, %v", result, n, err)
		}
	}
	out, code := l.command("doctor", "--notify", "--lang", "en")
	if code != 1 || !strings.Contains(out, "has accepted the test message") || !strings.Contains(out, "127.0.0.1:1) has not accepted the test message") {
		t.Errorf("%d: %s", code, out)
	}
	if !told(func(m notify.Message) bool { return m.Event == "test" })() {
		t.Error("no test message")
	}
	if err := os.Rename(away, l.replay()); err != nil {
		t.Fatal(err)
	}
	l.until("told that it is back", told(func(m notify.Message) bool { return m.Event == "over" && slices.Contains(m.Over, health.Volume) }))
	if log := l.agent.Log(); strings.Contains(log+out, secret) || !strings.Contains(log, "a notification was not accepted") {
		t.Errorf("log: %s", log)
	}
}
