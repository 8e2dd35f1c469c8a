package agenttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
	for end := time.Now().Add(Patience()); ; time.Sleep(5 * time.Millisecond) {
		out, err := os.ReadFile(p.Output)
		if err == nil && strings.Count(string(out), text) >= times {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q does not have %q %d times: %v", out, text, times, err)
		}
	}
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
	for end := time.Now().Add(Patience()); len(p.Strays()) == 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
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

func TestPatienceIsStretchedByTheEnvironment(t *testing.T) {
	for text, want := range map[string]time.Duration{"": patience, "1": patience, "2.5": patience * 5 / 2} {
		t.Setenv("TEST_PATIENCE", text)
		if got := Patience(); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, text := range []string{"0", "-1", "long"} {
		t.Setenv("TEST_PATIENCE", text)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is taken", text)
				}
			}()
			Patience()
		}()
	}
}
