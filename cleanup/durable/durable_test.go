package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

const (
	before = "what was there"
	after  = "what replaces it, which is longer"
)

// files are the names and contents in a folder.
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

// holds fails unless these are the files in a folder, and no others.
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

// faulty is a folder on a file system that can be told to fail; below is what
// is really there.
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

// TestACrashLeavesTheOldFileOrTheNewOne: before each call to the file system,
// what a crash would leave is looked at. The calls come in the only order that
// is durable.
func TestACrashLeavesTheOldFileOrTheNewOne(t *testing.T) {
	dir, below, disk := faulty(t)
	write(t, filepath.Join(below, "f"), before)
	var calls []string
	disk.Watch(func(op, _ string) {
		if slices.Contains([]string{"create", "write", "sync", "rename", "syncdir"}, op) {
			calls = append(calls, op)
		}
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
	if want := []string{"create", "write", "sync", "rename", "syncdir"}; !slices.Equal(calls, want) {
		t.Errorf("%v, want %v", calls, want)
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
		for how, sync := range map[string]func() error{
			"by path": func() error { return durable.SyncDir(filepath.Join(dir, "sub")) },
			"in root": func() error { return durable.SyncDirIn(root, "sub") },
			"written": func() error { return durable.WriteFile(filepath.Join(dir, "sub", "f"), nil, 0o600) },
		} {
			disk.Set(volumetest.Fault{Op: "syncdir", Errno: errno})
			err := sync()
			if met := disk.Met(); met != 1 || (err != nil) != fault || fault && !errors.Is(err, errno) {
				t.Errorf("%v, %s: met %d times: %v", errno, how, met, err)
			}
			disk.Set()
		}
	}
}

// kinds are file systems that can rename without replacing, make hard links,
// or neither.
var kinds = map[string][]volumetest.Fault{
	"as local ones are":  nil,
	"NFS":                {{Op: "renamenew", Errno: syscall.EINVAL}},
	"without hard links": {{Op: "renamenew", Errno: syscall.EINVAL}, {Op: "link", Errno: syscall.EPERM}},
	"of few operations":  {{Op: "renamenew", Errno: syscall.EINVAL}, {Op: "link", Errno: syscall.ENOTSUP}},
}

func TestPublishWithoutReplacingKeepsBothFiles(t *testing.T) {
	for kind, faults := range kinds {
		t.Run(strings.ReplaceAll(kind, " ", "_"), func(t *testing.T) {
			dir, below, disk := faulty(t)
			disk.Set(faults...)
			write(t, filepath.Join(below, "temp"), after)
			write(t, filepath.Join(below, "f"), before)
			if err := durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "f"), false); !errors.Is(err, fs.ErrExist) {
				t.Errorf("something is there: %v", err)
			}
			holds(t, below, map[string]string{"temp": after, "f": before})
			if err := durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "new"), false); err != nil {
				t.Errorf("nothing is there: %v", err)
			}
			holds(t, below, map[string]string{"new": after, "f": before})
			if met := disk.Met(); len(faults) > 0 && met < len(faults) {
				t.Errorf("nothing was tried: met %d times", met)
			}
		})
	}
}

// TestWhatAppearsMeanwhileIsNotReplaced: on a file system that can neither
// rename without replacing nor make hard links, a file comes between the
// attempts.
func TestWhatAppearsMeanwhileIsNotReplaced(t *testing.T) {
	dir, below, disk := faulty(t)
	write(t, filepath.Join(below, "temp"), after)
	appeared := make(chan struct{})
	disk.Set(volumetest.Fault{Op: "renamenew", Errno: syscall.EINVAL}, volumetest.Fault{Op: "link", Errno: syscall.EPERM, Hang: appeared})
	published := make(chan error, 1)
	go func() { published <- durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "f"), false) }()
	for end := time.Now().Add(20 * time.Second); disk.Met() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no hard link was tried")
		}
	}
	write(t, filepath.Join(below, "f"), before)
	close(appeared)
	if err := <-published; !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	holds(t, below, map[string]string{"temp": after, "f": before})
}

func TestPublishReplacesWhenItIsTold(t *testing.T) {
	dir := t.TempDir()
	temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "f")
	for _, content := range []string{before, after} {
		write(t, temp, content)
		if err := durable.Publish(temp, path, true); err != nil {
			t.Fatal(err)
		}
		holds(t, dir, map[string]string{"f": content})
	}
	if err := durable.Publish(temp, path, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing to publish: %v", err)
	}
	holds(t, dir, map[string]string{"f": after})
}

// TestWhatCannotBePublishedStays, unless the file system renamed it and did not
// say so.
func TestWhatCannotBePublishedStays(t *testing.T) {
	dir, below, disk := faulty(t)
	poor := kinds["without hard links"]
	for _, replace := range []bool{true, false} {
		for _, fault := range []volumetest.Fault{
			{Op: "sync", Errno: syscall.EIO}, {Op: "rename", Errno: syscall.EIO},
			{Op: "rename", Errno: syscall.EIO, After: true}, {Op: "syncdir", Errno: syscall.EIO},
		} {
			write(t, filepath.Join(below, "temp"), after)
			disk.Set(append(slices.Clone(poor), fault)...)
			err := durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "f"), replace)
			disk.Set()
			if !errors.Is(err, fault.Errno) {
				t.Errorf("%+v, replace %v: %v", fault, replace, err)
			}
			want := "temp"
			if fault.After || fault.Op == "syncdir" {
				want = "f"
			}
			holds(t, below, map[string]string{want: after})
			os.Remove(filepath.Join(below, want))
		}
	}
}

func TestWhatIsPublishedIsOnTheDiskBeforeItHasItsName(t *testing.T) {
	for _, replace := range []bool{true, false} {
		dir, below, disk := faulty(t)
		write(t, filepath.Join(below, "temp"), after)
		var calls []string
		disk.Watch(func(op, _ string) {
			if slices.Contains([]string{"sync", "rename", "renamenew", "syncdir"}, op) {
				calls = append(calls, strings.TrimSuffix(op, "new"))
			}
		})
		if err := durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "f"), replace); err != nil {
			t.Error(err)
		}
		disk.Watch(nil)
		if got := fmt.Sprint(calls); got != "[sync rename syncdir]" {
			t.Errorf("replace %v: %s", replace, got)
		}
	}
}
