package storagetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

func testTrash(t *testing.T, s storage.Storage, _ Opener) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	trash := storage.Trash{Storage: s, Now: func() time.Time { return now }}
	put(t, s, Gz, "original")
	put(t, s, Part0, "part")
	to, err := trash.Retire(t.Context(), Gz)
	if err != nil || !storage.InTrash(to) {
		t.Fatal(to, err)
	}
	now = now.AddDate(0, 0, 3)
	if again, err := trash.Retire(t.Context(), Gz); err != nil || again != "" { // after a crash, days later
		t.Error(again, err)
	}
	part, err := trash.Retire(t.Context(), Part0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after, count int
		left         []string
	}{{0, 0, []string{to, part}}, {4, 0, []string{to, part}}, {5, 1, []string{part}}, {5, 0, []string{part}}, {30, 1, nil}} {
		now = time.Date(2024, 5, 4+tt.after, 12, 0, 0, 0, time.UTC)
		n, bytes, err := trash.Expire(t.Context(), 7)
		if err != nil || n != tt.count || (n > 0) != (bytes > 0) {
			t.Errorf("after %d days: %d, %d bytes, %v", tt.after, n, bytes, err)
		}
		if d := cmp.Diff(tt.left, keys(t, s, storage.Query{})); d != "" {
			t.Errorf("after %d days: %s", tt.after, d)
		}
	}
}

func testRestore(t *testing.T, s storage.Storage, _ Opener) {
	trash := storage.Trash{Storage: s, Now: func() time.Time { return time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC) }}
	kept := trash
	kept.Kept = true
	put(t, s, Gz, "original")
	put(t, s, Part0, "part")
	gz, err := trash.Retire(t.Context(), Gz)
	if err != nil {
		t.Fatal(err)
	}
	part, err := kept.Retire(t.Context(), Part0)
	if err != nil {
		t.Fatal(err)
	}
	list := func() map[string]storage.Trashed {
		t.Helper()
		all := map[string]storage.Trashed{}
		if err := trash.List(t.Context(), func(i storage.Trashed) error { all[i.Key] = i; return nil }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for key, want := range map[string]storage.Trashed{
		gz: {From: Gz, Day: "2024-05-01", Object: storage.Object{Size: 8}}, part: {From: Part0, Day: "2024-05-01", Kept: true, Object: storage.Object{Size: 4}},
	} {
		if got := list()[key]; got.From != want.From || got.Day != want.Day || got.Kept != want.Kept || got.Size != want.Size {
			t.Errorf("%s: %+v, not %+v", key, got, want)
		}
	}
	enough := errors.New("enough")
	if err := trash.List(t.Context(), func(storage.Trashed) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of visit: %v", err)
	}
	for range 2 { // and once more after a crash
		if from, err := trash.Restore(t.Context(), gz); err != nil || from != Gz {
			t.Fatal(from, err)
		}
	}
	if d := cmp.Diff([]string{part, Gz}, keys(t, s, storage.Query{})); d != "" {
		t.Error(d)
	}
	put(t, s, Part0, "another part")
	if _, err := trash.Restore(t.Context(), part); !errors.Is(err, storage.ErrTaken) {
		t.Errorf("over another object: %v", err)
	}
	if o, err := s.Stat(t.Context(), Part0); err != nil || o.Size != 12 || len(list()) != 1 {
		t.Errorf("%+v, %v, %v", o, err, list())
	}
	for _, key := range []string{Gz, ".jumpserver-video-trash/" + Gz[:4], "2024-05-01/" + Gz} {
		if _, err := trash.Restore(t.Context(), key); err == nil {
			t.Errorf("%s was restored", key)
		}
	}
	if _, err := trash.Restore(t.Context(), ".jumpserver-video-trash/2024-05-01/2024-04-01/none.replay.gz"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}
