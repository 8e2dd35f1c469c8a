package upload

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// TestFaultsOfTheDisk: any call to the file system fails during an upload. The
// upload is then refused, or it was accepted and is complete. An exhausted quota is
// treated as a full disk.
func TestFaultsOfTheDisk(t *testing.T) {
	w, disk, _ := newFaultyWorker(t)
	flat, inParts := w.uploads(t)
	for _, upload := range []func() int{flat, inParts} {
		for _, f := range []volumetest.Fault{
			{Op: "mkdir", Errno: syscall.EDQUOT}, {Op: "mkdir", Errno: syscall.EROFS},
			{Op: "create", Errno: syscall.EDQUOT}, {Op: "create", Errno: syscall.EACCES},
			{Op: "write", Errno: syscall.EDQUOT}, {Op: "write", Errno: syscall.ENOSPC}, {Op: "write", Errno: syscall.EIO},
			{Op: "sync", Errno: syscall.EDQUOT}, {Op: "sync", Errno: syscall.EIO}, {Op: "sync", Errno: syscall.EINVAL},
			{Op: "syncdir", Errno: syscall.EDQUOT}, {Op: "syncdir", Errno: syscall.EIO},
			{Op: "rename", Errno: syscall.ENOSPC}, {Op: "rename", Errno: syscall.EIO}, {Op: "rename", Errno: syscall.EIO, After: true},
		} {
			for met := true; met; f.Skip++ {
				w.accepted = nil
				disk.Set(f)
				status := upload()
				met = disk.Met() > 0
				disk.Set()
				full := f.Errno == syscall.EDQUOT || f.Errno == syscall.ENOSPC
				switch {
				case !met && status != http.StatusOK:
					t.Errorf("%+v: %d although nothing failed", f, status)
				case met && full && status != http.StatusInsufficientStorage:
					t.Errorf("%+v: %d", f, status)
				case met && !full && status != http.StatusInternalServerError:
					t.Errorf("%+v: %d", f, status)
				}
				w.whole(t, fmt.Sprintf("%+v", f), status == http.StatusOK)
			}
			if f.Skip < 2 {
				t.Errorf("%+v: nothing was tried", f)
			}
		}
	}
}

// TestFoldersThatCannotBeSyncedAreNoFault: some file systems cannot sync folders.
func TestFoldersThatCannotBeSyncedAreNoFault(t *testing.T) {
	w, disk, _ := newFaultyWorker(t)
	flat, inParts := w.uploads(t)
	for _, upload := range []func() int{flat, inParts} {
		for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.ENOTSUP} {
			w.accepted = nil
			disk.Set(volumetest.Fault{Op: "syncdir", Errno: errno})
			if status := upload(); status != http.StatusOK || disk.Met() == 0 {
				t.Errorf("%v: %d, met %d times", errno, status, disk.Met())
			}
			disk.Set()
			w.whole(t, errno.Error(), true)
		}
	}
}

