package watcher

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// longAgo sets the time of a day's folder to long ago.
func longAgo(t *testing.T, root, day string) {
	t.Helper()
	when := time.Now().Add(-100 * time.Hour)
	if err := os.Chtimes(filepath.Join(root, day), when, when); err != nil {
		t.Fatal(err)
	}
}

// TestANewcomerInAnOldDayIsFoundAtOnce: a restarted Lion uploads what it kept, and
// a Lion that could not reach the worker uploads days later.
func TestANewcomerInAnOldDayIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const old, older, new = "2023-01-05", "2022-12-31", "2023-01-06"
	for _, day := range []string{old, older} {
		put(t, root, day+"/"+sid+".replay.mp4", "video", 100*time.Hour)
		longAgo(t, root, day)
	}
	r := watch(t, root)
	r.Until("swept", func() bool { return !r.w.Status().LastSweep.IsZero() })
	r.quiet(0)

	put(t, root, old+"/"+sid+".replay.gz", "late", 0)
	if got := r.wait(1); got[0].Path != old+"/"+sid+".replay.gz" || !got[0].HasVideo {
		t.Errorf("%+v", got)
	}
	put(t, root, new+"/"+sid+".replay.gz", "of a day that was not there", 0)
	r.wait(2)

	// A recording in parts is not waited for until the index exists.
	folder := older + "/" + other + "/" + other
	put(t, root, folder+".0.part.gz", "part 0", 0)
	r.quiet(2)
	put(t, root, folder+".replay.json", `{"files":[{"name":"`+other+`.0.part.gz"}]}`, 0)
	if got := r.wait(3); got[2].Path != folder+".replay.json" {
		t.Errorf("%+v", got)
	}
}

// TestOldDaysThatRestAreNotReadAtEveryPoll. Days that changed long ago by our clock
// are not read either, whatever the volume's clock says.
func TestOldDaysThatRestAreNotReadAtEveryPoll(t *testing.T) {
	t.Parallel()
	const quiet, busy, ahead = "2022-12-31", "2023-01-05", "2023-01-06"
	now := time.Now()
	w := &Watcher{RecentDays: 3}
	there := rootList{days: []string{today(), ahead, busy, quiet}, changed: map[string]time.Time{
		today(): now, ahead: now.Add(100 * time.Hour), busy: now.Add(-busyTime / 2), quiet: now.Add(-2 * busyTime),
	}}
	w.notice(there)
	if got := w.recent(there.days); !slices.Equal(got, []string{today(), ahead, busy}) {
		t.Errorf("at first: %v", got)
	}
	for day, c := range w.changes { // an hour passes
		c.noticed = c.noticed.Add(-busyTime)
		w.changes[day] = c
	}
	w.notice(there)
	if got := w.recent(there.days); !slices.Equal(got, []string{today()}) {
		t.Errorf("later: %v", got)
	}
	there.changed[quiet] = now.Add(-2*busyTime + time.Millisecond) // the volume's clock is behind
	there.days = append(there.days, "2022-12-30")
	w.notice(there)
	if got := w.recent(there.days); !slices.Equal(got, []string{today(), quiet, "2022-12-30"}) {
		t.Errorf("after a change: %v", got)
	}
}
