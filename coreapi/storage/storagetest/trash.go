package storagetest

import (
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
