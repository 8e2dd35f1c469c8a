package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
)

const (
	today   = "2026-11-28"
	session = "1e39f45f-465b-4dd5-937d-5b4e2891d143"
	flat    = today + "/" + session + ".replay.gz"
	index   = today + "/" + session + "/" + session + ".replay.json"
)

// asOther is set for a process of this test that checks as another user.
const asOther = "RIGHTS_TEST_TRY"

// other is a user id that the machine does not know: the agent's user on a volume
// of core.
const other = 64999

func TestMain(m *testing.M) {
	if original := os.Getenv(asOther); original != "" {
		err := New(os.Getenv("RIGHTS_TEST_ROOT"), "a", nil).Check(context.Background(), original)
		said := tried{}
		var denied *Error
		if errors.As(err, &denied) {
			said = tried{What: denied.What, Fix: denied.Fix.String(), Text: err.Error(), ReadOnly: errors.Is(err, syscall.EROFS), Permission: errors.Is(err, fs.ErrPermission)}
		} else if err != nil {
			said.Text = err.Error()
		}
		_ = json.NewEncoder(os.Stdout).Encode(said)
		return
	}
	os.Exit(m.Run())
}

// tried is the result of a check in another process.
type tried struct {
	What, Fix, Text      string
	ReadOnly, Permission bool
}

// tryAs checks as another user with capabilities.
func tryAs(t *testing.T, root, original string, caps ...uintptr) tried {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "rights.test") // where the other user has access
	if out, err := exec.Command("cp", self, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for dir := filepath.Dir(copied); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // so that the other user gets there
			t.Fatal(err)
		}
	}
	cmd := exec.Command(copied)
	cmd.Env = []string{asOther + "=" + original, "RIGHTS_TEST_ROOT=" + root}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}, AmbientCaps: caps}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var said tried
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return said
}

// volume creates a replay folder as JumpServer does: root creates each day, and the
// folder of each session, with mode 0755.
func volume(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be core")
	}
	root := filepath.Join(t.TempDir(), "replay")
	for dir := filepath.Dir(root); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755) //nolint:gosec // as above
	}
	make0755(t, root)
	return root
}

// addDay creates a day's folder as core does at its first recording.
func addDay(t *testing.T, root string) {
	t.Helper()
	make0755(t, filepath.Join(root, today))
	make0755(t, filepath.Join(root, today, session))
	for _, name := range []string{flat, index} {
		file := filepath.Join(root, name)
		if err := os.WriteFile(file, []byte("recorded"), 0o644); err != nil { //nolint:gosec // as core does
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
}

func make0755(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // as core does
		t.Fatal(err)
	}
}

// left lists the files that checks have left behind.
func left(t *testing.T, root string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(path, root))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// TestWhatIsAllowed: what an agent may do with each set-up of docs/nfs.md and
// docs/install.md, on days that JumpServer creates with mode 0755.
func TestWhatIsAllowed(t *testing.T) {
	t.Parallel()
	acl := func(t *testing.T, root string) {
		t.Helper()
		if out, err := exec.Command("setfacl", "-R", "-m", fmt.Sprintf("u:%d:rwX,d:u:%d:rwX", other, other), root).CombinedOutput(); err != nil {
			t.Skipf("no ACLs here: %v: %s", err, out)
		}
	}
	chown := func(t *testing.T, root string) {
		t.Helper()
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, other, other))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const create, times = "make a file in its folder", "set the time of core's files, from which core's retention counts"
	all := []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_CHOWN}
	for _, tc := range []struct {
		name          string
		before, after func(*testing.T, string) // the first day was created
		original      string
		caps          []uintptr
		what          string // the operation that is not allowed
	}{
		{name: "another user", original: flat, what: create},
		{name: "a default ACL, whose mask the next day has turned to r-x", before: acl, original: flat, what: create},
		{name: "an ACL on the day itself, which gives no right to set times", after: acl, original: flat, what: times},
		{name: "core's user", after: chown, original: flat},
		{name: "core's user, a recording in parts", after: chown, original: index},
		{name: "the three capabilities", original: flat, caps: all},
		{name: "the three capabilities, a recording in parts", original: index, caps: all},
		{name: "without the right to give files away", original: flat, caps: all[:2]},
		{name: "without the right to what belongs to others", original: flat, caps: all[:1], what: times},
		{name: "a day of ours with a session's folder of core's", original: index, what: "make a file in " + today + "/" + session, after: func(t *testing.T, root string) {
			t.Helper()
			acl(t, root)
			if out, err := exec.Command("setfacl", "-b", filepath.Join(root, today, session)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := volume(t)
			if tc.before != nil {
				tc.before(t, root)
			}
			addDay(t, root)
			if tc.after != nil {
				tc.after(t, root)
			}
			was, err := os.Lstat(filepath.Join(root, tc.original))
			if err != nil {
				t.Fatal(err)
			}
			said := tryAs(t, root, tc.original, tc.caps...)
			if said.What != tc.what || said.Permission != (tc.what != "") {
				t.Errorf("not allowed: %q, want %q (%s)", said.What, tc.what, said.Text)
			}
			if tc.what != "" && !strings.Contains(said.Fix, "doctor --fix") {
				t.Errorf("fix: %q", said.Fix)
			}
			if names := left(t, root); strings.Contains(names, "probe") {
				t.Errorf("left behind: %s", names)
			}
			if is, err := os.Lstat(filepath.Join(root, tc.original)); err != nil || !is.ModTime().Equal(was.ModTime()) || !os.SameFile(is, was) {
				t.Errorf("the original was touched: %v", err)
			}
		})
	}
}

