package bare

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain: if it runs with ambient capabilities, it starts a process that prints
// its own.
func TestMain(m *testing.M) {
	if os.Getenv("BARE_TEST") == "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("grep", "CapEff", "/proc/self/status")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if Start(cmd) != nil || cmd.Wait() != nil {
		os.Exit(1)
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil || !strings.Contains(string(own), "CapEff:\t0000000000000002") {
		os.Exit(2)
	}
}

func TestNothingIsInherited(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give capabilities away")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The other user may have no access to the binary by its path.
	cmd := exec.Command("/proc/self/fd/3")
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = []string{"BARE_TEST=1", "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 64999, Gid: 64999}, AmbientCaps: []uintptr{unix.CAP_DAC_OVERRIDE}}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "CapEff:\t0000000000000000" {
		t.Errorf("%q, %v", out, err)
	}
}
