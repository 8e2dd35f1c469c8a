package nfs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
)

// goesAway: the server is unavailable for two minutes, first only its NFS and then all of it.
// One host has a hard mount of v4.2, and one a soft mount of v3. The agents respond, report
// the fault, can be stopped and started, and continue.
func goesAway(t *testing.T, l *fixture) {
	l.t1.mount(t, "nfs4", options)
	l.t2.sh(t, "systemctl start rpc-statd || true")
	l.t2.mount(t, "nfs", "rw,soft,timeo=50,retrans=2,noatime,vers=3,nolock")
	for _, g := range []*guest{l.t1, l.t2} {
		g.start(t)
	}
	t.Cleanup(func() {
		for _, g := range []*guest{l.t1, l.t2} {
			g.stop(t)
			g.umount(t)
		}
	})
	l.t2.stop(t) // one agent at a time has the volume; the other joins for the outage
	first := l.plant(t)
	l.js.sh(t, "systemctl stop nfs-server")
	l.t2.sh(t, "systemctl start %s", service)
	began := time.Now()
	for _, g := range []*guest{l.t1, l.t2} {
		c := g.waitUnwell(t, health.Volume, 2*time.Minute)
		t.Logf("%s: reported after %s: %s", g.name, time.Since(began).Round(time.Second), c.Reason)
	}
	if out, code := l.t1.try(t, 2*time.Minute, "jumpserver-video doctor --config /etc/jumpserver-video/config.txt"); code != 1 || !strings.Contains(out, "fix: wait") || !strings.Contains(out, "umount -f -l "+mountPoint+";") {
		t.Errorf("doctor ends with %d: %s", code, out)
	}
	stopped := time.Now()
	l.t1.stop(t)
	l.t1.sh(t, "systemctl start %s", service)
	t.Logf("stopped and started in %s", time.Since(stopped).Round(time.Second))
	if report, answers := l.t1.health(t); !answers || report.Status == "ok" {
		t.Errorf("right after a start on a hanging mount: %+v", report)
	}
	agent := l.t1.sh(t, "curl -s -o /dev/null -w '%%{http_code}' -m 10 http://127.0.0.1:9000/video-worker/")
	if agent != "200" {
		t.Errorf("the page responds with %s", agent)
	}
	for time.Since(began) < 2*time.Minute {
		for _, g := range []*guest{l.t1, l.t2} {
			if report, answers := g.health(t); !answers || report.Status == "ok" || !report.Conditions.Of(health.Core).OK {
				t.Errorf("%s: %+v", g.name, report)
			}
		}
		time.Sleep(10 * time.Second)
	}
	l.js.sh(t, "systemctl start nfs-server")
	for _, g := range []*guest{l.t1, l.t2} {
		g.waitHealthy(t)
	}
	l.t2.stop(t)
	l.waitReplaced(t, 5*time.Minute, first)

	second := l.plant(t)
	l.js.pause()
	time.Sleep(time.Minute + 30*time.Second)
	if report, answers := l.t1.health(t); !answers || report.Status == "ok" {
		t.Errorf("while the server hangs: %+v", report)
	}
	l.js.resume()
	l.t1.waitHealthy(t)
	l.waitReplaced(t, 5*time.Minute, second)
}

// shares: two agents, each with its own mount, share one queue.
func shares(t *testing.T, l *fixture) {
	var ids []string
	for _, g := range []*guest{l.t1, l.t2} {
		g.mount(t, "nfs4", options+",nosharecache")
		g.configure(t, "QUEUE_URL=nats://10.9.0.1:4222", "VIDEO_WORKER_SECRET_KEY=0123456789abcdef0123456789abcdef", "NAME=[VideoWorker]-"+g.name)
		g.start(t)
	}
	t.Cleanup(func() {
		for _, g := range []*guest{l.t1, l.t2} {
			g.stop(t)
			g.umount(t)
			g.configure(t)
		}
	})
	for range 8 {
		ids = append(ids, l.plant(t))
	}
	l.waitReplaced(t, 8*time.Minute, ids...)
	by := map[string]int{}
	for _, id := range ids {
		if n := l.uploads(t, id); n != "1" {
			t.Errorf("%s: %s uploads", id, n)
		}
	}
	for _, g := range []*guest{l.t1, l.t2} {
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
	if odd := l.js.sh(t, "ls %s/*/ | grep replay_ || true", replay); odd != "" {
		t.Errorf("collisions: %s", odd)
	}
}

// boots: the agent's host boots while the server is unavailable, as after a power failure. The
// line for fstab is that of docs/nfs.md.
func boots(t *testing.T, l *fixture) {
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
	fields[0] = "10.9.0.1:" + media
	l.t2.umount(t)
	l.t2.sh(t, "mkdir -p %s; echo '%s' >>/etc/fstab", mountPoint, strings.Join(fields, "  "))
	drop := l.t2.sh(t, "jumpserver-video doctor --fix --config /etc/jumpserver-video/config.txt; systemctl daemon-reload; systemctl enable %s 2>&1; sync", service)
	if !strings.Contains(drop, "RequiresMountsFor="+mountPoint+"/replay") {
		t.Errorf("doctor --fix: %s", drop)
	}
	l.js.sh(t, "systemctl stop nfs-server")
	l.t2.kill()
	l.t2.boot(os.Getenv("NFS_TESTS"))
	l.t2.waitUp()
	time.Sleep(100 * time.Second) // longer than systemd waits for a mount
	t.Logf("while the server is unavailable: %s", l.t2.sh(t, "systemctl is-active %s mnt-jumpserver.mount || true", service))
	l.js.sh(t, "systemctl start nfs-server")
	began := time.Now()
	waitFor(t, "the service", 3*time.Minute, func() bool {
		return l.t2.sh(t, "systemctl is-active %s || true", service) == "active"
	})
	l.t2.waitHealthy(t)
	t.Logf("the service was up %s after the server", time.Since(began).Round(time.Second))
	l.waitReplaced(t, 5*time.Minute, l.plant(t))
	if fmt.Sprint(l.t2.sh(t, "findmnt -n -o OPTIONS %s", mountPoint)) == "" {
		t.Error("not mounted")
	}
}
