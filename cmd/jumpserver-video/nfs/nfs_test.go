package nfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
)

func TestMain(m *testing.M) {
	if os.Getenv(asJumpServer) != "" {
		fmt.Fprintln(os.Stderr, serveJumpServer())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// options are those of docs/nfs.md, without bg, with which mount does not wait.
const options = "rw,hard,noatime,lookupcache=pos"

// TestNFS runs all tests on the same hosts, one after another. NFS_TESTS is the disk of the
// guests; NFS_TESTS_SHORT skips tests that take minutes.
func TestNFS(t *testing.T) {
	image, deb := os.Getenv("NFS_TESTS"), os.Getenv("NFS_TESTS_DEB")
	if image == "" {
		t.Skip("see `make test-nfs`")
	}
	l := newFixture(t, image)
	shared := filepath.Join(l.dir, "share")
	for from, to := range map[string]string{deb: "jumpserver-video.deb", os.Args[0]: "nfs.test"} {
		if out, err := exec.Command("cp", from, filepath.Join(shared, to)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := writeRecording(filepath.Join(shared, "recording.gz")); err != nil {
		t.Fatal(err)
	}
	l.startJumpServer()
	l.t1.install(t)
	l.t2.install(t)
	for _, scenario := range []struct {
		name  string
		short bool // also runs in CI
		run   func(*testing.T, *fixture)
	}{
		{"MP4s show at once", true, confirms},
		{"a recording that grows", false, grows},
		{"an idle agent asks little", false, idles},
		{"rights", true, allows},
		{"on JumpServer's own host", true, livesThere},
		{"a part that is held open", true, holdsOpen},
		{"unexported in mid-task", true, unexports},
		{"the server goes away", false, goesAway},
		{"two agents with one queue", false, shares},
		{"boot without the server", true, boots},
	} {
		if os.Getenv("NFS_TESTS_SHORT") != "" && !scenario.short {
			continue
		}
		began := time.Now()
		ok := t.Run(scenario.name, func(t *testing.T) { scenario.run(t, l) })
		t.Logf("%s: %v, %s", scenario.name, ok, time.Since(began).Round(time.Second))
	}
}

// confirms: with the defaults, an MP4 exists one minute after the session, plus the time of the
// conversion. A new file of core is seen as soon as it exists, even without
// lookupcache=pos.
func confirms(t *testing.T, l *fixture) {
	l.t1.mount(t, "nfs4", "rw,hard,noatime")
	l.t1.start(t)
	t.Cleanup(func() { l.t1.stop(t); l.t1.umount(t) })
	l.waitReplaced(t, 3*time.Minute, l.plant(t)) // the first of the day, found together with its folder
	began := map[string]time.Time{}
	var ids []string
	for range 5 {
		id := l.plant(t)
		began[id] = time.Now()
		ids = append(ids, id)
	}
	l.waitReplaced(t, 5*time.Minute, ids...)
	events := l.t1.journal(t, ids...)
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
	if m := median(done); m < 0 || m > 2*agenttest.Patience()/60 {
		t.Errorf("from uploaded to done takes %s (median)", m)
	}
	if len(found) != len(ids) || median(found) > time.Minute {
		t.Errorf("found after %v", found)
	}
	if mode := l.t1.sh(t, "curl -s http://127.0.0.1:9000/video-worker/api/status"); !strings.Contains(mode, `"mode":"poll"`) {
		t.Errorf("the page does not say that it polls: %s", mode)
	}
}

// grows: although attributes are cached for longer than SETTLE_TIME, a recording that is still
// being written is not accepted before it is complete.
func grows(t *testing.T, l *fixture) {
	l.t1.mount(t, "nfs4", options+",actimeo=60")
	l.t1.configure(t, "SETTLE_TIME=5s", "SCAN_INTERVAL=5s")
	l.t1.start(t)
	t.Cleanup(func() { l.t1.stop(t); l.t1.umount(t); l.t1.configure(t) })
	id := "00000000-0000-4000-8000-000000000001"
	l.js.sh(t, `curl -fsS -X POST http://127.0.0.1:8081/session/%s; mkdir -p %s/%[3]s
systemd-run -q bash -c 'f=%[2]s/%[3]s/%[1]s.replay.gz; n=$(stat -c %%s /host/recording.gz); for i in $(seq 0 19); do dd if=/host/recording.gz bs=$((n/20+1)) skip=$i count=1 2>/dev/null >>$f; sleep 3; done'`, id, replay, today())
	l.waitReplaced(t, 5*time.Minute, id)
	if n := l.uploads(t, id); n != "1" {
		t.Errorf("%s uploads", n)
	}
}

// idles: an agent without work sends few requests to the server.
func idles(t *testing.T, l *fixture) {
	l.t1.mount(t, "nfs4", options)
	l.t1.start(t)
	t.Cleanup(func() { l.t1.stop(t); l.t1.umount(t) })
	time.Sleep(30 * time.Second)
	before := l.t1.operations(t)
	time.Sleep(2 * time.Minute)
	n := (l.t1.operations(t) - before) / 2
	t.Logf("%d operations a minute", n)
	if n < 1 || n > 150 {
		t.Errorf("%d operations a minute", n)
	}
}

// allows: before anything is rendered, the agent knows what an export permits. It reports the
// problem with a fix, and continues when the export is corrected.
func allows(t *testing.T, l *fixture) {
	for _, tc := range []struct {
		name, export, before, fix string
	}{
		{"root_squash", rootSquash, ":", "all_squash,anonuid=0,anongid=0"},
		{"root_squash with a default ACL", rootSquash, "setfacl -R -m u:$uid:rwX,d:u:$uid:rwX " + replay, "all_squash,anonuid=0,anongid=0"},
		{"read-only", readOnly, ":", "rw"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			uid := l.t1.sh(t, "id -u %s", service)
			l.js.sh(t, "uid=%s; %s; rm -rf %s/%s", uid, tc.before, replay, today())
			l.export(t, tc.export)
			l.t1.mount(t, "nfs4", options)
			l.t1.sh(t, "systemctl start %s", service)
			t.Cleanup(func() {
				l.t1.stop(t)
				l.t1.umount(t)
				l.export(t, squash)
				l.js.sh(t, "setfacl -R -b %s", replay)
			})
			id := l.plant(t)
			c := l.t1.waitUnwell(t, health.Rights, 3*time.Minute)
			t.Logf("%s. %s", c.Reason, c.Fix)
			if !strings.Contains(c.Fix, tc.fix) {
				t.Errorf("fix: %s", c.Fix)
			}
			if out, code := l.t1.try(t, time.Minute, "jumpserver-video doctor --config /etc/jumpserver-video/config.txt"); code != 1 || !strings.Contains(out, tc.fix) {
				t.Errorf("doctor ends with %d: %s", code, out)
			}
			time.Sleep(10 * time.Second)
			if n := l.uploads(t, id); n != "0" {
				t.Errorf("%s uploads in vain", n)
			}
			l.export(t, squash)
			l.waitReplaced(t, 3*time.Minute, id)
			times := l.js.sh(t, "cd %s; stat -c %%Y %s/%s.replay.mp4 .jumpserver-video-trash/*/*/%[3]s.replay.gz", replay, today(), id)
			if a, b, _ := strings.Cut(times, "\n"); a != b {
				t.Errorf("the times of MP4 and original are %q", times)
			}
		})
	}
}

// livesThere: beside core, on its local disk, the service needs rights to files of root.
// doctor --fix gives them to the service, but not to ffmpeg.
func livesThere(t *testing.T, l *fixture) {
	l.js.install(t)
	l.js.sh(t, "systemctl start %s", service)
	t.Cleanup(func() {
		l.js.stop(t)
		l.js.sh(t, "dpkg --purge %s; rm -rf /etc/systemd/system/%[1]s.service.d /opt/video-worker", service)
	})
	id := l.plant(t)
	c := l.js.waitUnwell(t, health.Rights, 3*time.Minute)
	t.Logf("%s. %s", c.Reason, c.Fix)
	if !strings.Contains(c.Fix, "doctor --fix") {
		t.Errorf("fix: %s", c.Fix)
	}
	const doctor = "jumpserver-video doctor --config /etc/jumpserver-video/config.txt"
	if out, code := l.js.try(t, time.Minute, doctor+" --fix --dry-run; ls /etc/systemd/system/%s.service.d", service); code == 0 || !strings.Contains(out, "CAP_FOWNER") {
		t.Errorf("--dry-run ends with %d: %s", code, out)
	}
	l.js.sh(t, doctor+" --fix; systemctl daemon-reload; systemctl restart %s", service)
	l.js.sh(t, `systemd-run -q --unit=looker bash -c 'while :; do for p in $(pgrep -x ffmpeg); do grep CapEff /proc/$p/status >>/run/caps; done; sleep 0.1; done'`)
	l.waitReplaced(t, 3*time.Minute, id)
	l.js.waitHealthy(t)
	caps := l.js.sh(t, "systemctl stop looker; sort -u /run/caps; grep CapEff /proc/$(systemctl show -P MainPID %s)/status", service)
	if strings.Join(strings.Fields(caps), " ") != "CapEff: 0000000000000000 CapEff: 000000000000000b" {
		t.Errorf("ffmpeg and agent have %q", caps)
	}
	if mp4 := l.js.sh(t, "stat -c '%%U %%a' %s/%s/%s.replay.mp4", replay, today(), id); mp4 != "root 644" {
		t.Errorf("the MP4 is %s", mp4)
	}
	if out, code := l.js.try(t, time.Minute, doctor+" --fix"); code != 0 || !strings.Contains(out, "nothing to write") {
		t.Errorf("the second time: %d, %s", code, out)
	}
}

// holdsOpen: with ORIGINALS=delete, parts that another process on the agent's host has open are
// removed all the same.
func holdsOpen(t *testing.T, l *fixture) {
	l.t1.mount(t, "nfs4", options)
	l.t1.configure(t, "ORIGINALS=delete")
	l.t1.start(t)
	t.Cleanup(func() { l.t1.stop(t); l.t1.umount(t); l.t1.configure(t) })
	id := "00000000-0000-4000-8000-000000000002"
	index := fmt.Sprintf(`{"id":"%s","type":"guacamole","files":[{"name":"%[1]s.0.part.gz"}]}`, id)
	folder := fmt.Sprintf("%s/%s", today(), id)
	l.js.sh(t, `curl -fsS -X POST http://127.0.0.1:8081/session/%s; mkdir -p %s/%[3]s; cp /host/recording.gz %[2]s/%[3]s/%[1]s.0.part.gz; touch -d '1 hour ago' %[2]s/%[3]s/*`, id, replay, folder)
	l.t1.sh(t, "systemd-run -q --unit=holder sleep infinity; systemd-run -q --unit=reader bash -c 'exec 9<%s/replay/%s/%s.0.part.gz; sleep infinity'", mountPoint, folder, id)
	t.Cleanup(func() { l.t1.sh(t, "systemctl stop holder reader") })
	l.js.sh(t, "printf '%%s' '%s' >%s/%s/%s.replay.json; touch -d '1 hour ago' %[2]s/%[3]s/*", index, replay, folder, id)
	waitFor(t, "done", 3*time.Minute, func() bool {
		return strings.Contains(l.t1.sh(t, "jumpserver-video tasks show %s --config /etc/jumpserver-video/config.txt 2>&1 || true", id), "done")
	})
	if events := l.t1.journal(t, id); strings.Contains(fmt.Sprint(events), "retrying later") {
		t.Errorf("%v", events)
	}
	if left := l.js.sh(t, "find %s -name '%s.*.gz'", replay, id); left != "" {
		t.Errorf("left: %s", left)
	}
}

// unexports: if an export is withdrawn during a task, the task waits for it.
func unexports(t *testing.T, l *fixture) {
	l.t1.mount(t, "nfs4", options)
	l.t1.start(t)
	t.Cleanup(func() { l.t1.stop(t); l.t1.umount(t); l.export(t, squash) })
	id := l.plant(t)
	l.export(t, "")
	c := l.t1.waitUnwell(t, health.Volume, 3*time.Minute)
	out, code := l.t1.try(t, 2*time.Minute, "jumpserver-video doctor --config /etc/jumpserver-video/config.txt")
	t.Logf("%s; doctor: %s", c.Reason, out)
	if code != 1 || !strings.Contains(out, "export") || strings.Contains(out, "umount -l "+mountPoint+"/") {
		t.Errorf("doctor ends with %d", code)
	}
	l.export(t, squash)
	l.waitReplaced(t, 5*time.Minute, id)
}
