package nfs

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asJumpServer) != "":
		fmt.Fprintln(os.Stderr, serveJumpServer())
		os.Exit(1)
	case os.Getenv(asGuest) != "":
		fmt.Fprintln(os.Stderr, obey())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// options are those of docs/nfs.md, without bg, with which mount does not wait.
const options = "rw,hard,noatime,lookupcache=pos"

// TestNFS runs all tests on the same hosts. NFS_TESTS is the disk of the guests;
// NFS_TESTS_SHORT skips tests that take minutes.
func TestNFS(t *testing.T) {
	image, deb := os.Getenv("NFS_TESTS"), os.Getenv("NFS_TESTS_DEB")
	if image == "" {
		t.Skip("see `make test-nfs`")
	}
	l := newFixture(t, image, deb)
	var prepared sync.WaitGroup
	for _, prepare := range []func(){l.startJumpServer, func() { l.t1.install(t) }, func() { l.t2.install(t) }} {
		prepared.Go(prepare)
	}
	prepared.Wait()
	if t.Failed() {
		t.FailNow()
	}
	// Two hosts with a site each work at the same time, and then together.
	t.Run("each on its own", func(t *testing.T) {
		l.run(t, "t1", []scenario{
			{"MP4s show at once", true, func(t *testing.T) { confirms(t, l.main, l.t1) }},
			{"rights", true, func(t *testing.T) { allows(t, l.main, l.t1) }},
			{"unexported in mid-task", true, func(t *testing.T) { unexports(t, l.main, l.t1) }},
			{"a part that is held open", true, func(t *testing.T) { holdsOpen(t, l.main, l.t1) }},
		})
		l.run(t, "t2", []scenario{
			{"an idle agent asks little", false, func(t *testing.T) { idles(t, l.t2) }},
			{"a recording that grows", false, func(t *testing.T) { grows(t, l.other, l.t2) }},
			{"on JumpServer's own host", true, func(t *testing.T) { livesThere(t, l.other) }},
		})
	})
	l.t2.site = l.main
	l.t2.configure(t)
	t.Run("together", func(t *testing.T) {
		l.run(t, "both", []scenario{
			{"two agents with one queue", false, func(t *testing.T) { shares(t, l.main) }},
			{"the server goes away", false, func(t *testing.T) { goesAway(t, l.main) }},
		})
	})
}

// scenario is a test on the guests.
type scenario struct {
	name  string
	short bool // also runs if NFS_TESTS_SHORT is set
	run   func(*testing.T)
}

// run runs scenarios one after another, and beside those of other hosts.
func (l *fixture) run(t *testing.T, host string, all []scenario) {
	t.Helper()
	t.Run(host, func(t *testing.T) {
		t.Parallel()
		for _, s := range all {
			if os.Getenv("NFS_TESTS_SHORT") != "" && !s.short {
				continue
			}
			began := time.Now()
			ok := t.Run(s.name, s.run)
			t.Logf("%s: %v, %s", s.name, ok, time.Since(began).Round(time.Second))
		}
	})
}

// confirms: with the defaults, an MP4 exists one minute after the session, plus the time of the
// conversion. A new file of core is seen as soon as it exists, even without
// lookupcache=pos.
func confirms(t *testing.T, s *site, g *guest) {
	g.configureDefaults(t)
	first := s.plant(t) // the first of the day, found together with its folder
	s.js.sh(t, "touch -d '1 hour ago' %s/%s/%s.replay.gz", s.replay(), today(), first)
	g.mount(t, "nfs4", "rw,hard,noatime")
	g.start(t)
	t.Cleanup(func() { g.stop(t); g.umount(t); g.configure(t) })
	s.waitReplaced(t, 3*time.Minute, first)
	began := map[string]time.Time{}
	var ids []string
	for range 4 {
		id := s.plant(t)
		began[id] = time.Now()
		ids = append(ids, id)
	}
	s.waitReplaced(t, 5*time.Minute, ids...)
	events := g.journal(t, ids...)
	var confirmed, done, found []time.Duration
	for _, id := range ids {
		confirmed = append(confirmed, between(events, id, "uploaded", "moved the original to the trash"))
		done = append(done, between(events, id, "uploaded", "done"))
		for _, e := range events {
			if e.Session == id && e.is("recording found") {
				found = append(found, e.at().Sub(began[id]))
			}
		}
	}
	t.Logf("from uploaded to confirmed and retired: %v, to done: %v; found after %v", confirmed, done, found)
	if m := median(confirmed); m < 0 || m > 2*time.Second {
		t.Errorf("from uploaded to retired takes %s (median)", m)
	}
	// This also needs core and the disk of the ledger, which are slow on a busy machine.
	if m := median(done); m < 0 || m > 2*waittest.Patience()/60 {
		t.Errorf("from uploaded to done takes %s (median)", m)
	}
	if len(found) != len(ids) || median(found) > time.Minute {
		t.Errorf("found after %v", found)
	}
	if mode, _ := g.request(t, http.MethodGet, agentURL+"api/status"); !strings.Contains(mode, `"mode":"poll"`) {
		t.Errorf("the page does not say that it polls: %s", mode)
	}
}

