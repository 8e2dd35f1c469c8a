package nfs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

const (
	mountPoint = "/mnt/jumpserver"
	service    = "jumpserver-video"
	agentURL   = "http://127.0.0.1:9000/video-worker/"
)

// install installs the package and its settings; more are additional lines of config.txt.
func (g *guest) install(t *testing.T, more ...string) {
	t.Helper()
	g.sh(t, "dpkg -i --force-unsafe-io /host/jumpserver-video.deb")
	g.configure(t, more...)
}

// configure writes config.txt. The agent looks for recordings often, so that the tests do
// not wait; more are additional lines.
func (g *guest) configure(t *testing.T, more ...string) {
	t.Helper()
	g.write(t, append([]string{"SETTLE_TIME=5s", "SCAN_INTERVAL=5s"}, more...))
}

// configureDefaults writes a config.txt with the default times.
func (g *guest) configureDefaults(t *testing.T) {
	t.Helper()
	g.write(t, nil)
}

// write writes config.txt. The agent may use the whole CPU of its host, which has only
// one. Recordings have no sound and a small screen.
func (g *guest) write(t *testing.T, more []string) {
	t.Helper()
	dir := mountPoint + "/replay"
	if g == g.fixture.js {
		dir = g.site.replay()
	}
	lines := append([]string{
		fmt.Sprintf("CORE_HOST=http://10.9.0.1:%d", g.site.port), "BOOTSTRAP_TOKEN=" + token, "BIND_HOST=127.0.0.1", "REPLAY_DIR=" + dir,
		"CPU_TARGET=100", "LOG_LEVEL=INFO", "VIDEO_WORKER_COUNT=2",
	}, more...)
	g.sh(t, "printf '%%s\\n' %s >/etc/jumpserver-video/config.txt", "'"+strings.Join(lines, "' '")+"'")
}

// mount mounts the volume.
func (g *guest) mount(t *testing.T, kind, options string) {
	t.Helper()
	g.sh(t, "mkdir -p %s; mount -t %s -o %s 10.9.0.1:%s %[1]s", mountPoint, kind, options, g.site.media())
}

func (g *guest) umount(t *testing.T) {
	t.Helper()
	g.sh(t, "umount -f -l %s 2>/dev/null || true", mountPoint)
}

func (g *guest) start(t *testing.T) {
	t.Helper()
	g.sh(t, "systemctl reset-failed; systemctl start %s", service)
	g.waitHealthy(t)
}

// stop stops the service, which must succeed, also while the volume hangs.
func (g *guest) stop(t *testing.T) {
	t.Helper()
	g.sh(t, "systemctl stop %s", service)
	if result := g.sh(t, "systemctl show -P Result %s", service); result != "success" {
		t.Errorf("%s: the service did not stop cleanly: %s", g.name, result)
	}
}

// health requests the agent's health; the response must come within ten seconds.
func (g *guest) health(t *testing.T) (report health.Report, responds bool) {
	t.Helper()
	out, status := g.request(t, http.MethodGet, agentURL+"health/")
	return report, status != 0 && json.Unmarshal([]byte(out), &report) == nil
}

func (g *guest) waitHealthy(t *testing.T) {
	t.Helper()
	var last health.Report
	defer func() {
		if t.Failed() {
			t.Logf("%s: %+v", g.name, last)
		}
	}()
	waittest.Within(t, 2*time.Minute, g.name+" is well", func() bool {
		report, responds := g.health(t)
		last = report
		return responds && report.Status == "ok"
	})
}

// waitUnwell waits until a part is not OK and its fix contains a text, and returns its
// condition.
func (g *guest) waitUnwell(t *testing.T, part health.Part, patience time.Duration, fix string) health.Condition {
	t.Helper()
	var c health.Condition
	var last health.Report
	defer func() {
		if t.Failed() {
			out, _ := g.try(t, 20*time.Second, "journalctl -u %s -n 20 --no-pager", service)
			t.Logf("%s: %+v\n%s", g.name, last, out)
		}
	}()
	waittest.Within(t, patience, fmt.Sprintf("%s: %s is told", g.name, part), func() bool {
		report, responds := g.health(t)
		if !responds {
			t.Errorf("%s: health does not respond", g.name)
		}
		c, last = report.Conditions.Of(part), report
		return responds && report.Status != "ok" && !c.OK && strings.Contains(c.Fix, fix)
	})
	return c
}

// waitReplaced waits until sessions have their MP4s.
func (s *site) waitReplaced(t *testing.T, patience time.Duration, ids ...string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			for _, g := range []*guest{s.t1, s.t2} {
				out, _ := g.try(t, 20*time.Second, "journalctl -u %s -n 30 --no-pager", service)
				t.Logf("%s: %s", g.name, out)
			}
		}
	}()
	for _, id := range ids {
		waittest.Within(t, patience, "MP4 of "+id, func() bool {
			return s.isReplaced(t, id)
		})
	}
}

// event is a line of the agent's journal.
type event struct {
	Message string `json:"MESSAGE"`
	Session string `json:"SESSION"`
	Reason  string `json:"REASON"`
	Time    string `json:"__REALTIME_TIMESTAMP"`
}

// is reports whether the event has this message, with any attributes.
func (e event) is(message string) bool {
	return e.Message == message || strings.HasPrefix(e.Message, message+" ")
}

func (e event) at() time.Time {
	us, _ := strconv.ParseInt(e.Time, 10, 64)
	return time.UnixMicro(us)
}

// journal returns the agent's messages about sessions.
func (g *guest) journal(t *testing.T, ids ...string) (events []event) {
	t.Helper()
	for line := range strings.Lines(g.sh(t, "journalctl -u %s -o json --no-pager", service)) {
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && slices.Contains(ids, e.Session) {
			events = append(events, e)
		}
	}
	return events
}

// between returns the time between two messages about a session.
func between(events []event, id, from, to string) time.Duration {
	var began time.Time
	for _, e := range events {
		switch {
		case e.Session == id && e.is(from):
			began = e.at()
		case e.Session == id && e.is(to) && !began.IsZero():
			return e.at().Sub(began)
		}
	}
	return -1
}

func median(all []time.Duration) time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// operations returns the number of requests from the mount to its server.
func (g *guest) operations(t *testing.T) (n int) {
	t.Helper()
	table := g.sh(t, "sed -n '/ on %s with/,/^device/p' /proc/self/mountstats | sed -n '/per-op/,$p'", strings.ReplaceAll(mountPoint, "/", `\/`))
	for line := range strings.Lines(table) {
		if name, numbers, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && strings.ToUpper(name) == name && name != "NULL" {
			count, _ := strconv.Atoi(strings.Fields(numbers)[0])
			n += count
		}
	}
	return n
}
