package watcher

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sid   = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	other = "1e39f45f-465b-4dd5-937d-5b4e2891d143"
	rest  = 300 * time.Millisecond // settle time of the tests
)

// today is a day that is polled at every interval.
func today() string { return time.Now().UTC().Format(time.DateOnly) }

// bench is a watcher at work in a test.
type bench struct {
	t    *testing.T
	w    *Watcher
	mu   sync.Mutex
	got  []Candidate
	err  error // what Found answers
	stop func()
}

func watch(t *testing.T, root string, change ...func(*Watcher)) *bench {
	t.Helper()
	b := &bench{t: t}
	b.w = &Watcher{Root: root, Interval: 50 * time.Millisecond, Settle: rest, Pace: time.Millisecond, Patience: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Found: b.found}
	for _, c := range change {
		c(b.w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.w.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bench) found(_ context.Context, c Candidate) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.got = append(b.got, c)
	return nil
}

func (b *bench) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *bench) paths() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	paths := []string{}
	for _, c := range b.got {
		paths = append(paths, c.Path)
	}
	return paths
}

// wait waits until so many recordings have been offered.
func (b *bench) wait(n int) []Candidate {
	b.t.Helper()
	b.until("offers", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.got) >= n })
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Candidate(nil), b.got...)
}

func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s: not in time; offered %v, status %+v", what, b.paths(), b.w.Status())
		}
	}
}

// quiet asserts that nothing more is offered for a while.
func (b *bench) quiet(n int) {
	b.t.Helper()
	time.Sleep(3 * rest)
	if got := b.paths(); len(got) != n {
		b.t.Fatalf("offered %v, want %d", got, n)
	}
}

func put(t *testing.T, root, rel, text string, age time.Duration) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(rel))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func TestCatchesUpWithEverythingNewestFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	days := []string{"2023-01-05", "2024-02-29", today()}
	for _, day := range days {
		put(t, root, day+"/"+sid+".replay.gz", "x", time.Hour)
	}
	put(t, root, days[1]+"/"+sid+".replay.mp4", "video", time.Hour)
	b := watch(t, root, func(w *Watcher) { w.Settle = time.Minute }) // they have rested: no minute is waited
	got := b.wait(3)
	var order []string
	for _, c := range got {
		order = append(order, c.Date)
		if c.HasVideo != (c.Date == days[1]) || c.Session != sid || c.Size != 1 {
			t.Errorf("%+v", c)
		}
	}
	if d := cmp.Diff([]string{days[2], days[1], days[0]}, order); d != "" {
		t.Error(d)
	}
	b.quiet(3)
	if s := b.w.Status(); !s.Available || s.LastSweep.IsZero() || s.Names[recording.ClassOriginal] != 3 || s.Names[recording.ClassVideo] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAFileThatGrowsSlowlyIsNotTakenEarly(t *testing.T) {
	root := t.TempDir()
	b := watch(t, root)
	path := filepath.Join(root, today(), sid+".replay.gz")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const pieces = 12
	for range pieces {
		if _, err := f.WriteString("0123456789"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rest / 3)
	}
	got := b.wait(1)
	if got[0].Size != pieces*10 {
		t.Errorf("taken with %d of %d bytes", got[0].Size, pieces*10)
	}
	b.quiet(1)
}

func TestAFutureModificationTimeNeitherHurriesNorBlocks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	b := watch(t, root)
	put(t, root, today()+"/"+sid+".replay.gz", "x", -100*time.Hour)
	began := time.Now()
	b.wait(1)
	if took := time.Since(began); took < rest {
		t.Errorf("taken after %s, before it had rested", took)
	}
}

func TestAChangedRecordingIsOfferedAgain(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	rel := today() + "/" + sid + ".replay.gz"
	put(t, root, rel, "one", time.Hour)
	b := watch(t, root)
	b.wait(1)
	put(t, root, rel, "longer", 0)
	if got := b.wait(2); got[1].Size != 6 {
		t.Errorf("%+v", got[1])
	}
	b.quiet(2)
}

func TestARefusedRecordingIsOfferedAgain(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	b := watch(t, root)
	b.fail(errors.New("no room"))
	time.Sleep(2 * rest)
	if got := b.paths(); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	b.fail(nil)
	b.wait(1)
}

