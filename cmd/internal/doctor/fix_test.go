package doctor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
)

// shipped is the output of systemctl for the unit in the packages.
const shipped = `LoadState=loaded
User=jumpserver-video
ProtectSystem=strict
ReadWritePaths=-/opt -/mnt -/media -/srv -/data
RequiresMountsFor=/opt/jumpserver/core/data/media/replay /var/tmp
ProtectHome=yes
AmbientCapabilities=
`

func fixing(show string, change func(*config.Config)) *Doctor {
	cfg := config.Config{ReplayDir: "/opt/jumpserver/core/data/media/replay", DataDir: "/opt/video-worker/data", BindHost: "127.0.0.1", Port: 1}
	change(&cfg)
	return &Doctor{Config: cfg, Systemctl: func(context.Context) (string, error) { return show, nil }}
}

// TestDropIns: the drop-in has what the unit lacks for the settings. systemd accepts
// it, and with it nothing is missing.
func TestDropIns(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*config.Config)
		want   []string // lines of the drop-in; none = no drop-in
		level  Level
	}{
		"the defaults": {func(*config.Config) {}, nil, ""},
		"another folder that is writable": {func(c *config.Config) { c.ReplayDir = "/mnt/jumpserver/replay" },
			[]string{"[Unit]", "RequiresMountsFor=/mnt/jumpserver/replay"}, Warn},
		"one that is not writable": {func(c *config.Config) { c.ReplayDir = "/nfs/replay/" },
			[]string{"[Unit]", "RequiresMountsFor=/nfs/replay", "[Service]", "ReadWritePaths=-/nfs/replay"}, Bad},
		"a name with a space": {func(c *config.Config) { c.ReplayDir = "/nfs/jump server/100%" },
			[]string{"[Unit]", `RequiresMountsFor="/nfs/jump server/100%%"`, "[Service]", `ReadWritePaths=-"/nfs/jump server/100%%"`}, Bad},
		"a home": {func(c *config.Config) { c.ReplayDir = "/home/js/replay" },
			[]string{"[Unit]", "RequiresMountsFor=/home/js/replay", "[Service]", "ProtectHome=read-only", "ReadWritePaths=-/home/js/replay"}, Bad},
		"another DATA_DIR": {func(c *config.Config) { c.DataDir = "/u01/video" }, []string{"[Service]", "ReadWritePaths=-/u01/video"}, Bad},
		"no volume":        {func(c *config.Config) { c.ReplayDir = "" }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := fixing(shipped, tc.change)
			d.UnitDir = t.TempDir()
			missing, err := d.DropIns(t.Context())
			if err != nil || len(missing) > 1 || (len(missing) == 1) != (tc.want != nil) {
				t.Fatalf("%+v, %v", missing, err)
			}
			if tc.want == nil {
				return
			}
			got := strings.Split(strings.TrimSpace(missing[0].Content), "\n")[1:]
			if strings.Join(got, "|") != strings.Join(tc.want, "|") || missing[0].Level != tc.level || missing[0].Why.IsZero() {
				t.Errorf("%q, %s, %q", got, missing[0].Level, missing[0].Why)
			}
			if found := d.unit(t.Context()); len(found) != 1 || found[0].Level != tc.level || !strings.Contains(found[0].Fix.String(), "--dry-run") {
				t.Errorf("%+v", found)
			}
			if err := missing[0].Write(); err != nil {
				t.Fatal(err)
			}
			if err := missing[0].Write(); err != nil { // its own file is replaced
				t.Error(err)
			}
			verifyUnit(t, missing[0].Path)
		})
	}
}

// verifyUnit has systemd parse the shipped unit with a drop-in.
func verifyUnit(t *testing.T, dropIn string) {
	t.Helper()
	unit, err := os.ReadFile("../../../" + unitName)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(filepath.Dir(dropIn)), unitName)
	text := strings.ReplaceAll(string(unit), "/usr/bin/jumpserver-video", "/bin/true")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("systemd is not installed")
	}
	if strings.Contains(string(out), filepath.Base(dropIn)) {
		t.Errorf("systemd says: %s", out)
	}
}

// TestWhoNeedsRights: on a local file system where the folders of days belong to
// another user, the service needs rights, unless it has the capabilities.
func TestWhoNeedsRights(t *testing.T) {
	t.Parallel()
	replay := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("needs root to act as core")
	}
	if err := os.Mkdir(filepath.Join(replay, "2026-11-28"), 0o755); err != nil { //nolint:gosec // as core does
		t.Fatal(err)
	}
	here := func(c *config.Config) { c.ReplayDir = replay }
	waits := strings.Replace(shipped, "RequiresMountsFor=", "RequiresMountsFor="+replay+" ", 1)
	waits = strings.Replace(waits, "ReadWritePaths=", "ReadWritePaths="+replay+" ", 1)
	as := func(user string) string { return strings.Replace(waits, "User=jumpserver-video", "User="+user, 1) }
	caps := strings.Replace(as("nobody"), "AmbientCapabilities=", "AmbientCapabilities=cap_chown cap_dac_override cap_fowner", 1)
	for show, needs := range map[string]bool{as("nobody"): true, as("root"): false, as(""): false, caps: false} {
		d := fixing(show, here)
		d.UnitDir = t.TempDir()
		missing, err := d.DropIns(t.Context())
		if err != nil || (len(missing) == 1) != needs {
			t.Fatalf("%s: %+v, %v", show, missing, err)
		}
		if needs {
			if filepath.Base(missing[0].Path) != "rights.conf" || missing[0].Level != Bad {
				t.Errorf("%+v", missing)
			}
			if err := missing[0].Write(); err != nil {
				t.Fatal(err)
			}
			verifyUnit(t, missing[0].Path)
		}
	}
}

func TestAFileOfOthersStays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), unitName+".d", "paths.conf")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("[Service]\nReadWritePaths=/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (DropIn{Path: file, Content: "new"}).Write(); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Error(err)
	}
	if _, err := fixing("LoadState=not-found\n", func(*config.Config) {}).DropIns(t.Context()); !errors.Is(err, ErrNoUnit) {
		t.Error(err)
	}
}
