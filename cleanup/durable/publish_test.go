package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// kinds are file systems that can rename without replacing, or make hard links, or
// do neither.
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

// TestWhatAppearsMeanwhileIsNotReplaced: the file system can neither rename without
// replacing nor make hard links, and a file appears between the attempts.
func TestWhatAppearsMeanwhileIsNotReplaced(t *testing.T) {
	dir, below, disk := faulty(t)
	write(t, filepath.Join(below, "temp"), after)
	appeared := make(chan struct{})
	disk.Set(volumetest.Fault{Op: "renamenew", Errno: syscall.EINVAL}, volumetest.Fault{Op: "link", Errno: syscall.EPERM, Hang: appeared})
	published := make(chan error, 1)
	go func() { published <- durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "f"), false) }()
	waittest.Until(t, "a hard link is tried", func() bool { return disk.Met() >= 2 })
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

// TestWhatCannotBePublishedStays, unless the file system renamed it and returned an
// error.
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
	for replace, want := range map[bool]string{true: "sync rename syncdir", false: "sync renamenew syncdir"} {
		dir, below, disk := faulty(t)
		write(t, filepath.Join(below, "temp"), after)
		var made calls
		disk.Watch(func(op, _ string) { made.add(op) })
		if err := durable.Publish(filepath.Join(dir, "temp"), filepath.Join(dir, "f"), replace); err != nil {
			t.Error(err)
		}
		disk.Watch(nil)
		if made.String() != want {
			t.Errorf("%s, want %s", made.String(), want)
		}
	}
}
