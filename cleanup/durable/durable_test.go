package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

const (
	before = "what was there"
	after  = "what replaces it, which is longer"
)

// files returns the names and contents of the files in a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = string(data)
	}
	return found
}

// holds fails the test unless a folder holds exactly these files.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// faulty returns a folder on a file system that a test can make fail; below is the
// real folder under it.
func faulty(t *testing.T) (dir, below string, disk *volumetest.Volume) {
	t.Helper()
	dir, below = t.TempDir(), t.TempDir()
	disk, err := volumetest.Mount(below, dir)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(disk.Vanish)
	return dir, below, disk
}

// calls records calls to the file system, in their order; FUSE makes them in its
// own goroutines.
type calls struct {
	mu  sync.Mutex
	ops []string // guarded by mu
}

// add records a call if it is one of those that make files durable.
func (c *calls) add(op string) {
	if !slices.Contains([]string{"create", "write", "sync", "rename", "renamenew", "syncdir"}, op) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, op)
}

func (c *calls) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.ops, " ")
}

func TestAFileIsCreatedAndReplaced(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{before, after, ""} {
		if err := durable.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		holds(t, dir, map[string]string{"f": content})
	}
	err := durable.WriteFile(filepath.Join(dir, "none", "f"), nil, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

func TestPermissionsDoNotDependOnTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o077, 0o777} {
		for _, perm := range []fs.FileMode{0o400, 0o600, 0o640, 0o644, 0o666} {
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, before)
			former := syscall.Umask(umask)
			err := durable.WriteFile(path, []byte(after), perm)
			syscall.Umask(former)
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(path); err != nil || st.Mode() != perm {
				t.Errorf("umask %03o: %v, want %v; %v", umask, st.Mode(), perm, err)
			}
		}
	}
}

func TestWhatIsStreamedTakesItsNameWhenItIsCommitted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, before)
	f, err := durable.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{after[:5], after[5:]} {
		if data, err := os.ReadFile(path); err != nil || string(data) != before {
			t.Errorf("not committed yet: %q, %v", data, err)
		}
		if _, err := f.WriteString(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	holds(t, dir, map[string]string{"f": after})
	if err := f.Commit(); err == nil {
		t.Error("it was committed twice")
	}
	holds(t, dir, map[string]string{"f": after})
}

func TestWhatIsAbortedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, before)
	f, err := durable.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(after); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, durable.TempPattern)); err != nil || len(left) != 1 {
		t.Errorf("being written: %v, %v", left, err)
	}
	f.Abort()
	holds(t, dir, map[string]string{"f": before})
	if err := f.Commit(); err == nil {
		t.Error("it was committed after it was aborted")
	}
	holds(t, dir, map[string]string{"f": before})
}

// TestACrashLeavesTheOldFileOrTheNewOne: before each call to the file system, the
// test checks what a crash would leave. The order of the calls must be the only
// durable one.
func TestACrashLeavesTheOldFileOrTheNewOne(t *testing.T) {
	dir, below, disk := faulty(t)
	write(t, filepath.Join(below, "f"), before)
	var made calls
	disk.Watch(func(op, _ string) {
		made.add(op)
		for name, content := range files(t, below) {
			temp, _ := filepath.Match(durable.TempPattern, name)
			if !temp && (name != "f" || content != before && content != after) {
				t.Errorf("before %s: %s holds %q", op, name, content)
			}
		}
		if data, err := os.ReadFile(filepath.Join(below, "f")); err != nil || op == "rename" && string(data) != before {
			t.Errorf("before %s: %q, %v", op, data, err)
		}
	})
	if err := durable.WriteFile(filepath.Join(dir, "f"), []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	disk.Watch(nil)
	if made.String() != "create write sync rename syncdir" {
		t.Error(made.String())
	}
	holds(t, below, map[string]string{"f": after})
}

func TestWhateverFailsIsToldAndLeavesOneWholeFile(t *testing.T) {
	dir, below, disk := faulty(t)
	path := filepath.Join(dir, "f")
	for _, fault := range []volumetest.Fault{
		{Op: "create", Errno: syscall.EACCES}, {Op: "write", Errno: syscall.ENOSPC},
		{Op: "sync", Errno: syscall.EIO}, {Op: "sync", Errno: syscall.EINVAL}, {Op: "rename", Errno: syscall.EIO},
		{Op: "rename", Errno: syscall.EIO, After: true}, {Op: "syncdir", Errno: syscall.EIO},
	} {
		write(t, filepath.Join(below, "f"), before)
		disk.Set(fault)
		err := durable.WriteFile(path, []byte(after), 0o600)
		met := disk.Met()
		disk.Set()
		if met == 0 || !errors.Is(err, fault.Errno) {
			t.Errorf("%+v: met %d times: %v", fault, met, err)
		}
		want := before
		if fault.After || fault.Op == "syncdir" {
			want = after
		}
		holds(t, below, map[string]string{"f": want})
	}
}

func TestFoldersThatCannotBeSyncedAreNoFault(t *testing.T) {
	if err := durable.SyncDir("/proc"); err != nil {
		t.Errorf("/proc: %v", err)
	}
	if err := durable.SyncDir(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
	dir, _, disk := faulty(t)
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for errno, fault := range map[syscall.Errno]bool{
		syscall.EINVAL: false, syscall.ENOTSUP: false, syscall.EBADF: false,
		syscall.EIO: true, syscall.ENOSPC: true, syscall.ESTALE: true,
	} {
		for how, call := range map[string]func() error{
			"by path": func() error { return durable.SyncDir(filepath.Join(dir, "sub")) },
			"in root": func() error { return durable.SyncDirIn(root, "sub") },
			"written": func() error { return durable.WriteFile(filepath.Join(dir, "sub", "f"), nil, 0o600) },
		} {
			disk.Set(volumetest.Fault{Op: "syncdir", Errno: errno})
			err := call()
			if met := disk.Met(); met != 1 || (err != nil) != fault || fault && !errors.Is(err, errno) {
				t.Errorf("%v, %s: met %d times: %v", errno, how, met, err)
			}
			disk.Set()
		}
	}
}
