package container

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMountPoint(t *testing.T) {
	const mounts = `1 0 0:1 / / rw - overlay overlay rw
2 1 0:2 / /proc rw - proc proc rw
3 1 0:3 /d /opt/video-worker/data rw - ext4 /dev/sda rw
4 1 0:4 / /mnt/with\040space rw - ext4 /dev/sdb rw
`
	for path, want := range map[string]string{
		"/opt/video-worker/data":       "/opt/video-worker/data",
		"/opt/video-worker/data/spool": "/opt/video-worker/data",
		"/opt/video-worker/database":   "/",
		"/opt":                         "/",
		"/mnt/with space/x":            "/mnt/with space",
	} {
		if got := mountPoint(strings.NewReader(mounts), path); got != want {
			t.Errorf("%s is on %s, want %s", path, got, want)
		}
	}
}

// TestAnAgentInAContainerHasLittle runs this test's program through enter, as
// another user, and has it print its capabilities.
func TestAnAgentInAContainerHasLittle(t *testing.T) {
	if os.Getenv("TEST_EXEC") != "" {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		s := Start{Folders: []string{os.Getenv("TEST_DATA")}, ReplayDir: os.Getenv("TEST_REPLAY"), Log: log}
		t.Fatal(s.enter([]string{"/bin/cat", "/proc/self/status"}))
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const ours, none = "000000000000000b", "0000000000000000" // CHOWN, DAC_OVERRIDE, FOWNER
	for name, tt := range map[string]struct {
		replay func(dir string) error
		caps   string
	}{
		"no replay folder":          {os.Remove, none},
		"core's replay folder":      {func(dir string) error { return os.Chmod(dir, 0o755) }, ours},
		"one that all may write to": {func(dir string) error { return os.Chmod(dir, 0o777) }, none},
		"the agent's own":           {func(dir string) error { return os.Chown(dir, ID, ID) }, none},
	} {
		t.Run(name, func(t *testing.T) {
			data, replay := t.TempDir(), t.TempDir()
			file, link, outside := filepath.Join(data, "keys", "seal.key"), filepath.Join(data, "link"), filepath.Join(t.TempDir(), "outside")
			for _, err := range []error{
				tt.replay(replay), os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600), os.WriteFile(outside, nil, 0o600), os.Symlink(outside, link),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAnAgentInAContainerHasLittle$")
			cmd.Env = append(os.Environ(), "TEST_EXEC=1", "TEST_DATA="+data, "TEST_REPLAY="+replay)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			status := strings.Join(strings.Fields(string(out)), " ")
			for _, want := range []string{
				"Uid: 990 990 990 990", "Gid: 990 990 990 990", "Groups: NStgid", "CapPrm: " + tt.caps, "CapEff: " + tt.caps, "CapBnd: " + tt.caps, "NoNewPrivs: 1",
			} {
				if !strings.Contains(status, want) {
					t.Errorf("no %q in %s", want, status)
				}
			}
			for _, path := range []string{data, filepath.Dir(file), file, link} {
				if owner(path) != ID {
					t.Errorf("%s is of %d", path, owner(path))
				}
			}
			if owner(outside) != 0 {
				t.Error("a link was followed")
			}
		})
	}
}

func TestGiveAgain(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := give(dir, ID); err != nil || owner(dir) != ID {
		t.Fatalf("%v, %d", err, owner(dir))
	}
	// Files in a folder that already belongs to the user are not changed.
	file := filepath.Join(dir, "x")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := give(dir, ID); err != nil || owner(file) != 0 {
		t.Errorf("%v, %d", err, owner(file))
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&^os.FileMode(syscall.S_IRWXU|syscall.S_IRGRP|syscall.S_IXGRP) != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
