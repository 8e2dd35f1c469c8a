package cleanup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

const sid = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"

func put(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func at(day string) func() time.Time {
	return func() time.Time { d, _ := time.Parse(time.DateOnly, day); return d.Add(12 * time.Hour) }
}

func TestRetireMovesFilesAndFoldersUnchanged(t *testing.T) {
	root := t.TempDir()
	put(t, root, "2026-11-20/a.replay.gz", "2026-11-20/b/b.replay.json", "2026-11-20/b/b.0.part.gz", "2026-11-20/other")
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(root, "2026-11-20/a.replay.gz"), old, old); err != nil {
		t.Fatal(err)
	}
	trash := Trash{Root: root, Now: at("2026-11-23")}
	for rel, want := range map[string]string{
		"2026-11-20/a.replay.gz": TrashName + "/2026-11-23/2026-11-20/a.replay.gz", "2026-11-20/b": TrashName + "/2026-11-23/2026-11-20/b",
	} {
		for range 2 { // it may be repeated, as after a crash
			got, err := trash.Retire(rel)
			if err != nil || got != want {
				t.Errorf("%s: %q, %v", rel, got, err)
			}
		}
	}
	want := []string{
		TrashName + "/2026-11-23/2026-11-20/a.replay.gz", TrashName + "/2026-11-23/2026-11-20/b/b.0.part.gz",
		TrashName + "/2026-11-23/2026-11-20/b/b.replay.json", "2026-11-20/other",
	}
	if d := cmp.Diff(want, list(t, root)); d != "" {
		t.Error(d)
	}
	if st, err := os.Stat(filepath.Join(root, want[0])); err != nil || !st.ModTime().Equal(old) {
		t.Errorf("modification time %v, %v", st.ModTime(), err)
	}
}

func TestRetireNeverOverwrites(t *testing.T) {
	root := t.TempDir()
	trash := Trash{Root: root, Now: at("2026-11-23")}
	var places []string
	for range 3 {
		put(t, root, "d/x.gz")
		to, err := trash.Retire("d/x.gz")
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, filepath.Base(to))
	}
	if d := cmp.Diff([]string{"x.gz", "x.gz~2", "x.gz~3"}, places); d != "" {
		t.Error(d)
	}
	if got := len(list(t, root)); got != 3 {
		t.Errorf("%d files, want 3", got)
	}
}

