package agenttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// InTest is [New] for a test, and closes the agent when the test ends. The test
// fails if the agent's log then reports a data race.
func InTest(t testing.TB, opt Options) *Agent {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	a, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if log := a.Log(); strings.Contains(log, "WARNING: DATA RACE") {
			t.Errorf("%s has a data race\n%s", a.Name, log)
		}
	})
	return a
}

// Check ends the test if err is not nil, and prints the agent's log.
func (a *Agent) Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\nthe whole log of %s:\n%s", err, a.Name, a.Log())
	}
}

// Build builds the agent's program. The caller must call remove at the end.
func Build() (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "agenttest-binary-")
	if err != nil {
		return "", nil, err
	}
	binary, remove = filepath.Join(dir, "jumpserver-video"), func() { os.RemoveAll(dir) }
	build := exec.Command("go", "build", "-o", binary, "github.com/jumpserver-video/jumpserver-video/cmd/jumpserver-video") //nolint:noctx // it ends
	if out, err := build.CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build the agent: %w: %s", err, out)
	}
	return binary, remove, nil
}