// grows: although attributes are cached for longer than SETTLE_TIME, a recording that is still
// being written is not accepted before it is complete.
func grows(t *testing.T, s *site, g *guest) {
	g.mount(t, "nfs4", options+",actimeo=30")
	g.start(t)
	t.Cleanup(func() { g.stop(t); g.umount(t) })
	id := "00000000-0000-4000-8000-000000000001"
	s.end(t, id)
	s.js.sh(t, `mkdir -p %[1]s/%[2]s
systemd-run -q bash -c 'f=%[1]s/%[2]s/%[3]s.replay.gz; n=$(stat -c %%s /host/recording.gz); for i in $(seq 0 11); do dd if=/host/recording.gz bs=$((n/12+1)) skip=$i count=1 2>/dev/null >>$f; sleep 3; done'`, s.replay(), today(), id)
	s.waitReplaced(t, 5*time.Minute, id)
	if n := s.uploads(t, id); n != "1" {
		t.Errorf("%s uploads", n)
	}
}

// idles: an agent without work sends few requests to the server.
func idles(t *testing.T, g *guest) {
	g.mount(t, "nfs4", options)
	g.configureDefaults(t)
	g.start(t)
	t.Cleanup(func() { g.stop(t); g.umount(t); g.configure(t) })
	time.Sleep(20 * time.Second) // until the first full scan is over
	before := g.operations(t)
	time.Sleep(time.Minute) // what is measured
	n := g.operations(t) - before
	t.Logf("%d operations a minute", n)
	if n < 1 || n > 150 {
		t.Errorf("%d operations a minute", n)
	}
}

// allows: before anything is rendered, the agent knows what an export permits. It reports the
// problem with a fix, and continues when the export is corrected.
func allows(t *testing.T, s *site, g *guest) {
	s.export(t, rootSquash)
	g.mount(t, "nfs4", options)
	id := s.plant(t)
	g.sh(t, "systemctl start %s", service)
	t.Cleanup(func() {
		g.stop(t)
		g.umount(t)
		s.export(t, squash)
		s.js.sh(t, "setfacl -R -b %s", s.replay())
	})
	for _, tc := range []struct {
		name    string
		prepare func()
		fix     string
	}{
		{"root_squash", func() {}, "all_squash,anonuid=0,anongid=0"},
		// Core creates the next day's folder with mode 0755, which limits the ACL.
		{"root_squash with a default ACL", func() {
			s.js.sh(t, "setfacl -R -m u:%[1]s:rwX,d:u:%[1]s:rwX %[2]s; rm -rf %[2]s/%[3]s", g.sh(t, "id -u %s", service), s.replay(), today())
			id = s.plant(t)
			g.sh(t, "systemctl restart %s", service)
		}, "all_squash,anonuid=0,anongid=0"},
		{"read-only", func() { s.export(t, readOnly) }, "read-write"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.prepare()
			c := g.waitUnwell(t, health.Rights, 3*time.Minute, tc.fix)
			t.Logf("%s. %s", c.Reason, c.Fix)
			if out, code := g.try(t, time.Minute, "jumpserver-video doctor --config /etc/jumpserver-video/config.txt"); code != 1 || !strings.Contains(out, tc.fix) {
				t.Errorf("doctor ends with %d: %s", code, out)
			}
			waittest.During(t, 5*time.Second, "nothing is uploaded in vain", func() bool { return s.uploads(t, id) == "0" })
		})
	}
	s.export(t, squash)
	s.waitReplaced(t, 3*time.Minute, id)
	times := s.js.sh(t, "cd %s; stat -c %%Y %s/%s.replay.mp4 .jumpserver-video-trash/*/*/%[3]s.replay.gz", s.replay(), today(), id)
	if a, b, _ := strings.Cut(times, "\n"); a != b {
		t.Errorf("the times of MP4 and original are %q", times)
	}
}

