package cleanup

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTheTrashIsMeasured: originals are files and folders of parts; those that are
// kept are counted apart. What never changes is read once.
func TestTheTrashIsMeasured(t *testing.T) {
	root := t.TempDir()
	m := &Meter{Root: root}
	measure := func() TrashUsage {
		t.Helper()
		got, err := m.Measure(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	write := func(rel string, size int) {
		t.Helper()
		put(t, root, rel)
		if err := os.WriteFile(filepath.Join(root, rel), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want TrashUsage) {
		t.Helper()
		if d := cmp.Diff(want, measure()); d != "" {
			t.Error(d)
		}
	}
	is(TrashUsage{}) // before anything was retired

	write("2026-11-20/a.replay.gz", 1000)
	write("2026-11-20/b/b.replay.json", 10)
	write("2026-11-20/b/b.0.part.gz", 300)
	write("2026-11-21/c.replay.gz", 5000)
	write("2026-11-21/d.replay.gz", 7)
	trash, kept := Trash{Root: root, Now: at("2026-11-23")}, Trash{Root: root, Now: at("2026-11-23"), Kept: true}
	for rel, in := range map[string]Trash{"2026-11-20/a.replay.gz": trash, "2026-11-20/b": trash, "2026-11-21/c.replay.gz": kept} {
		if _, err := in.Retire(rel); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root, TrashName+"/notes.txt") // it is not an original
	is(TrashUsage{Expiring: Usage{2, 1310}, Kept: Usage{1, 5000}})

	folder := filepath.Join(root, TrashName, "2026-11-23", "2026-11-20")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(folder, old, old); err != nil {
		t.Fatal(err)
	}
	measure()
	if err := os.Truncate(filepath.Join(folder, "a.replay.gz"), 1); err != nil { // nobody does that
		t.Fatal(err)
	}
	is(TrashUsage{Expiring: Usage{2, 1310}, Kept: Usage{1, 5000}}) // it was not read again

	later := Trash{Root: root, Now: at("2026-11-24")}
	if _, err := later.Retire("2026-11-21/d.replay.gz"); err != nil {
		t.Fatal(err)
	}
	if err := later.Restore(TrashName + "/2026-11-23/2026-11-20/b"); err != nil {
		t.Fatal(err)
	}
	is(TrashUsage{Expiring: Usage{2, 8}, Kept: Usage{1, 5000}})
	if _, err := later.Expire(0); err != nil {
		t.Fatal(err)
	}
	is(TrashUsage{Expiring: Usage{1, 7}, Kept: Usage{1, 5000}})
	if len(m.seen) > 3 {
		t.Errorf("folders that no longer exist are remembered: %v", m.seen)
	}
}

// TestATrashThatCannotBeMeasured: there is no figure rather than a wrong one.
func TestATrashThatCannotBeMeasured(t *testing.T) {
	root := t.TempDir()
	put(t, root, TrashName+"/2026-11-23/2026-11-20/a.replay.gz")
	m := &Meter{Root: root}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := m.Measure(ctx); err == nil {
		t.Errorf("after the agent has stopped: %+v", got)
	}
	if got, err := (&Meter{Root: filepath.Join(root, "nowhere")}).Measure(t.Context()); err == nil {
		t.Errorf("a volume that is not there: %+v", got)
	}
	other := t.TempDir()
	if err := os.Symlink(filepath.Join(root, TrashName), filepath.Join(other, TrashName)); err != nil {
		t.Fatal(err)
	}
	if got, err := (&Meter{Root: other}).Measure(t.Context()); err == nil {
		t.Errorf("a link in place of the trash: %+v", got)
	}
}
