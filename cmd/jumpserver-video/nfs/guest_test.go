package nfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// fixture is the hosts, their network, and the sites on them.
type fixture struct {
	t           *testing.T
	dir         string
	js          *guest // JumpServer
	t1, t2      *guest // transcoding hosts
	main, other *site
}

// guest is a Linux host.
type guest struct {
	fixture *fixture
	site    *site // whose recordings its agent converts
	name    string
	address string
	disk    string // changes to the image
	cmd     *exec.Cmd
	done    chan struct{}
	next    atomic.Int32 // number of the next script
	console *os.File
}

// newFixture boots the guests with the disk image. deb is the package under test.
func newFixture(t *testing.T, image, deb string) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "nfs-fixture-") // short, because names of sockets are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		} else {
			t.Log("the files are in ", dir)
		}
	})
	l := &fixture{t: t, dir: dir}
	shared := filepath.Join(dir, "share")
	if err := os.Mkdir(shared, 0o755); err != nil { //nolint:gosec // for all users of the guests
		t.Fatal(err)
	}
	for from, to := range map[string]string{deb: "jumpserver-video.deb", os.Args[0]: "nfs.test"} {
		if out, err := exec.Command("cp", from, filepath.Join(shared, to)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := writeRecording(filepath.Join(shared, "recording.gz")); err != nil {
		t.Fatal(err)
	}
	sw := exec.Command("uml_switch", "-unix", filepath.Join(dir, "switch"))
	if stdin, err := sw.StdinPipe(); err != nil { // the switch ends with its input
		t.Fatal(err)
	} else {
		t.Cleanup(func() { stdin.Close() })
	}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Process.Kill(); _ = sw.Wait() })
	waittest.Within(t, 30*time.Second, "switch", func() bool {
		_, err := os.Stat(filepath.Join(dir, "switch"))
		return err == nil
	})
	for i, g := range []**guest{&l.js, &l.t1, &l.t2} {
		name := []string{"js", "t1", "t2"}[i]
		*g = &guest{fixture: l, name: name, address: fmt.Sprintf("10.9.0.%d", i+1), disk: filepath.Join(dir, name+".cow")}
		(*g).boot(image)
	}
	all := sites()
	for _, s := range all {
		s.fixture = l
	}
	l.main, l.other = all[0], all[1]
	l.t1.site, l.t2.site, l.js.site = l.main, l.other, l.other
	for _, g := range []*guest{l.js, l.t1, l.t2} {
		g.waitUp()
	}
	return l
}

func (g *guest) share() string { return filepath.Join(g.fixture.dir, "share", g.name) }

// boot starts the guest.
func (g *guest) boot(image string) {
	t := g.fixture.t
	t.Helper()
	if err := os.RemoveAll(g.share()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(g.share(), 0o755); err != nil { //nolint:gosec // for all users of the guest
		t.Fatal(err)
	}
	var err error
	if g.console, err = os.OpenFile(filepath.Join(g.fixture.dir, g.name+".console"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	g.next.Store(0)
	g.cmd = exec.Command("linux", "umid="+g.name, "uml_dir="+g.fixture.dir+"/uml/", "mem=640M", "ubd0="+g.disk+","+image, "root=/dev/ubda", "rw",
		"hostfs="+filepath.Join(g.fixture.dir, "share"), "con=null", "con0=null,fd:1", "eth0=daemon,,unix,"+filepath.Join(g.fixture.dir, "switch"),
		"guest="+g.name, "address="+g.address, "systemd.show_status=0", "quiet")
	g.cmd.Env = append(os.Environ(), "LD_PRELOAD="+filepath.Join(filepath.Dir(image), "xstate.so"), "TMPDIR=/dev/shm")
	g.cmd.Stdout, g.cmd.Stderr = g.console, g.console
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.done = make(chan struct{})
	go func() { defer close(g.done); _ = g.cmd.Wait(); g.console.Close() }()
	t.Cleanup(g.kill)
}

// kill ends the guest like a power failure.
func (g *guest) kill() {
	g.resume()
	_ = syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
	<-g.done
}

// pause stops everything in the guest until resume: its first process traces all others.
func (g *guest) pause()  { _ = g.cmd.Process.Signal(syscall.SIGSTOP) }
func (g *guest) resume() { _ = g.cmd.Process.Signal(syscall.SIGCONT) }

func (g *guest) waitUp() {
	g.fixture.t.Helper()
	waittest.Within(g.fixture.t, 5*time.Minute, g.name+" boots", func() bool {
		select {
		case <-g.done:
			console, _ := os.ReadFile(g.console.Name())
			g.fixture.t.Fatalf("%s has ended: %s", g.name, console)
		default:
		}
		_, err := os.Stat(filepath.Join(g.share(), "up"))
		return err == nil
	})
}

// sh runs a script in the guest, and returns its output without surrounding white space. The
// script must exit with 0 within two minutes.
func (g *guest) sh(t *testing.T, format string, a ...any) string {
	t.Helper()
	out, code := g.try(t, 2*time.Minute, format, a...)
	if code != 0 {
		t.Fatalf("%s: %s\nended with %d: %s", g.name, fmt.Sprintf(format, a...), code, out)
	}
	return out
}

// hangs is the exit code of a script that has not ended in time.
const hangs = -1

// try is [guest.sh] for a script that may fail or hang.
func (g *guest) try(t *testing.T, patience time.Duration, format string, a ...any) (out string, code int) {
	t.Helper()
	return g.order(t, patience, ".sh", "set -e\n"+fmt.Sprintf(format, a...)+"\n")
}

// request makes a request in the guest. It returns the body and the status, or 0 if there is
// no response within ten seconds.
func (g *guest) request(t *testing.T, method, url string) (body string, status int) {
	t.Helper()
	body, status = g.order(t, time.Minute, ".http", method+" "+url)
	return body, max(status, 0)
}

// order lets the guest do something; see obey.
func (g *guest) order(t *testing.T, patience time.Duration, kind, content string) (out string, code int) {
	t.Helper()
	base := filepath.Join(g.share(), strconv.Itoa(int(g.next.Add(1)-1)))
	if err := os.WriteFile(base+".part", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(base+".part", base+kind); err != nil {
		t.Fatal(err)
	}
	code = hangs
	for end := time.Now().Add(patience); code == hangs && time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // the caller decides what a hanging script means
		rc, err := os.ReadFile(base + ".rc")
		if errors.Is(err, os.ErrNotExist) {
			select {
			case <-g.done:
				t.Fatalf("%s has gone: see %s", g.name, g.console.Name())
			default:
			}
			continue
		}
		if code, err = strconv.Atoi(string(rc)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(base + ".out")
	if err != nil && code != hangs {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b)), code
}
