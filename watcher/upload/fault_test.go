package upload

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"jumpserver-video/watcher/volumetest"
)

// TestFaultsOfTheDisk: whatever fails, and at whichever call of all that an
// upload makes, the client is told no, or what it was told yes about is there.
// A quota that is used up is a full disk.
func TestFaultsOfTheDisk(t *testing.T) {
	below, point := t.TempDir(), filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	disk, err := volumetest.Mount(below, point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(disk.Vanish)
	w := newWorker(t)
	w.api.Spool.Dir = point
	names, parts := lexicographic(2)
	// flat and inParts upload as Lion of v3 and v4 do, and answer the last status.
	flat := func() int {
		status, _ := w.form(t, [2]string{"file", string(parts[names[0]])})
		return status
	}
	inParts := func() int {
		status, answer := w.announce(t, "lion", names, parts)
		id, _ := answer["id"].(string)
		for i := 0; i < len(names) && status == http.StatusOK; i++ {
			status, _ = w.part(t, "lion", id, i, names[i], parts[names[i]])
		}
		return status
	}
	for _, upload := range []func() int{flat, inParts} {
		for _, f := range []volumetest.Fault{
			{Op: "mkdir", Errno: syscall.EDQUOT}, {Op: "mkdir", Errno: syscall.EROFS},
			{Op: "create", Errno: syscall.EDQUOT}, {Op: "create", Errno: syscall.EACCES},
			{Op: "write", Errno: syscall.EDQUOT}, {Op: "write", Errno: syscall.ENOSPC}, {Op: "write", Errno: syscall.EIO},
			{Op: "sync", Errno: syscall.EDQUOT}, {Op: "sync", Errno: syscall.EIO},
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

// whole checks what is complete in the spool, which must be something if it was
// accepted, and empties the spool.
func (w *worker) whole(t *testing.T, what string, accepted bool) {
	t.Helper()
	_, parts := lexicographic(2)
	all, err := w.api.Spool.Complete()
	if err != nil || accepted && len(all) != 1 || accepted != (len(w.accepted) == 1) {
		t.Errorf("%s: accepted %v: %d complete, %d told; %v", what, accepted, len(all), len(w.accepted), err)
	}
	for _, task := range all {
		for _, f := range task.Files {
			stored, err := os.ReadFile(filepath.Join(w.api.Spool.Dir, task.ID, f.Name))
			if err != nil || sum(stored) != f.Checksum || len(task.Files) == 2 && string(stored) != string(parts[f.Name]) {
				t.Errorf("%s: %s: %d bytes, %v", what, f.Name, len(stored), err)
			}
		}
		if err := w.api.Spool.Remove(task.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.api.Spool.Recover(); err != nil {
		t.Error(err)
	}
}