// livesThere: beside core, on its local disk, the service needs rights to files of root.
// doctor --fix gives them to the service, but not to ffmpeg.
func livesThere(t *testing.T, s *site) {
	s.js.install(t)
	s.js.sh(t, "systemctl start %s", service)
	t.Cleanup(func() {
		s.js.stop(t)
		s.js.sh(t, "dpkg --purge %s; rm -rf /etc/systemd/system/%[1]s.service.d /opt/video-worker", service)
	})
	id := s.plant(t)
	c := s.js.waitUnwell(t, health.Rights, 3*time.Minute, "doctor --fix")
	t.Logf("%s. %s", c.Reason, c.Fix)
	const doctor = "jumpserver-video doctor --config /etc/jumpserver-video/config.txt"
	if out, code := s.js.try(t, time.Minute, doctor+" --fix --dry-run; ls /etc/systemd/system/%s.service.d", service); code == 0 || !strings.Contains(out, "CAP_FOWNER") {
		t.Errorf("--dry-run ends with %d: %s", code, out)
	}
	s.js.sh(t, doctor+" --fix; systemctl daemon-reload; systemctl restart %s", service)
	s.js.sh(t, `systemd-run -q --unit=looker bash -c 'while :; do for p in $(pgrep -x ffmpeg); do grep CapEff /proc/$p/status >>/run/caps; done; sleep 0.1; done'`)
	s.waitReplaced(t, 3*time.Minute, id)
	s.js.waitHealthy(t)
	caps := s.js.sh(t, "systemctl stop looker; sort -u /run/caps; grep CapEff /proc/$(systemctl show -P MainPID %s)/status", service)
	if strings.Join(strings.Fields(caps), " ") != "CapEff: 0000000000000000 CapEff: 000000000000000b" {
		t.Errorf("ffmpeg and agent have %q", caps)
	}
	if mp4 := s.js.sh(t, "stat -c '%%U %%a' %s/%s/%s.replay.mp4", s.replay(), today(), id); mp4 != "root 644" {
		t.Errorf("the MP4 is %s", mp4)
	}
	if out, code := s.js.try(t, time.Minute, doctor+" --fix"); code != 0 || !strings.Contains(out, "nothing to write") {
		t.Errorf("the second time: %d, %s", code, out)
	}
}

// holdsOpen: with ORIGINALS=delete, parts that another process on the agent's host has open are
// removed all the same.
func holdsOpen(t *testing.T, s *site, g *guest) {
	g.mount(t, "nfs4", options)
	g.configure(t, "ORIGINALS=delete")
	g.start(t)
	t.Cleanup(func() { g.stop(t); g.umount(t); g.configure(t) })
	id := "00000000-0000-4000-8000-000000000002"
	index := fmt.Sprintf(`{"id":"%s","type":"guacamole","files":[{"name":"%[1]s.0.part.gz"}]}`, id)
	folder := fmt.Sprintf("%s/%s", today(), id)
	s.end(t, id)
	s.js.sh(t, `mkdir -p %[2]s/%[3]s; cp /host/recording.gz %[2]s/%[3]s/%[1]s.0.part.gz; touch -d '1 hour ago' %[2]s/%[3]s/*`, id, s.replay(), folder)
	g.sh(t, "systemd-run -q --unit=holder sleep infinity; systemd-run -q --unit=reader bash -c 'exec 9<%s/replay/%s/%s.0.part.gz; sleep infinity'", mountPoint, folder, id)
	t.Cleanup(func() { g.sh(t, "systemctl stop holder reader") })
	s.js.sh(t, "printf '%%s' '%s' >%s/%s/%s.replay.json; touch -d '1 hour ago' %[2]s/%[3]s/*", index, s.replay(), folder, id)
	waittest.Within(t, 3*time.Minute, "done", func() bool {
		return strings.Contains(g.sh(t, "jumpserver-video tasks show %s --config /etc/jumpserver-video/config.txt 2>&1 || true", id), "done")
	})
	if events := g.journal(t, id); strings.Contains(fmt.Sprint(events), "retrying later") {
		t.Errorf("%v", events)
	}
	if left := s.js.sh(t, "find %s -name '%s.*.gz'", s.replay(), id); left != "" {
		t.Errorf("left: %s", left)
	}
}

// unexports: if an export is withdrawn during a task, the task waits for it.
func unexports(t *testing.T, s *site, g *guest) {
	g.mount(t, "nfs4", options)
	g.start(t)
	t.Cleanup(func() { g.stop(t); g.umount(t); s.export(t, squash) })
	id := s.plant(t)
	waittest.Within(t, time.Minute, "the task", func() bool {
		_, status := g.request(t, http.MethodGet, agentURL+"api/tasks/"+id)
		return status == http.StatusOK
	})
	s.export(t, "")
	if s.isReplaced(t, id) {
		t.Error("the task was done before the export was withdrawn")
	}
	c := g.waitUnwell(t, health.Volume, 3*time.Minute, "")
	out, code := g.try(t, 2*time.Minute, "jumpserver-video doctor --config /etc/jumpserver-video/config.txt")
	t.Logf("%s; doctor: %s", c.Reason, out)
	if code != 1 || !strings.Contains(out, "export") || strings.Contains(out, "umount -l "+mountPoint+"/") {
		t.Errorf("doctor ends with %d", code)
	}
	s.export(t, squash)
	s.waitReplaced(t, 5*time.Minute, id)
}
