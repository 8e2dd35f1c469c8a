package agenttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// shell returns a process that runs a script.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	p := &Process{
		Name: "script", Output: filepath.Join(t.TempDir(), "output"),
		Prepare: func() *exec.Cmd { return exec.Command("sh", "-c", script) },
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// says waits until the process has written a text the given number of times.
func says(t *testing.T, p *Process, text string, times int) {
	t.Helper()
	var out []byte
	waittest.Until(t, fmt.Sprintf("%d times %q", times, text), func() bool {
		var err error
		out, err = os.ReadFile(p.Output)
		return err == nil && strings.Count(string(out), text) >= times
	}, func() any { return string(out) })
}

func started(t *testing.T, p *Process) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessIsEndedAndStartedAgain(t *testing.T) {
	t.Parallel()
	p := shell(t, `trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done`)
	if err := p.Stop(); err != nil || p.PID() != 0 {
		t.Errorf("before any start: %v, process %d", err, p.PID())
	}
	started(t, p)
	says(t, p, "up", 1)
	if err := p.Start(); err == nil {
		t.Error("it was started while it ran")
	}
	if code := p.ExitCode(); code != -1 {
		t.Errorf("exit code %d while it runs", code)
	}
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("it is not in a session of its own: %d, %v", group, err)
	}
	first := p.PID()
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "exit code 3") || p.ExitCode() != 3 {
		t.Errorf("stopped: %v, %d", err, p.ExitCode())
	}
	started(t, p)
	says(t, p, "up", 2) // in the same file
	if p.PID() == first {
		t.Error("it was not started again")
	}
	if err := p.Kill(); err != nil || p.ExitCode() != -1 {
		t.Errorf("killed: %v, %d", err, p.ExitCode())
	}
	if strays := p.Strays(); len(strays) > 0 {
		t.Errorf("unexpected exits: %v", strays)
	}
}

func TestAnEndThatNobodyAskedForIsToldOf(t *testing.T) {
	t.Parallel()
	p := shell(t, "exit 5")
	started(t, p)
	waittest.Until(t, "the exit is reported", func() bool { return len(p.Strays()) > 0 })
	if strays := p.Strays(); len(strays) != 1 || !strings.Contains(strays[0], "exit status 5") {
		t.Errorf("%v", strays)
	}
	if err := p.WaitEnd(); err != nil || p.ExitCode() != 5 || len(p.Strays()) != 0 {
		t.Errorf("an exit that WaitEnd waited for: %v, %d, %v", err, p.ExitCode(), p.Strays())
	}
	started(t, p)
	if err := p.WaitEnd(); err != nil || p.ExitCode() != 5 || len(p.Strays()) != 0 {
		t.Errorf("another: %v, %d, %v", err, p.ExitCode(), p.Strays())
	}
}

func TestAProcessThatDoesNotStopIsKilled(t *testing.T) {
	p := shell(t, `trap '' TERM; echo up; while :; do sleep 0.01; done`)
	started(t, p)
	says(t, p, "up", 1)
	t.Setenv("TEST_PATIENCE", "0.005")
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if err := syscall.Kill(p.PID(), 0); err == nil {
		t.Error("it is still running")
	}
}
