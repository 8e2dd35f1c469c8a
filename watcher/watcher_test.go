package watcher

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/watchertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sid   = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	other = "1e39f45f-465b-4dd5-937d-5b4e2891d143"
	rest  = 300 * time.Millisecond // settle time of the tests
)

// today is a day that is polled at every interval.
func today() string { return time.Now().UTC().Format(time.DateOnly) }

// running is a watcher that runs in a test.
type running struct {
	*watchertest.Offers[Candidate]
	t *testing.T
	w *Watcher
}

func watch(t *testing.T, root string, change ...func(*Watcher)) *running {
	t.Helper()
	r := &running{t: t}
	r.Offers = watchertest.New(t, func(c Candidate) string { return c.Path }, func() any { return r.w.Status() })
	r.w = &Watcher{Root: root, Interval: 50 * time.Millisecond, Settle: rest, Pace: time.Millisecond, Patience: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Found: r.Found}
	for _, c := range change {
		c(r.w)
	}
	r.Run(r.w.Run)
	return r
}

// wait waits until n recordings have been offered.
func (r *running) wait(n int) []Candidate {
	r.t.Helper()
	r.Until("offers", func() bool { return len(r.All()) >= n })
	return r.All()
}

// quiet checks that nothing more is offered for a while.
func (r *running) quiet(n int) {
	r.t.Helper()
	waittest.During(r.t, 3*rest, fmt.Sprintf("%d are offered", n), func() bool { return len(r.Names()) == n }, func() any { return r.Names() })
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
	r := watch(t, root, func(w *Watcher) { w.Settle = time.Minute }) // they are old, so the settle time does not apply
	got := r.wait(3)
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
	r.quiet(3)
	if s := r.w.Status(); !s.Available || s.LastSweep.IsZero() || s.Names[recording.ClassOriginal] != 3 || s.Names[recording.ClassVideo] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAFileThatGrowsSlowlyIsNotTakenEarly(t *testing.T) {
	root := t.TempDir()
	r := watch(t, root)
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
		time.Sleep(rest / 3) // the writer's pace
	}
	got := r.wait(1)
	if got[0].Size != pieces*10 {
		t.Errorf("taken with %d of %d bytes", got[0].Size, pieces*10)
	}
	r.quiet(1)
}

func TestAFutureModificationTimeNeitherHurriesNorBlocks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	r := watch(t, root)
	put(t, root, today()+"/"+sid+".replay.gz", "x", -100*time.Hour)
	began := time.Now()
	r.wait(1)
	if took := time.Since(began); took < rest {
		t.Errorf("taken after %s, before it had rested", took)
	}
}

func TestAChangedRecordingIsOfferedAgain(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	rel := today() + "/" + sid + ".replay.gz"
	put(t, root, rel, "one", time.Hour)
	r := watch(t, root)
	r.wait(1)
	put(t, root, rel, "longer", 0)
	if got := r.wait(2); got[1].Size != 6 {
		t.Errorf("%+v", got[1])
	}
	r.quiet(2)
}

func TestARefusedRecordingIsOfferedAgain(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	r := watch(t, root)
	r.Refuse(errors.New("no room"))
	waittest.During(t, 2*rest, "nothing is taken", func() bool { return len(r.Names()) == 0 }, func() any { return r.Names() })
	r.Refuse(nil)
	r.wait(1)
}

func TestPartsAreTakenWhenAllAreThere(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := today() + "/" + sid + "/" + sid
	r := watch(t, root)
	put(t, root, folder+".0.part.gz", "part 0", 0)
	r.quiet(0) // without an index
	put(t, root, folder+".replay.json", `{"files":[{"name":"`, 0)
	r.quiet(0) // the index is being written
	index := `{"files":[{"name":"` + sid + `.0.part.gz"},{"name":"` + sid + `.1.part.gz"}]}`
	put(t, root, folder+".replay.json", index, 0)
	put(t, root, folder+".1.part.gz.tmp1713890000", "half", 0)
	r.quiet(0) // a part is missing
	put(t, root, folder+".1.part.gz", "part 1", 0)
	got := r.wait(1)
	if got[0].Path != folder+".replay.json" || got[0].Size != int64(12+len(index)) {
		t.Errorf("%+v", got[0])
	}
	// The size and time are the same as those of the opened recording.
	rec, err := recording.Open(filepath.Join(root, got[0].Path))
	var kind *recording.KindError
	if !errors.As(err, &kind) {
		t.Fatalf("%v, %v", rec, err) // the parts in this test are not dumps
	}
}