// newFaultyWorker has its spool on a disk that a test can make fail; below is the
// real folder under it.
func newFaultyWorker(t *testing.T) (w *worker, disk *volumetest.Volume, below string) {
	t.Helper()
	below = t.TempDir()
	point := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	disk, err := volumetest.Mount(below, point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(disk.Vanish)
	w = newWorker(t)
	w.api.Spool.Dir = point
	return w, disk, below
}

// uploads returns functions that upload like Lion v3 and v4 and return the last
// status.
func (w *worker) uploads(t *testing.T) (flat, inParts func() int) {
	names, parts := lexicographic(2)
	flat = func() int {
		status, _ := w.form(t, [2]string{"file", string(parts[names[0]])})
		return status
	}
	inParts = func() int {
		status, answer := w.announce(t, "lion", names, parts)
		id, _ := answer["id"].(string)
		for i := 0; i < len(names) && status == http.StatusOK; i++ {
			status, _ = w.part(t, "lion", id, i, names[i], parts[names[i]])
		}
		return status
	}
	return flat, inParts
}

// TestKilledAtEveryCallOfAnUpload: the agent is killed at any of the calls. The
// next agent finds a complete upload, or deletes it; if the client had a successful
// response, the upload is complete.
func TestKilledAtEveryCallOfAnUpload(t *testing.T) {
	w, disk, below := newFaultyWorker(t)
	flat, inParts := w.uploads(t)
	for what, upload := range map[string]func() int{"a form": flat, "parts": inParts} {
		dropped, kept, over := 0, 0, false
		for n := 0; !over; n++ {
			on := make(chan struct{})
			disk.Set(volumetest.Fault{Skip: n, Hang: on})
			status := make(chan int, 1)
			go func() { status <- upload() }()
			for !over && disk.Met() == 0 {
				select {
				case got := <-status:
					if over = true; got != http.StatusOK {
						t.Fatalf("%s: %d", what, got)
					}
				case <-time.After(time.Millisecond):
				}
			}
			after := &Spool{Dir: t.TempDir()} // as after the kill
			if err := os.CopyFS(after.Dir, os.DirFS(below)); err != nil {
				t.Fatal(err)
			}
			disk.Set()
			close(on)
			if !over {
				<-status
			}
			if _, err := after.Recover(time.Now()); err != nil {
				t.Errorf("%s, killed at call %d: %v", what, n, err)
			}
			all, err := after.Complete()
			left, rerr := os.ReadDir(after.Dir)
			if err != nil || rerr != nil || len(all) != len(left) || over && len(all) != 1 {
				t.Errorf("%s, killed at call %d: %d complete of %d; %v, %v", what, n, len(all), len(left), err, rerr)
			}
			after.intact(t, fmt.Sprintf("%s, killed at call %d", what, n), all)
			kept += len(all)
			dropped += 1 - len(all)
			w.accepted = nil
			w.emptied(t)
		}
		if dropped < 10 || kept < 1 {
			t.Errorf("%s: %d dropped, %d kept: nothing was tried", what, dropped, kept)
		}
	}
}

// intact checks the files of complete uploads.
func (s *Spool) intact(t *testing.T, what string, all []Waiting) {
	t.Helper()
	_, parts := lexicographic(2)
	for _, waiting := range all {
		task, err := s.Get(waiting.ID)
		if err != nil || task.Session != waiting.Session || s.Path(task) != waiting.Path {
			t.Errorf("%s: %+v, %+v, %v", what, waiting, task, err)
			continue
		}
		for _, f := range task.Files {
			stored, err := os.ReadFile(filepath.Join(s.Dir, task.ID, f.Name))
			if err != nil || sum(stored) != f.Checksum || len(task.Files) == 2 && string(stored) != string(parts[f.Name]) {
				t.Errorf("%s: %s: %d bytes, %v", what, f.Name, len(stored), err)
			}
		}
		if rec, err := recording.Open(filepath.Join(s.Dir, s.Path(task))); err != nil || len(rec.Parts) != len(task.Files) {
			t.Errorf("%s: %+v, %v", what, rec, err)
		}
	}
}

// emptied removes all uploads from the spool.
func (w *worker) emptied(t *testing.T) {
	t.Helper()
	all, err := w.api.Spool.Complete()
	for _, task := range all {
		err = errors.Join(err, w.api.Spool.Remove(task.ID))
	}
	if _, rerr := w.api.Spool.Recover(time.Now()); err != nil || rerr != nil {
		t.Error(err, rerr)
	}
	if err := os.RemoveAll(filepath.Join(w.api.Spool.Dir, "done")); err != nil {
		t.Error(err)
	}
}

// whole checks the complete uploads in the spool, of which there must be one if it
// was accepted, and empties the spool.
func (w *worker) whole(t *testing.T, what string, accepted bool) {
	t.Helper()
	all, err := w.api.Spool.Complete()
	if err != nil || accepted && len(all) != 1 || accepted != (len(w.accepted) == 1) {
		t.Errorf("%s: accepted %v: %d complete, %d told; %v", what, accepted, len(all), len(w.accepted), err)
	}
	w.api.Spool.intact(t, what, all)
	w.emptied(t)
}