func TestPartsAreTakenWhenAllAreThere(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := today() + "/" + sid + "/" + sid
	b := watch(t, root)
	put(t, root, folder+".0.part.gz", "part 0", 0)
	b.quiet(0) // without an index
	put(t, root, folder+".replay.json", `{"files":[{"name":"`, 0)
	b.quiet(0) // the index is being written
	index := `{"files":[{"name":"` + sid + `.0.part.gz"},{"name":"` + sid + `.1.part.gz"}]}`
	put(t, root, folder+".replay.json", index, 0)
	put(t, root, folder+".1.part.gz.tmp1713890000", "half", 0)
	b.quiet(0) // a part is missing
	put(t, root, folder+".1.part.gz", "part 1", 0)
	got := b.wait(1)
	if got[0].Path != folder+".replay.json" || got[0].Size != int64(12+len(index)) {
		t.Errorf("%+v", got[0])
	}
	// The same size and time as the recording has when it is opened.
	rec, err := recording.Open(filepath.Join(root, got[0].Path))
	var kind *recording.KindError
	if !errors.As(err, &kind) {
		t.Fatalf("%v, %v", rec, err) // the parts here are no dumps
	}
}

func TestBundledPartsMatchTheOpenedRecording(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../testdata/recordings/multipart/v4")); err != nil {
		t.Fatal(err)
	}
	got := watch(t, root).wait(1)
	rec, err := recording.Open(filepath.Join(root, got[0].Path))
	if err != nil {
		t.Fatal(err)
	}
	if rec.Size != got[0].Size || !rec.ModTime.Equal(got[0].ModTime) {
		t.Errorf("found %d bytes of %s, opened %d of %s", got[0].Size, got[0].ModTime, rec.Size, rec.ModTime)
	}
}

func TestForeignFilesAreNeitherOfferedNorTouched(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, rel := range []string{
		today() + "/" + other + ".cast.gz", today() + "/" + other + ".replay.mp4", today() + "/" + other + ".json", today() + "/" + other + ".tar",
		today() + "/" + other + ".replay_aB3dE5g.gz", today() + "/" + other + ".replay.gz.6eF3a19b", today() + "/notes.txt",
		today() + "/" + other + "/" + other + ".0.part.gz.tmp1713890000", today() + "/" + other + "/" + other + ".0.part.meta",
		".jumpserver-video-trash/2026-11-23/" + today() + "/" + other + ".replay.gz", ".snapshot/" + today() + "/" + other + ".replay.gz",
		today() + "/.nfs0001", "lost+found/x", "2024-99-99/" + other + ".replay.gz", other + ".replay.gz", today() + "/folder/" + other + ".replay.gz",
	} {
		put(t, root, rel, rel, time.Hour)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(root, today(), other+".replay.gz")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	put(t, root, today()+"/"+sid+".replay.gz", "mine", time.Hour)
	b := watch(t, root)
	b.wait(1)
	b.quiet(1)
	b.stop()
	if err := os.Remove(filepath.Join(root, today(), sid+".replay.gz")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, tree(t, root)); d != "" {
		t.Errorf("the volume has changed: %s", d)
	}
}

// tree is a snapshot of files with their sizes and times.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all[path] = info.Mode().String() + " " + info.ModTime().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnEmptiedVolumeIsUnavailableNotDeleted(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	root, aside := filepath.Join(base, "replay"), filepath.Join(base, "aside")
	b := watch(t, root)
	b.until("missing root", func() bool { return strings.Contains(b.w.Status().Reason, "no such file") })
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	b.wait(1)
	if err := os.Rename(root, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root, 0o755); err != nil { // the bare mount point
		t.Fatal(err)
	}
	b.until("empty root", func() bool { return strings.Contains(b.w.Status().Reason, "mounted") })
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	put(t, aside, today()+"/"+other+".replay.gz", "x", time.Hour)
	if err := os.Rename(aside, root); err != nil {
		t.Fatal(err)
	}
	b.wait(2)
	b.quiet(2) // the first one is not offered again
}

func TestEventsMakeTheNextPollComeSooner(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, today()+"/"+other+".cast.gz", "x", time.Hour)
	b := watch(t, root, func(w *Watcher) { w.Interval, w.Mode = time.Hour, ModeNotify })
	b.until("first poll", func() bool { return !b.w.Status().LastPoll.IsZero() })
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	b.wait(1)
	if m := b.w.Status().Mode; m != ModeNotify {
		t.Errorf("mode %s", m)
	}
}

// TestARecordingFromTheFutureIsFound: the clock was ahead when it was written,
// or is behind now.
func TestARecordingFromTheFutureIsFound(t *testing.T) {
	root := t.TempDir()
	put(t, root, today()+"/"+sid+".replay.gz", "x", -400*24*time.Hour)
	b := watch(t, root)
	if got := b.wait(1); got[0].Session != sid {
		t.Errorf("%+v", got[0])
	}
	b.stop()
}
