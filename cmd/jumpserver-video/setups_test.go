package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/doctor"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/statuspage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// nobody is a user other than core's.
const nobody = 65534

// unprivileged are the arguments with which setpriv runs a program as nobody.
var unprivileged = []string{"--reuid", "65534", "--regid", "65534", "--clear-groups"}

// setUp is a faulty setup of an agent, and the messages that lead to its cause.
type setUp struct {
	version string
	breaks  func(*fixture) // before the start
	part    health.Part    // on the page
	check   doctor.Check
	detail  string         // of the doctor's finding
	fix     string         // of the doctor's finding
	follows func(*fixture) // does what the doctor says; the agent is then restarted
	docs    string         // text in docs/troubleshooting.md
}

// TestBrokenSetUps: the page, the doctor and docs/troubleshooting.md name the cause, and their
// fix works.
func TestBrokenSetUps(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the agent runs as another user, and in a sandbox")
	}
	for name, s := range map[string]setUp{
		"rights of new day folders": {
			version: "4.10.13",
			breaks:  func(l *fixture) { l.wrap("setpriv", unprivileged...) },
			part:    health.Rights, check: doctor.Volume, detail: "the agent cannot retire originals: ", fix: "Run `sudo jumpserver-video doctor --fix`: it gives the service rights",
			follows: func(l *fixture) {
				caps := granted(l.t)
				l.wrap("setpriv", append(unprivileged, "--inh-caps", caps, "--ambient-caps", caps)...)
			},
			docs: "`permission`",
		},
		"REPLAY_DIR outside of the sandbox": {
			version: "4.10.13",
			breaks: func(l *fixture) {
				l.wrap("unshare", "-m", "--propagation", "private", "sh", "-c", `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"`, l.replay())
			},
			part: health.Rights, check: doctor.Volume, detail: "read-only file system", fix: "The service's own sandbox, or its container, keeps it from writing below ",
			follows: func(l *fixture) { l.wrap("env") },
			docs:    "`read_only`",
		},
		"a wrong token, in v4": {
			version: "4.10.13",
			breaks:  func(l *fixture) { l.env["BOOTSTRAP_TOKEN"] = "another" },
			part:    health.Core, check: doctor.Registration, detail: "BOOTSTRAP_TOKEN is wrong", fix: "compare BOOTSTRAP_TOKEN with JumpServer's config.txt",
			follows: func(l *fixture) { l.env["BOOTSTRAP_TOKEN"] = "boot-secret" },
			docs:    "BOOTSTRAP_TOKEN",
		},
		"a wrong token, in v3": {
			version: "3.10.9",
			breaks:  func(l *fixture) { l.env["BOOTSTRAP_TOKEN"] = "another" },
			part:    health.Core, check: doctor.Registration, detail: "core does not accept BOOTSTRAP_TOKEN", fix: "copy BOOTSTRAP_TOKEN from JumpServer's config.txt",
			follows: func(l *fixture) { l.env["BOOTSTRAP_TOKEN"] = "boot-secret" },
			docs:    "BOOTSTRAP_TOKEN",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.isSolved(t)
		})
	}
}

func (s setUp) isSolved(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four agents one after another")
	}
	l := newFixture(t, s.version, func(o *devcore.Options) { o.Registration = devcore.RegistrationOn })
	seeds := planted(t, l)
	everywhere(t, l.dir)
	s.breaks(l)
	l.start()
	l.until("the page says so", func() bool {
		var page statuspage.Status
		_, body := l.get(statuspage.StatusPath, "", "")
		if json.Unmarshal([]byte(body), &page) != nil {
			return false
		}
		for _, trouble := range page.Health.Troubles {
			if trouble.Part == s.part && trouble.Level == health.Failing {
				return s.part != health.Rights || !page.Volume.Fix.IsZero() && page.Volume.Denied != ""
			}
		}
		return false
	})
	l.env["INSTALLED"] = "/nonexistent/config.txt"
	l.until("the doctor says so, and ends with 1", func() bool {
		out, code := l.command("doctor", "--json")
		var found []struct{ Check, Level, Detail, Fix string }
		end := strings.LastIndex(out, "]") // the rest is text for people
		if end < 0 || json.Unmarshal([]byte(out[:end+1]), &found) != nil {
			t.Fatalf("%d: %s", code, out)
		}
		for _, f := range found {
			if f.Check == string(s.check) && f.Level == string(doctor.Bad) && strings.Contains(f.Detail, s.detail) && strings.Contains(f.Fix, s.fix) {
				return code == exitFailure
			}
		}
		return false
	})
	for _, file := range []string{"troubleshooting.md", "zh-CN/troubleshooting.md", "ru/troubleshooting.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", file))
		if err != nil || !strings.Contains(string(text), s.docs) || !strings.Contains(string(text), "jumpserver-video doctor --fix") {
			t.Errorf("%s does not describe %s: %v", file, s.docs, err)
		}
	}
	l.stop()
	s.follows(l)
	l.startHealthy()
	l.allReplaced(seeds)
	if out, code := l.command("doctor"); code != exitOK {
		t.Errorf("%d: %s", code, out)
	}
}

// wrap lets another program start the agent, from the next start on.
func (l *fixture) wrap(program string, args ...string) {
	path, err := exec.LookPath(program)
	if err != nil {
		l.t.Skip(err)
	}
	l.agent.Prepare = func() *exec.Cmd {
		cmd := l.agent.Command("agent", "--play-cache", "0s")
		cmd.Args = append(append([]string{path}, args...), append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path = path
		return cmd
	}
}

// granted returns the capabilities in the drop-in of doctor --fix, in setpriv's format.
func granted(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../internal/doctor/rights.conf")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^AmbientCapabilities=(.+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("it grants nothing: %s", text)
	}
	return "+" + strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(string(m[1])), "cap_", ""), " ", ",+")
}

// everywhere gives the agent of user nobody access to its folders. Core's folders stay root's,
// but readable.
func everywhere(t *testing.T, dir string) {
	t.Helper()
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if top, _, _ := strings.Cut(rel, string(filepath.Separator)); top == "data" || top == "tmp" {
			return os.Chown(path, nobody, nobody)
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}
