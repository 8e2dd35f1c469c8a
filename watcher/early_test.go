package watcher

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWhatIsQuietIsOfferedEarly: a recording is offered with Early set before the
// settle time, so that Found can check whether it is complete.
func TestWhatIsQuietIsOfferedEarly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, today()+"/"+other+".replay.gz", "x", time.Hour)
	r := watch(t, root, func(w *Watcher) { w.Settle, w.Quiet, w.Interval = time.Hour/2, 2*time.Second, time.Hour })
	if got := r.wait(1); got[0].Early {
		t.Errorf("%+v has rested", got[0])
	}
	began := time.Now()
	put(t, root, today()+"/"+sid+".replay.gz", "x", 0)
	got := r.wait(2)
	if took := time.Since(began); !got[1].Early || got[1].Session != sid || took < 2*time.Second {
		t.Errorf("%+v after %s", got[1], took)
	}
	r.quiet(2)
}

// TestAnEmptyFolderIsNotTheVolume: also after a restart, and after the queue was
// lost.
func TestAnEmptyFolderIsNotTheVolume(t *testing.T) {
	t.Parallel()
	root, data := t.TempDir(), t.TempDir()
	keep := func(epoch string) func(*Watcher) {
		return func(w *Watcher) {
			mount, err := NewMount(w.Root, data)
			if err != nil {
				t.Fatal(err)
			}
			w.Mount, w.Epoch = mount, epoch
		}
	}
	looked := func(r *running) Status {
		r.Until("a look", func() bool { return !r.w.Status().Since.IsZero() })
		return r.w.Status()
	}
	r := watch(t, root, keep("1"))
	if s := looked(r); !s.Available {
		t.Fatalf("a new JumpServer's folder is empty: %+v", s)
	}
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	r.wait(1)
	r.Until("the newest day", func() bool { return r.w.Status().Newest == today() })
	r.Stop()
	if err := os.RemoveAll(filepath.Join(root, today())); err != nil {
		t.Fatal(err)
	}
	r = watch(t, root, keep("2"))
	if s := looked(r); s.Available || !strings.Contains(s.Reason, "is it mounted?") || s.Newest != "" {
		t.Errorf("%+v", s)
	}
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	r.wait(1) // it was mounted
	if s := r.w.Status(); !s.Available {
		t.Errorf("%+v", s)
	}
	if s := looked(watch(t, t.TempDir(), keep("2"))); !s.Available {
		t.Errorf("another folder: %+v", s)
	}
}

// TestTheModeFollowsTheMount: whether events are used is decided again for each
// file system that is mounted at the folder.
func TestTheModeFollowsTheMount(t *testing.T) {
	t.Parallel()
	root, below := t.TempDir(), t.TempDir()
	r := watch(t, root)
	mode := func(want Mode) {
		t.Helper()
		r.Until("mode "+string(want), func() bool { return r.w.Status().Mode == want })
	}
	mode(ModeNotify)
	put(t, below, today()+"/"+sid+".replay.gz", "x", time.Hour)
	mountAt(t, below, root)
	mode(ModePoll)
	r.wait(1)
	if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	r.Until("the volume is away", func() bool { return !r.w.Status().Available })
	put(t, root, today()+"/"+other+".replay.gz", "x", time.Hour)
	mode(ModeNotify)
	r.wait(2)
}
