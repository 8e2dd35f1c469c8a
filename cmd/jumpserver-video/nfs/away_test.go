package nfs

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// goesAway: the server is unavailable for two minutes, first only its NFS and then all of it.
// At first, one host has a hard mount of v4.2, and one a soft mount of v3. The agents respond,
// report the fault, can be stopped and started, and continue. Then the second host boots while
// the server hangs, as after a power failure.
func goesAway(t *testing.T, s *site) {
	s.t1.mount(t, "nfs4", options)
	s.t2.sh(t, "systemctl start rpc-statd || true")
	s.t2.mount(t, "nfs", "rw,soft,timeo=50,retrans=2,noatime,vers=3,nolock")
	s.t1.start(t) // one agent at a time has the volume; the other joins for the outage
	t.Cleanup(func() {
		for _, g := range []*guest{s.t1, s.t2} {
			g.stop(t)
			g.umount(t)
		}
	})
	first := s.plant(t)
	s.js.sh(t, "systemctl stop nfs-server")
	s.t2.sh(t, "systemctl start %s", service)
	began := time.Now()
	for _, g := range []*guest{s.t1, s.t2} {
		c := g.waitUnwell(t, health.Volume, 2*time.Minute, "")
		t.Logf("%s: reported after %s: %s", g.name, time.Since(began).Round(time.Second), c.Reason)
	}
	if out, code := s.t1.try(t, 2*time.Minute, "jumpserver-video doctor --config /etc/jumpserver-video/config.txt"); code != 1 || !strings.Contains(out, "fix: wait") || !strings.Contains(out, "umount -f -l "+mountPoint+";") {
		t.Errorf("doctor ends with %d: %s", code, out)
	}
	stopped := time.Now()
	s.t1.stop(t)
	s.t1.sh(t, "systemctl start %s", service)
	t.Logf("stopped and started in %s", time.Since(stopped).Round(time.Second))
	if report, answers := s.t1.health(t); !answers || report.Status == "ok" {
		t.Errorf("right after a start on a hanging mount: %+v", report)
	}
	if _, status := s.t1.request(t, http.MethodGet, agentURL); status != http.StatusOK {
		t.Errorf("the page responds with %d", status)
	}
	for time.Since(began) < 2*time.Minute {
		for _, g := range []*guest{s.t1, s.t2} {
			if report, answers := g.health(t); !answers || report.Status == "ok" || !report.Conditions.Of(health.Core).OK {
				t.Errorf("%s: %+v", g.name, report)
			}
		}
		time.Sleep(10 * time.Second) // the pace of the checks
	}
	s.js.sh(t, "systemctl start nfs-server")
	for _, g := range []*guest{s.t1, s.t2} {
		g.waitHealthy(t)
	}
	s.t2.stop(t)
	s.waitReplaced(t, 5*time.Minute, first)

	s.t2.umount(t)
	s.preparePowerFailure(t)
	second := s.plant(t)
	s.js.pause()
	s.t2.kill()
	s.t2.boot(os.Getenv("NFS_TESTS"))
	s.t2.waitUp()
	time.Sleep(95 * time.Second) // longer than systemd waits for a mount
	if report, answers := s.t1.health(t); !answers || report.Status == "ok" {
		t.Errorf("while the server hangs: %+v", report)
	}
	t.Logf("while the server hangs: %s", s.t2.sh(t, "systemctl is-active %s mnt-jumpserver.mount || true", service))
	s.t1.stop(t)
	s.js.resume()
	began = time.Now()
	waittest.Within(t, 3*time.Minute, "the service", func() bool {
		return s.t2.sh(t, "systemctl is-active %s || true", service) == "active"
	})
	s.t2.waitHealthy(t)
	t.Logf("the service was up %s after the server", time.Since(began).Round(time.Second))
	s.waitReplaced(t, 5*time.Minute, second)
}

// preparePowerFailure mounts the volume of the second host at its next boot, with the line
// for fstab of docs/nfs.md, and lets doctor write what the service needs.
func (s *site) preparePowerFailure(t *testing.T) {
	t.Helper()
	docs, err := os.ReadFile("../../../docs/nfs.md")
	if err != nil {
		t.Fatal(err)
	}
	line := ""
	for text := range strings.Lines(string(docs)) {
		if strings.Contains(text, mountPoint+"  nfs4") {
			line = strings.TrimSpace(text)
		}
	}
	fields := strings.Fields(line)
	if len(fields) != 6 {
		t.Fatalf("docs/nfs.md has no line for fstab: %q", line)
	}
	fields[0] = "10.9.0.1:" + s.media()
	s.t2.sh(t, "mkdir -p %s; echo '%s' >>/etc/fstab", mountPoint, strings.Join(fields, "  "))
	drop := s.t2.sh(t, "jumpserver-video doctor --fix --config /etc/jumpserver-video/config.txt; systemctl daemon-reload; systemctl enable %s 2>&1; sync", service)
	if !strings.Contains(drop, "RequiresMountsFor="+mountPoint+"/replay") {
		t.Errorf("doctor --fix: %s", drop)
	}
}

// shares: two agents, each with its own mount, share one queue.
func shares(t *testing.T, s *site) {
	var ids []string
	for _, g := range []*guest{s.t1, s.t2} {
		g.mount(t, "nfs4", options+",nosharecache")
		g.configure(t, "QUEUE_URL=nats://10.9.0.1:4222", "VIDEO_WORKER_SECRET_KEY=0123456789abcdef0123456789abcdef", "NAME=[VideoWorker]-"+g.name)
		g.start(t)
	}
	t.Cleanup(func() {
		for _, g := range []*guest{s.t1, s.t2} {
			g.stop(t)
			g.umount(t)
			g.configure(t)
		}
	})
	for range 4 {
		ids = append(ids, s.plant(t))
	}
	s.waitReplaced(t, 8*time.Minute, ids...)
	by := map[string]int{}
	for _, id := range ids {
		if n := s.uploads(t, id); n != "1" {
			t.Errorf("%s: %s uploads", id, n)
		}
	}
	for _, g := range []*guest{s.t1, s.t2} {
		for _, e := range g.journal(t, ids...) {
			if e.is("done") {
				by[g.name]++
			}
		}
	}
	t.Logf("done by %v", by)
	if by["t1"]+by["t2"] != len(ids) || by["t1"] == 0 || by["t2"] == 0 {
		t.Errorf("done by %v", by)
	}
	if odd := s.js.sh(t, "ls %s/*/ | grep replay_ || true", s.replay()); odd != "" {
		t.Errorf("collisions: %s", odd)
	}
}