// TestWhatLacksSomethingIsOfferedInTheEnd, as it is, and again when it is complete.
// It may be parts without an index, also in Lion's own folder, an index without a
// part, or one that cannot be read. Beside an MP4, parts are not a recording.
func TestWhatLacksSomethingIsOfferedInTheEnd(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	in := func(id, file string) string { return today() + "/" + id + "/" + strings.ReplaceAll(file, "S", id) }
	const ids = "-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	want := map[string]int64{}
	for id, files := range map[string]map[string]string{
		"00000001" + ids: {"S.0.part.gz": dumped, "S.1.part.gz": dumped},
		"00000002" + ids: {"S.0.part": dumped, "S.0.part.meta": "{}", "S.json": "{}"},
		"00000003" + ids: {"S.0.part": dumped, "upload/S.0.part.gz": "x", "upload/S.1.part.gz": dumped},
		"00000004" + ids: {"S.replay.json": `{"files":[{"name":"S.0.part.gz"},{"name":"S.1.part.gz"}]}`, "S.1.part.gz": dumped},
		"00000005" + ids: {"S.0.part.gz": dumped, "../S.replay.mp4": "video"},
		"00000006" + ids: {"S.tar": "a download", "S.json": "{}"},
	} {
		for file, text := range files {
			put(t, root, in(id, file), strings.ReplaceAll(text, "S", id), time.Hour)
		}
		if rec, err := recording.OpenIncomplete(filepath.Join(root, in(id, "S.replay.json"))); err == nil && id[7] != '5' {
			want[in(id, "S.replay.json")] = rec.Size
		}
	}
	r := watch(t, root)
	got := r.wait(4)
	for _, c := range got {
		if size, ok := want[c.Path]; !ok || size != c.Size || !c.Lacks {
			t.Errorf("%+v, want %v", c, want)
		}
	}
	late := "00000001" + ids
	put(t, root, in(late, "S.replay.json"), `{"files":[{"name":"`+late+`.0.part.gz"},{"name":"`+late+`.1.part.gz"}]}`, time.Minute)
	if got := r.wait(5); got[4].Path != in(late, "S.replay.json") || got[4].Lacks {
		t.Errorf("%+v", got[4])
	}
}

const dumped = "4.size,1.0,1.8,1.8;4.sync,1.1;"

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
	r := watch(t, root)
	r.wait(1)
	r.quiet(1)
	r.Stop()
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
	r := watch(t, root)
	r.Until("missing root", func() bool { return r.w.Status().None && strings.Contains(r.w.Status().Reason, "never did") })
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	r.wait(1)
	if err := os.Rename(root, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root, 0o755); err != nil { // the bare mount point
		t.Fatal(err)
	}
	r.Until("empty root", func() bool { return strings.Contains(r.w.Status().Reason, "mounted") && !r.w.Status().None })
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	put(t, aside, today()+"/"+other+".replay.gz", "x", time.Hour)
	if err := os.Rename(aside, root); err != nil {
		t.Fatal(err)
	}
	r.wait(2)
	r.quiet(2) // the first one is not offered again
}

func TestEventsMakeTheNextPollComeSooner(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, today()+"/"+other+".cast.gz", "x", time.Hour)
	r := watch(t, root, func(w *Watcher) { w.Interval, w.Mode = time.Hour, ModeNotify })
	r.Until("first poll", func() bool { return !r.w.Status().LastPoll.IsZero() })
	put(t, root, today()+"/"+sid+".replay.gz", "x", time.Hour)
	r.wait(1)
	if m := r.w.Status().Mode; m != ModeNotify {
		t.Errorf("mode %s", m)
	}
}

// TestARecordingFromTheFutureIsFound: the clock was ahead when the file was
// written, or is behind now.
func TestARecordingFromTheFutureIsFound(t *testing.T) {
	root := t.TempDir()
	put(t, root, today()+"/"+sid+".replay.gz", "x", -400*24*time.Hour)
	r := watch(t, root)
	if got := r.wait(1); got[0].Session != sid {
		t.Errorf("%+v", got[0])
	}
	r.Stop()
}
