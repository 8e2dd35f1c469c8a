package upload

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// TestAFullDiskRefuses: the disk becomes full in the middle of a file.
func TestAFullDiskRefuses(t *testing.T) {
	w := newWorker(t)
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting a small disk: %v (run as root)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	w.api.Spool.Dir = small
	name := session + ".0.part.gz"
	r := rand.New(rand.NewPCG(1, 1))
	large := make([]byte, 400<<10) // not much more than the disk: the server reads the rest before it responds
	for i := range large {
		large[i] = byte(r.Uint32())
	}
	task := w.task(t, []string{name}, map[string][]byte{name: large})
	if status, answer := w.part(t, "lion", task, 0, name, large); status != http.StatusInsufficientStorage || answer["ok"] != false {
		t.Error(status, answer)
	}
	w.empty(t)
	body := dump(300)
	task = w.task(t, []string{name}, map[string][]byte{name: body})
	if status, answer := w.part(t, "lion", task, 0, name, body); status != http.StatusOK {
		t.Error("a small one:", status, answer)
	}
}

// TestAQuotaThatIsUsedUpRefuses like a full disk.
func TestAQuotaThatIsUsedUpRefuses(t *testing.T) {
	for _, errno := range []error{unix.EDQUOT, unix.ENOSPC} {
		w := &roomWriter{s: &Spool{Dir: t.TempDir()}, w: failing{&os.PathError{Op: "write", Path: "x", Err: errno}}}
		if _, err := w.Write([]byte("bytes")); !errors.Is(err, ErrFull) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	w := &roomWriter{s: &Spool{Dir: t.TempDir()}, w: failing{unix.EIO}}
	if _, err := w.Write([]byte("bytes")); errors.Is(err, ErrFull) || !errors.Is(err, unix.EIO) {
		t.Errorf("another error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestAbandonedUploadsExpire. Uploads that make progress, however long ago they
// began, and complete ones do not.
func TestAbandonedUploadsExpire(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(2)
	complete, abandoned, slow := w.task(t, names[:1], parts), w.task(t, names, parts), w.task(t, names, parts)
	w.part(t, "lion", complete, 0, names[0], parts[names[0]])
	old := time.Now().Add(-25 * time.Hour)
	for _, id := range []string{complete, abandoned, slow} {
		folder := filepath.Join(w.api.Spool.Dir, id)
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Chtimes(filepath.Join(folder, f.Name()), old, old); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(folder, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.api.Spool.Dir, slow, ".writing-1"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := w.api.Spool.Expire(time.Now()); err != nil || n != 1 {
		t.Error(n, err)
	}
	w.left(t, []string{complete, slow})
	if n, err := w.api.Spool.Expire(time.Now().Add(25 * time.Hour)); err != nil || n != 1 {
		t.Error(n, err)
	}
	w.left(t, []string{complete})
}

// left fails the test unless exactly these uploads are in the spool.
func (w *worker) left(t *testing.T, want []string) {
	t.Helper()
	entries, err := os.ReadDir(w.api.Spool.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left: %v, want %v", got, want)
	}
}

// TestWhatIsDoneWithStaysForAWhile, like an original that was replaced.
func TestWhatIsDoneWithStaysForAWhile(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	spool.KeepOld = 48 * time.Hour
	names, parts := lexicographic(1)
	_, answer := w.announce(t, "lion", names, parts)
	id := answer["id"].(string)
	w.part(t, "lion", id, 0, names[0], parts[names[0]])
	if err := spool.Finish(id); err != nil {
		t.Fatal(err)
	}
	if err := spool.Finish(id); !errors.Is(err, ErrNoTask) {
		t.Error("again:", err)
	}
	if left, err := spool.Complete(); err != nil || len(left) != 0 {
		t.Error("it still waits:", left, err)
	}
	kept := filepath.Join(spool.Dir, "done", id, names[0])
	for _, after := range []time.Duration{47 * time.Hour, 49 * time.Hour} {
		if n, err := spool.Expire(time.Now().Add(after)); err != nil || n != int(after/(48*time.Hour)) {
			t.Error(after, n, err)
		}
		if _, err := os.Stat(kept); (err == nil) != (after < 48*time.Hour) {
			t.Error(after, err)
		}
	}
}

// TestWhatIsDoneWithGoesAsOriginalsGo: at once, or never.
func TestWhatIsDoneWithGoesAsOriginalsGo(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	spool.KeepOld = -1
	names, parts := lexicographic(1)
	kept, removed := w.task(t, names, parts), w.task(t, names, parts)
	for _, id := range []string{kept, removed} {
		w.part(t, "lion", id, 0, names[0], parts[names[0]])
	}
	if err := errors.Join(spool.Finish(kept), spool.Remove(removed)); err != nil {
		t.Fatal(err)
	}
	if err := spool.Remove(removed); !errors.Is(err, ErrNoTask) {
		t.Error("again:", err)
	}
	if n, err := spool.Expire(time.Now().Add(10_000 * time.Hour)); err != nil || n != 0 {
		t.Error(n, err)
	}
	w.left(t, []string{"done"})
	if left, err := os.ReadDir(filepath.Join(spool.Dir, "done")); err != nil || len(left) != 1 || left[0].Name() != kept {
		t.Error(left, err)
	}
}

// TestWhatBrokeOffIsDroppedAtTheNextStart, and complete uploads are not.
func TestWhatBrokeOffIsDroppedAtTheNextStart(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	names, parts := lexicographic(2)
	complete, half, judged := w.task(t, names[:1], parts), w.task(t, names, parts), w.task(t, names[:1], parts)
	w.part(t, "lion", complete, 0, names[0], parts[names[0]])
	w.part(t, "lion", half, 0, names[0], parts[names[0]])
	// All bytes are stored, and the agent died before it could record that.
	if _, err := spool.Store(t.Context(), judged, 0, bytes.NewReader(parts[names[0]]), known); err != nil {
		t.Fatal(err)
	}
	if all, err := spool.Complete(); err != nil || len(all) != 1 || all[0].ID != complete {
		t.Error(all, err)
	}
	writing := filepath.Join(spool.Dir, complete, ".writing-1")
	if err := os.WriteFile(writing, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(spool.Dir, session), 0o700); err != nil { // before its task.json
		t.Fatal(err)
	}
	// One that cannot be read stays, is reported, and does not block the others.
	unclear := filepath.Join(spool.Dir, "0"+session[1:])
	if err := errors.Join(os.Mkdir(unclear, 0o700), os.WriteFile(filepath.Join(unclear, taskFile), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if n, err := spool.Recover(time.Now()); err == nil || n != 3 {
		t.Error(n, err)
	}
	w.left(t, []string{complete, filepath.Base(unclear)})
	if err := os.RemoveAll(unclear); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(writing); err == nil {
		t.Error("a file that was being written stays")
	}
	w.left(t, []string{complete})
}

// TestNothingTakesItsNameBeforeItWasJudged: a crash before the check leaves nothing
// that looks like a recording, and a refusal leaves nothing.
func TestNothingTakesItsNameBeforeItWasJudged(t *testing.T) {
	w := newWorker(t)
	spool := w.api.Spool
	names, parts := lexicographic(1)
	task := w.task(t, names, parts)
	wrong := errors.New("not what we want")
	_, err := spool.Store(t.Context(), task, 0, bytes.NewReader(parts[names[0]]), func(name string, r io.Reader) error {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, parts[names[0]]) || name != names[0] {
			t.Errorf("%s of %d bytes: %v", name, len(got), err)
		}
		if _, err := os.Stat(filepath.Join(spool.Dir, task, names[0])); err == nil {
			t.Error("it has its name already")
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Error(err)
	}
	if _, done, err := spool.Commit(task); done || err != nil {
		t.Error(done, err)
	}
	files, err := os.ReadDir(filepath.Join(spool.Dir, task))
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if f.Name() != taskFile && f.Name() != lockFile && f.Name() != indexFile {
			t.Error("left behind:", f)
		}
	}
}

// TestTwoRequestsForOnePart: the second is refused, and the first continues.
func TestTwoRequestsForOnePart(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(1)
	task := w.task(t, names, parts)
	path := "/api/v2/replay/sessions/" + task + "/task/upload/0"
	resp, err := w.streamed(t, path, func(form *multipart.Writer, _ <-chan struct{}) error {
		f, err := form.CreateFormFile("file", names[0])
		if err != nil {
			return err
		}
		if _, err := f.Write(parts[names[0]][:50]); err != nil {
			return err
		}
		waittest.Until(t, "the part is being written", w.writing)
		if status, answer := w.part(t, "lion", task, 0, names[0], parts[names[0]]); status != http.StatusConflict || answer["ok"] != false {
			t.Error(status, answer)
		}
		_, err = f.Write(parts[names[0]][50:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(w.accepted) != 1 {
		t.Error(resp.Status, w.accepted)
	}
}