func TestRetireOfWhatNeverWas(t *testing.T) {
	if _, err := (Trash{Root: t.TempDir()}).Retire("d/x.gz"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPathsThatLeadElsewhereAreRefused(t *testing.T) {
	root := t.TempDir()
	outside := t.TempDir()
	put(t, outside, "precious")
	put(t, root, "d/x", ".hidden/x")
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	trash := Trash{Root: root}
	for _, rel := range []string{"", ".", "..", "../x", "/etc/passwd", "d/../../x", "d/./x", ".hidden/x", TrashName, "d/.x"} {
		if _, err := trash.Retire(rel); !errors.Is(err, ErrPath) {
			t.Errorf("retire %q: %v", rel, err)
		}
		if err := Delete(root, rel); !errors.Is(err, ErrPath) {
			t.Errorf("delete %q: %v", rel, err)
		}
	}
	if _, err := trash.Retire("link/precious"); err == nil {
		t.Error("followed a link out of the root")
	}
	if err := Delete(root, "link/precious"); err == nil {
		t.Error("followed a link out of the root")
	}
	if d := cmp.Diff([]string{"precious"}, list(t, outside)); d != "" {
		t.Error(d)
	}
}

func TestRestore(t *testing.T) {
	root := t.TempDir()
	put(t, root, "d/x.gz")
	trash := Trash{Root: root, Now: at("2026-11-23")}
	to, err := trash.Retire("d/x.gz")
	if err != nil {
		t.Fatal(err)
	}
	put(t, root, "d/x.gz")
	if err := trash.Restore(to); !errors.Is(err, ErrExists) {
		t.Errorf("overwrote: %v", err)
	}
	if err := Delete(root, "d/x.gz"); err != nil {
		t.Fatal(err)
	}
	if err := trash.Restore(to); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"d/x.gz"}, list(t, root)); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"d/x.gz", TrashName + "/../x", TrashName + "/2026-11-23/../../x"} {
		if err := trash.Restore(bad); !errors.Is(err, ErrPath) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestExpiryCountsFromTheDayOfRetirement(t *testing.T) {
	root := t.TempDir()
	put(t, root, TrashName+"/2026-11-10/d/old", TrashName+"/2026-11-15/d/edge", TrashName+"/2026-11-22/d/new", TrashName+"/notes.txt",
		TrashName+"/mine/keep", "2026-11-01/outside")
	outside := t.TempDir()
	put(t, outside, "precious")
	if err := os.Symlink(outside, filepath.Join(root, TrashName, "2026-11-01")); err != nil {
		t.Fatal(err)
	}
	report, err := (Trash{Root: root, Now: at("2026-11-23")}).Expire(7 * 24 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if report.TrashDays != 2 {
		t.Errorf("%d days removed, want 2", report.TrashDays)
	}
	if d := cmp.Diff([]string{TrashName + "/2026-11-01", TrashName + "/mine", TrashName + "/notes.txt"}, report.Strange); d != "" {
		t.Error(d)
	}
	want := []string{TrashName + "/2026-11-01", TrashName + "/2026-11-22/d/new", TrashName + "/mine/keep", TrashName + "/notes.txt", "2026-11-01/outside"}
	if d := cmp.Diff(want, list(t, root)); d != "" {
		t.Error(d)
	}
	if len(list(t, outside)) != 1 {
		t.Error("removed what a link points to")
	}
}

// TestExpiryTellsOfEachOriginalBeforeItGoes: Removing is called for a file, for a
// folder with parts, and for an original in no folder. If Removing fails the
// original stays, and Removing is called for it again.
func TestExpiryTellsOfEachOriginalBeforeItGoes(t *testing.T) {
	root := t.TempDir()
	const day = TrashName + "/2026-11-10/"
	put(t, root, day+"2026-11-09/a.replay.gz", day+"2026-11-09/b/b.replay.json", day+"2026-11-09/b/b.0.part.gz", day+"c.gz", TrashName+"/2026-11-22/d/new")
	var reported []string
	full := errors.New("the disk is full")
	trash := Trash{Root: root, Now: at("2026-11-23"), Removing: func(trashed string) error {
		if _, err := os.Lstat(filepath.Join(root, trashed)); err != nil {
			t.Errorf("told too late: %v", err)
		}
		reported = append(reported, trashed)
		if strings.HasSuffix(trashed, "/b") && len(reported) < 4 {
			return full
		}
		return nil
	}}
	if report, err := trash.Expire(7 * 24 * time.Hour); !errors.Is(err, full) || report.TrashDays != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if d := cmp.Diff([]string{day + "2026-11-09/b/b.0.part.gz", day + "2026-11-09/b/b.replay.json", TrashName + "/2026-11-22/d/new"}, list(t, root)); d != "" {
		t.Error(d)
	}
	if report, err := trash.Expire(7 * 24 * time.Hour); err != nil || report.TrashDays != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if d := cmp.Diff([]string{day + "2026-11-09/a.replay.gz", day + "2026-11-09/b", day + "c.gz", day + "2026-11-09/b"}, reported); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{TrashName + "/2026-11-22/d/new"}, list(t, root)); d != "" {
		t.Error(d)
	}
}

// TestATrashThatIsALinkIsRefused: it could lead to recordings that are still in
// use.
func TestATrashThatIsALinkIsRefused(t *testing.T) {
	root := t.TempDir()
	put(t, root, "2026-11-01/S.replay.gz", "2026-11-02/T.replay.gz")
	if err := os.Symlink(".", filepath.Join(root, TrashName)); err != nil {
		t.Fatal(err)
	}
	trash := Trash{Root: root, Now: at("2026-11-23")}
	if report, err := trash.Expire(24 * time.Hour); !errors.Is(err, ErrPath) || report.TrashDays != 0 {
		t.Errorf("%+v %v", report, err)
	}
	if to, err := trash.Retire("2026-11-02/T.replay.gz"); !errors.Is(err, ErrPath) {
		t.Errorf("retired to %s: %v", to, err)
	}
	for _, rel := range []string{"2026-11-01/S.replay.gz", "2026-11-02/T.replay.gz"} {
		if _, err := os.Stat(filepath.Join(root, rel)); err != nil {
			t.Error(err)
		}
	}
}

func TestCleanerRemovesOldTasksAndIdleWork(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	tasks, work := filepath.Join(dir, "tasks"), filepath.Join(dir, "work")
	const fresh, busy = "11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f", "22222222-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	put(t, tasks, sid+"/task.log", fresh+"/task.log", "README")
	put(t, work, sid+"/video.mp4", fresh+"/video.mp4", busy+"/video.mp4")
	age := func(d time.Duration, paths ...string) {
		for _, p := range paths {
			if err := os.Chtimes(p, now.Add(-d), now.Add(-d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	age(31*24*time.Hour, filepath.Join(tasks, sid, "task.log"), filepath.Join(tasks, sid))
	for _, s := range []string{sid, busy} {
		age(2*time.Hour, filepath.Join(work, s, "video.mp4"), filepath.Join(work, s))
	}
	c := &Cleaner{TasksDir: tasks, TaskLogKeep: 30 * 24 * time.Hour, WorkDir: work, WorkInUse: func(s string) bool { return s == busy }}
	if report, err := (&Cleaner{TasksDir: tasks}).Once(t.Context()); err != nil || report.Tasks != 0 { // forever
		t.Errorf("%+v, %v", report, err)
	}
	report, err := c.Once(t.Context())
	if err != nil || report.Tasks != 1 || report.Work != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	want := []string{"tasks/" + fresh + "/task.log", "tasks/README", "work/" + fresh + "/video.mp4", "work/" + busy + "/video.mp4"}
	if d := cmp.Diff(want, list(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestRunCleansAtOnceAndAgain(t *testing.T) {
	root := t.TempDir()
	put(t, root, TrashName+"/2026-11-10/x", TrashName+"/strange")
	var log bytes.Buffer
	day := at("2026-11-23")
	c := &Cleaner{Trash: &Trash{Root: root, Now: day}, TrashKeep: 24 * time.Hour, Every: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := contextWithTimeout(t)
	defer cancel()
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	waittest.Until(t, "the first day is removed", func() bool { _, err := os.Stat(filepath.Join(root, TrashName, "2026-11-10")); return err != nil })
	put(t, root, TrashName+"/2026-11-11/y")
	waittest.Until(t, "the second day is removed", func() bool { _, err := os.Stat(filepath.Join(root, TrashName, "2026-11-11")); return err != nil })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "it was not touched"); n != 1 {
		t.Errorf("a strange name was reported %d times", n)
	}
}

func TestPolicyNamesTheChoices(t *testing.T) {
	var p Policy
	if err := p.Decode(" Keep "); err != nil || p != PolicyKeep {
		t.Errorf("%q, %v", p, err)
	}
	if err := p.Decode("burn"); err == nil || !strings.Contains(err.Error(), "trash, delete or keep") {
		t.Errorf("got %v", err)
	}
}

// TestNothingIsRemovedWhenTheClockHasJumped: a date of next year, from an empty
// battery or a typing mistake, must not empty the trash at once.
func TestNothingIsRemovedWhenTheClockHasJumped(t *testing.T) {
	root := t.TempDir()
	old, recent := TrashName+"/2026-11-10/x", TrashName+"/2026-11-22/y"
	var date string
	now := func() time.Time { return at(date)() }
	round := func(on string) {
		t.Helper()
		date = on
		c := &Cleaner{Trash: &Trash{Root: root, Now: now}, TrashKeep: 7 * 24 * time.Hour, Now: now, Clock: filepath.Join(root, "clock"),
			Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // after one round
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
	there := func(name string) bool { _, err := os.Stat(filepath.Join(root, name)); return err == nil }
	put(t, root, old, recent)
	for _, step := range []struct {
		date        string
		old, recent bool // whether they still exist
	}{
		{"2026-11-23", true, true},  // the first clean-up: the clock may be wrong
		{"2026-11-24", false, true}, // a day later: normal
		{"2027-11-25", false, true}, // jumped
		{"2026-11-25", false, true}, // corrected
		{"2026-11-26", false, true},
		{"2026-12-20", false, true},  // the agent was off for weeks
		{"2026-12-21", false, false}, // and was started again
	} {
		round(step.date)
		if there(old) != step.old || there(recent) != step.recent {
			t.Errorf("%s: the old one is left: %v, the recent one: %v", step.date, there(old), there(recent))
		}
	}
}
