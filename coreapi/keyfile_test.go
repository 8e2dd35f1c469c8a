package coreapi

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

func TestKeyFileHoldsWhatOtherComponentsWouldWrite(t *testing.T) {
	f := KeyFile{Dir: filepath.Join(t.TempDir(), "keys")}
	if _, err := f.Load(); !errors.Is(err, ErrNoKey) {
		t.Errorf("before: %v", err)
	}
	if err := f.Save(testKey); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(); err != nil || got != testKey {
		t.Errorf("%#v, %v", got, err)
	}
	b, err := os.ReadFile(filepath.Join(f.Dir, ".access_key"))
	if err != nil || string(b) != testKey.ID+":"+testKey.Secret {
		t.Errorf("content %q, %v", b, err)
	}
	for name, want := range map[string]os.FileMode{f.Dir: 0o700, f.Path(): 0o600} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
}

func TestAFormerKeyIsKeptAside(t *testing.T) {
	f := KeyFile{Dir: t.TempDir()}
	other := Key{ID: "11111111-2222-4333-8444-555555555555", Secret: "other"}
	for _, k := range []Key{testKey, other} {
		if err := f.Save(k); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.Load(); err != nil || got != other {
		t.Errorf("%#v, %v", got, err)
	}
	entries, err := os.ReadDir(f.Dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	aside := regexp.MustCompile(`^\.access_key_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d$`)
	i := slices.IndexFunc(entries, func(e os.DirEntry) bool { return aside.MatchString(e.Name()) })
	if i < 0 {
		t.Fatalf("%v", entries)
	}
	if b, _ := os.ReadFile(filepath.Join(f.Dir, entries[i].Name())); string(b) != testKey.ID+":"+testKey.Secret {
		t.Errorf("kept aside: %q", b)
	}
}

func TestKeyFileIsReadAsOtherComponentsWould(t *testing.T) {
	whole := testKey.ID + ":" + testKey.Secret
	for content, ok := range map[string]bool{
		whole: true, "  " + whole + " \r\n": true,
		"": false, "\n": false, testKey.ID: false, testKey.ID + ":": false, ":" + testKey.Secret: false,
		whole + ":x": false, "not-a-uuid:" + testKey.Secret: false, whole + "\n" + whole: false,
	} {
		f := KeyFile{Dir: t.TempDir()}
		if err := os.WriteFile(f.Path(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := f.Load()
		if ok && (err != nil || k != testKey) || !ok && !errors.Is(err, ErrNoKey) {
			t.Errorf("%q: %#v, %v", content, k, err)
		}
	}
}

func TestAKeyFileThatCannotBeReadIsNotTakenForAbsent(t *testing.T) {
	f := KeyFile{Dir: t.TempDir()}
	if err := os.Mkdir(f.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); err == nil || errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

func TestPrepareFindsOutThatNothingCanBeSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (KeyFile{Dir: filepath.Join(file, "keys")}).Prepare(); err == nil {
		t.Error("no error")
	}
	f := KeyFile{Dir: filepath.Join(t.TempDir(), "a", "keys")}
	if err := f.Prepare(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(f.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// faulty returns a folder of keys on a file system that a test can make fail; below
// is the real folder under it.
func faulty(t *testing.T) (f KeyFile, below string, disk *volumetest.Volume) {
	t.Helper()
	below, point := t.TempDir(), t.TempDir()
	disk, err := volumetest.Mount(below, point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(disk.Vanish)
	return KeyFile{Dir: point}, below, disk
}

// TestThereIsAKeyAtEveryMoment: a crash before any call to the file system leaves
// the former key or the new one. Without a key, the agent would register as another
// component.
func TestThereIsAKeyAtEveryMoment(t *testing.T) {
	f, below, disk := faulty(t)
	if err := f.Save(testKey); err != nil {
		t.Fatal(err)
	}
	other := Key{ID: "11111111-2222-4333-8444-555555555555", Secret: "other"}
	var renames atomic.Int32
	disk.Watch(func(op, _ string) {
		if op == "rename" {
			renames.Add(1)
		}
		if k, err := (KeyFile{Dir: below}).Load(); err != nil || k != testKey && k != other {
			t.Errorf("before %s: %#v, %v", op, k, err)
		}
	})
	if err := f.Save(other); err != nil {
		t.Fatal(err)
	}
	disk.Watch(nil)
	if renames.Load() == 0 {
		t.Error("nothing was looked at")
	}
	if k, err := f.Load(); err != nil || k != other {
		t.Errorf("%#v, %v", k, err)
	}
}

// TestAKeyIsSavedWhereFoldersCannotBeSynced: some file systems cannot sync folders.
func TestAKeyIsSavedWhereFoldersCannotBeSynced(t *testing.T) {
	f, _, disk := faulty(t)
	for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.ENOTSUP} {
		disk.Set(volumetest.Fault{Op: "syncdir", Errno: errno})
		if err := f.Save(testKey); err != nil || disk.Met() == 0 {
			t.Errorf("%v: %v, met %d times", errno, err, disk.Met())
		}
		disk.Set()
		if k, err := f.Load(); err != nil || k != testKey {
			t.Errorf("%v: %#v, %v", errno, k, err)
		}
	}
}

// TestAKeyThatCannotBeSavedLeavesTheFormerOne, whichever call fails. It also leaves
// no unfinished file, which would hold a secret.
func TestAKeyThatCannotBeSavedLeavesTheFormerOne(t *testing.T) {
	f, below, disk := faulty(t)
	other := Key{ID: "11111111-2222-4333-8444-555555555555", Secret: "other"}
	for _, fault := range []volumetest.Fault{
		{Op: "create", Errno: syscall.EACCES}, {Op: "write", Errno: syscall.ENOSPC}, {Op: "sync", Errno: syscall.EIO}, {Op: "rename", Errno: syscall.EIO},
	} {
		for met := true; met; fault.Skip++ {
			if err := f.Save(testKey); err != nil {
				t.Fatal(err)
			}
			disk.Set(fault)
			err := f.Save(other)
			met = disk.Met() > 0
			disk.Set()
			want := other
			if met {
				want = testKey
			}
			if k, lerr := f.Load(); met != errors.Is(err, fault.Errno) || lerr != nil || k != want {
				t.Errorf("%+v: %v; %#v, %v", fault, err, k, lerr)
			}
			if left, err := filepath.Glob(filepath.Join(below, durable.TempPattern)); err != nil || len(left) > 0 {
				t.Errorf("%+v: left behind: %v, %v", fault, left, err)
			}
		}
		if fault.Skip < 2 {
			t.Errorf("%+v: nothing was tried", fault)
		}
	}
}
