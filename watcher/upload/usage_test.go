package upload

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTheSpoolIsMeasured: by place, and what is complete is read once.
func TestTheSpoolIsMeasured(t *testing.T) {
	s := &Spool{Dir: filepath.Join(t.TempDir(), "spool"), Keep: time.Hour, KeepOld: time.Hour}
	m := &Meter{Spool: s}
	if got, err := m.Measure(t.Context()); err == nil {
		t.Errorf("there is no spool yet: %v", got)
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	is := func(want map[Place]Usage) {
		t.Helper()
		got, err := m.Measure(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	size := func(place string) int64 {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(s.Dir, place, "*"))
		if err != nil {
			t.Fatal(err)
		}
		var size int64
		for _, file := range files {
			st, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			size += st.Size()
		}
		return size
	}
	is(map[Place]Usage{})
	half, one, other := begun(t, s, 2), finished(t, s), finished(t, s)
	each := size(one.ID)
	is(map[Place]Usage{PlaceUnfinished: {1, size(half.ID)}, PlaceWaiting: {2, each + size(other.ID)}})

	if _, err := s.Store(t.Context(), half.ID, 0, bytes.NewReader(make([]byte, 10_000)), anything); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(one.ID, NeedNothing, Published); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(other.ID, NeedContent, Published); err != nil {
		t.Fatal(err)
	}
	inKept := size("kept/" + other.ID)
	want := map[Place]Usage{PlaceUnfinished: {1, size(half.ID)}, PlaceDone: {1, size("done/" + one.ID)}, PlaceKept: {1, inKept}}
	if want[PlaceUnfinished].Bytes < 10_000 {
		t.Fatal(want)
	}
	is(want)
	file := filepath.Join(s.Dir, "kept", other.ID, other.Files[0].Name)
	if err := os.Truncate(file, 1); err != nil { // nobody does that
		t.Fatal(err)
	}
	is(want) // it was not read again

	if _, err := s.Expire(time.Now().Add(2 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	is(map[Place]Usage{PlaceKept: {1, inKept}})
	if len(m.sizes) != 1 {
		t.Errorf("uploads that no longer exist are remembered: %v", m.sizes)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := m.Measure(ctx); err == nil {
		t.Errorf("after the agent has stopped: %v", got)
	}
}
