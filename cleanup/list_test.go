package cleanup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestListOfTheTrash(t *testing.T) {
	root := t.TempDir()
	put := func(rel, content string) {
		t.Helper()
		file := filepath.Join(root, rel)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	day := func(text string) func() time.Time {
		return func() time.Time {
			at, err := time.Parse(time.DateOnly, text)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	retire := func(trash Trash, rel string) {
		t.Helper()
		if _, err := trash.Retire(rel); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (all []Trashed) {
		t.Helper()
		err := Trash{Root: root}.List(t.Context(), func(i Trashed) error { all = append(all, i); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := list(); got != nil {
		t.Errorf("an empty trash: %v", got)
	}
	first, second := Trash{Root: root, Now: day("2026-11-28")}, Trash{Root: root, Now: day("2026-11-29"), Kept: true}
	put("2026-11-22/a.replay.gz", "four")
	retire(first, "2026-11-22/a.replay.gz")
	put("2026-11-22/a.replay.gz", "again!")
	retire(first, "2026-11-22/a.replay.gz")
	put("2026-11-22/b/b.replay.json", "123")
	put("2026-11-22/b/b.0.part.gz", "12345")
	put("2026-11-22/b/upload/b.1.part.gz", "12")
	retire(second, "2026-11-22/b")
	put(TrashName+"/notes.txt", "not ours")
	want := []Trashed{
		{Path: TrashName + "/2026-11-28/2026-11-22/a.replay.gz", From: "2026-11-22/a.replay.gz", Day: "2026-11-28", Size: 4},
		{Path: TrashName + "/2026-11-28/2026-11-22/a.replay.gz~2", From: "2026-11-22/a.replay.gz", Day: "2026-11-28", Size: 6},
		{Path: TrashName + "/kept/2026-11-29/2026-11-22/b", From: "2026-11-22/b", Day: "2026-11-29", Kept: true, Folder: true, Size: 10},
	}
	got := list()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	enough := errors.New("enough")
	if err := (Trash{Root: root}).List(t.Context(), func(Trashed) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of visit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Trash{Root: root}).List(ctx, func(Trashed) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a list that is not wanted any more: %v", err)
	}
}