// TestAReadOnlyVolume: a check finds it, and distinguishes it from a service's
// sandbox, which mounts a writable volume read-only.
func TestAReadOnlyVolume(t *testing.T) {
	t.Parallel()
	root := volume(t)
	addDay(t, root)
	script := `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2"`
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-m", "sh", "-ec", script, "sh", root, self)
	cmd.Env = append(os.Environ(), asOther+"="+flat, "RIGHTS_TEST_ROOT="+root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("no mounts here: %v: %s", err, out)
	}
	var said tried
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !said.ReadOnly || !strings.Contains(said.Fix, "sandbox") || !strings.Contains(said.Fix, "doctor --fix") {
		t.Errorf("%+v", said)
	}
}

// TestWhatWasTriedIsRemembered: days wait until the error is fixed. The prober
// finds that out without a task.
func TestWhatWasTriedIsRemembered(t *testing.T) {
	t.Parallel()
	root := volume(t)
	addDay(t, root)
	trash := filepath.Join(root, cleanup.TrashName)
	if err := os.Mkdir(trash, 0o700); err != nil {
		t.Fatal(err)
	}
	p := New(root, "a", nil)
	if err := p.Check(t.Context(), flat); err != nil || p.Trouble() != nil || p.Holds(flat) {
		t.Fatal(err, p.Trouble())
	}
	if out, err := exec.Command("chattr", "+i", trash).CombinedOutput(); err != nil {
		t.Skipf("no attributes here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("chattr", "-i", trash).Run() })
	if err := p.Check(t.Context(), flat); err != nil {
		t.Errorf("tried again at once: %v", err)
	}
	p.days[today].tried = time.Time{}
	err := p.Check(t.Context(), flat)
	var denied *Error
	if !errors.As(err, &denied) || denied.What != "rename a file to the trash" || !p.Holds(index) || p.Holds("2026-11-27/x") || !errors.Is(p.Trouble(), err) {
		t.Fatal(err, p.Trouble())
	}
	if err := exec.Command("chattr", "-i", trash).Run(); err != nil {
		t.Fatal(err)
	}
	if p.Check(t.Context(), flat) == nil {
		t.Error("tried again at once")
	}
	p.mu.Lock()
	p.days[today].tried = time.Now().Add(-againEvery)
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = p.Run(ctx, func() string { return today }, func(context.Context) error { cancel(); return nil })
	if err != nil || !errors.Is(ctx.Err(), context.Canceled) || p.Holds(flat) || p.Trouble() != nil {
		t.Error(err, ctx.Err(), p.Trouble())
	}
}

// TestADayThatIsGone is not remembered: core may create it again, with another
// owner.
func TestADayThatIsGone(t *testing.T) {
	t.Parallel()
	p := New(volume(t), "a", nil)
	if err := p.Check(t.Context(), flat); err != nil || len(p.days) != 0 {
		t.Errorf("%v, %v", err, p.days)
	}
}

// TestMounts: the mount of a folder is the one with the longest matching path.
func TestMounts(t *testing.T) {
	t.Parallel()
	const table = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
96 22 0:34 / /mnt/jump\040server rw,noatime shared:37 - nfs4 js:/srv/js/media rw,vers=4.2,hard
97 22 0:35 / /opt ro,relatime shared:37 - ext4 /dev/vdb rw
98 22 0:36 / /ro ro,relatime shared:37 - nfs4 js:/ro ro
`
	for dir, want := range map[string]Mount{
		"/mnt/jump server/replay": {Point: "/mnt/jump server", Device: "js:/srv/js/media", Type: "nfs4"},
		"/opt":                    {Point: "/opt", Device: "/dev/vdb", Type: "ext4", ReadOnly: true},
		"/optional":               {Point: "/", Device: "/dev/vda", Type: "ext4"},
		"/ro/replay":              {Point: "/ro", Device: "js:/ro", Type: "nfs4", ReadOnly: true, SourceReadOnly: true},
	} {
		if m, ok := mountIn(strings.NewReader(table), dir); !ok || m != want {
			t.Errorf("%s: %+v", dir, m)
		}
	}
	for fix, tc := range map[string]struct {
		m   Mount
		err error
	}{
		"sandbox":                   {Mount{Type: "ext4", ReadOnly: true}, syscall.EROFS},
		"read-write (option rw)":    {Mount{Type: "nfs4", ReadOnly: true, SourceReadOnly: true}, syscall.EROFS},
		"rw in /etc/exports":        {Mount{Type: "nfs4"}, syscall.EROFS},
		"dmesg":                     {Mount{Type: "ext4"}, syscall.EROFS},
		"all_squash,anonuid=0":      {Mount{Type: "nfs4"}, syscall.EACCES},
		"belong to another user. O": {Mount{Type: "xfs"}, syscall.EPERM},
	} {
		if got := fixOf(tc.m, "/d", tc.err).String(); !strings.Contains(got, fix) {
			t.Errorf("%q: %s", fix, got)
		}
	}
}
