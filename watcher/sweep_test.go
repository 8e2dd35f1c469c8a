package watcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// counted mounts dir as a volume that counts calls.
func counted(t *testing.T, dir string) *volumetest.Volume {
	t.Helper()
	point := filepath.Join(t.TempDir(), "replay")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	v, err := volumetest.MountCounted(dir, point)
	if err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(v.Vanish)
	return v
}

// lists returns how many folders of days were read since the last call.
func lists(v *volumetest.Volume) (n int) {
	for top, calls := range v.Counts() {
		if top != "" {
			n += calls["list"]
		}
	}
	return n
}

// id returns the n-th of many session ids.
func id(n int) string { return fmt.Sprintf("0b9d5f1e-6c1a-4f0e-8f3a-%012d", n) }

// years adds n recordings on days long ago, one per day, each with a video of
// another session.
func years(t *testing.T, root string, n int) {
	t.Helper()
	for i := range n {
		day := time.Date(2023, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		put(t, root, day+"/"+id(i)+".replay.gz", "x", 100*time.Hour)
		put(t, root, day+"/"+id(n+i)+".replay.mp4", "x", 100*time.Hour)
		longAgo(t, root, day)
	}
	time.Sleep(rest) // the folders have settled, too
}

// swept returns a function that reports whether a sweep has been completed since a
// time.
func (r *running) swept(since time.Time) func() bool {
	return func() bool { return r.w.Status().LastSweep.After(since) }
}

func TestDaysThatAreDoneWithAreNotReadAgain(t *testing.T) {
	t.Parallel()
	below, state := t.TempDir(), filepath.Join(t.TempDir(), "volume.json")
	const n = 20
	years(t, below, n)
	v := counted(t, below)
	use := func(w *Watcher) { w.State, w.Sweep = state, 500*time.Millisecond }
	r := watch(t, v.Point(), use)
	r.wait(n)
	r.Until("rest", r.swept(time.Now()))
	v.Counts()
	r.Until("another sweep", r.swept(time.Now()))
	r.Until("another sweep", r.swept(time.Now()))
	r.Stop()
	if got := lists(v); got > 0 {
		t.Errorf("read %d folders in sweeps of %d days that are done with", got, n)
	}
	r.quiet(n)

	// A restart does not read them either, because it knows their state …
	r = watch(t, v.Point(), use)
	began := time.Now()
	r.Until("sweep", r.swept(began))
	if got := lists(v); got > 0 {
		t.Errorf("a restart read %d folders", got)
	}
	want := map[recording.Class]int{recording.ClassOriginal: n, recording.ClassVideo: n}
	if d := cmp.Diff(want, r.w.Status().Names); d != "" {
		t.Error(d)
	}
	// … and what is added to an old day is still found.
	put(t, below, "2023-01-03/"+other+".replay.gz", "new", time.Hour)
	r.Until("the new one", func() bool { return strings.Contains(strings.Join(r.Names(), " "), other) })
	r.Stop()

	// Another queue does not have the recordings that the first one accepted.
	r = watch(t, v.Point(), use, func(w *Watcher) { w.Epoch = "another" })
	r.wait(n + 1)
	r.Stop()
}

func TestAFolderIsReadAgainNowAndThenWhateverItSays(t *testing.T) {
	t.Parallel()
	root, state := t.TempDir(), filepath.Join(t.TempDir(), "volume.json")
	years(t, root, 1)
	r := watch(t, root, func(w *Watcher) {
		w.State, w.Sweep, w.Reread = state, 300*time.Millisecond, 600*time.Millisecond
	})
	r.wait(2) // it is offered again
	r.Stop()
}

func TestASweepGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	below, state := t.TempDir(), filepath.Join(t.TempDir(), "volume.json")
	const n = 40
	years(t, below, n)
	v := counted(t, below)
	slow := func(w *Watcher) { w.State, w.Pace = state, 50*time.Millisecond }
	r := watch(t, v.Point(), slow, func(w *Watcher) { w.Pace = 300 * time.Millisecond })
	r.wait(n / 4)
	r.Stop()
	first := len(r.Names())
	if first == n {
		t.Skip("this machine was too slow to interrupt the sweep")
	}
	r = watch(t, v.Point(), slow)
	r.wait(n - first)
	r.Until("sweep", r.swept(time.Time{}))
	r.quiet(n - first) // the others are not offered again
	r.Stop()
}

func TestABusyPoolStopsTheSweepButNotWhatIsRecent(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const n = maxPending + 200
	for i := range n {
		day := fmt.Sprintf("2023-%02d-%02d", 1+i/28%12, 1+i%28)
		put(t, root, day+"/"+id(i)+".replay.gz", "x", 100*time.Hour)
		longAgo(t, root, day)
	}
	time.Sleep(rest) // the folders have settled, too
	var busy atomic.Bool
	var requests atomic.Int64
	busy.Store(true)
	r := watch(t, root, func(w *Watcher) {
		take := w.Found
		w.Found = func(ctx context.Context, c Candidate) error {
			if !c.Recent && busy.Load() {
				requests.Add(1)
				return ErrBusy
			}
			return take(ctx, c)
		}
	})
	r.Until("a refusal", func() bool { return requests.Load() > 0 })
	put(t, root, today()+"/"+sid+".replay.gz", "new", time.Hour)
	if got := r.wait(1); got[0].Session != sid {
		t.Errorf("%+v", got[0])
	}
	r.quiet(1)
	r.w.mu.Lock()
	known := 0
	for range r.w.waiting() {
		known++
	}
	r.w.mu.Unlock()
	if known > maxPending+60 { // a day has 25
		t.Errorf("the sweep went on to %d recordings", known)
	}
	if s := r.w.Status(); s.Settling != 0 || !s.LastSweep.IsZero() {
		t.Errorf("%+v", s)
	}
	if polls := int64(3 * rest / r.w.Interval); requests.Load() > 4*polls+40 {
		t.Errorf("asked %d times: once for each poll is enough", requests.Load())
	}
	busy.Store(false)
	r.wait(n + 1)
	r.quiet(n + 1)
	r.Stop()
}

func TestARecordingThatLacksAPartIsLookedAtEverMoreRarely(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	folder := "2023-01-05/" + sid + "/" + sid
	put(t, below, folder+".replay.json", `{"files":[{"name":"`+sid+`.0.part.gz"}]}`, 100*time.Hour)
	longAgo(t, below, "2023-01-05")
	v := counted(t, below)
	r := watch(t, v.Point(), func(w *Watcher) { w.Interval = 20 * time.Millisecond })
	r.Until("settling", func() bool { return r.w.Status().Settling == 1 })
	time.Sleep(3 * time.Second) // the pauses become longer
	v.Counts()
	time.Sleep(time.Second) // 50 polls

	if n := v.Counts()["2023-01-05"]["read"]; n > 3 { // of the index
		t.Errorf("it was read %d times in a second", n)
	}
	put(t, below, folder+".0.part.gz", "part 0", time.Hour)
	r.wait(1)
	r.Stop()
}
