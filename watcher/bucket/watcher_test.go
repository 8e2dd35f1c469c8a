package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/s3"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/watchertest"
)

func connect(t *testing.T, server *storagetest.Server, at *url.URL) storage.Storage {
	t.Helper()
	s, err := s3.Open(storage.Config{
		Kind: storage.KindS3, Bucket: server.Bucket, Endpoint: at, AccessKey: server.Access, SecretKey: storage.Secret(server.Secret),
	}, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t *testing.T) storage.Storage {
	t.Helper()
	server := storagetest.S3(t)
	return connect(t, server, server.URL)
}

// id returns the id of session n.
func id(n int) string { return fmt.Sprintf("0b9d5f1e-6c1a-4f0e-8f3a-%012d", n) }

func ago(days int) string { return time.Now().UTC().AddDate(0, 0, -days).Format(time.DateOnly) }

func put(t *testing.T, s storage.Storage, key, text string) {
	t.Helper()
	if err := s.Put(t.Context(), key, storagetest.Body(text)); err != nil {
		t.Fatal(err)
	}
}

// running is a watcher that runs in a test.
type running struct {
	*watchertest.Offers[Candidate]
	w *Watcher
}

func watch(t *testing.T, s storage.Storage, change ...func(*running)) *running {
	t.Helper()
	r := &running{}
	r.Offers = watchertest.New(t, func(c Candidate) string { return c.Key }, func() any { return r.w.Status() })
	r.w = &Watcher{Storage: s, Interval: 100 * time.Millisecond, Settle: time.Nanosecond, MaxRequests: 1 << 30, Found: r.Found}
	for _, f := range change {
		f(r)
	}
	r.Run(r.w.Run)
	return r
}

func (r *running) swept() {
	r.Until("a sweep", func() bool { return !r.w.Status().LastSweep.IsZero() })
}

// polls waits until the recent days have been listed n more times.
func (r *running) polls(n int) {
	for range n {
		last := r.w.Status().LastPoll
		r.Until("a poll", func() bool { return r.w.Status().LastPoll.After(last) })
	}
}

func TestFindsWhatHasNoVideoNewestFirst(t *testing.T) {
	s := start(t)
	parts := ago(3) + "/" + id(3) + "/" + id(3)
	for key, text := range map[string]string{
		ago(300) + "/" + id(1) + ".replay.gz":                           "old",
		ago(0) + "/" + id(2) + ".replay.gz":                             "new",
		ago(0) + "/" + id(2) + ".replay.mp4":                            "a video that the original shadows",
		parts + ".replay.json":                                          "{}",
		parts + ".0.part.gz":                                            "p0",
		parts + ".1.part.gz":                                            "p1",
		ago(3) + "/" + id(4) + "/" + id(4) + ".0.part.gz":               "no index yet",
		ago(3) + "/" + id(5) + "/" + id(5) + ".replay.json":             "layout B",
		ago(3) + "/" + id(5) + "/" + id(5) + ".0.part.mp4":              "layout B",
		ago(3) + "/" + id(6) + ".replay.mp4":                            "done",
		ago(3) + "/" + id(7) + ".cast.gz":                               "terminal",
		ago(3) + "/notes.txt":                                           "foreign",
		"2024-99-99/" + id(8) + ".replay.gz":                            "no day",
		".jumpserver-video-trash/2024-01-01/2023-01-01/x.replay.gz":     "retired",
		"backup/" + ago(0) + "/" + id(9) + ".replay.gz":                 "foreign",
		ago(0) + "/" + id(10) + ".replay.gz.old":                        "foreign",
		ago(0) + "/" + strings.ToUpper(id(11)[:8]) + id(11)[8:] + ".gz": "foreign",
	} {
		put(t, s, key, text)
	}
	r := watch(t, s)
	r.swept()
	r.polls(2)
	if d := cmp.Diff([]string{ago(0) + "/" + id(2) + ".replay.gz", parts + ".replay.json", ago(300) + "/" + id(1) + ".replay.gz"}, r.Names()); d != "" {
		t.Error(d)
	}
	if c := r.All()[0]; !c.HasVideo || c.Session != id(2) || c.Date != ago(0) || c.Size != 3 || c.ModTime.IsZero() {
		t.Errorf("%+v", c)
	}
	if c := r.All()[1]; c.HasVideo || c.Size != 6 || len(c.Objects) != 3 || c.Objects[0].Key != c.Key {
		t.Errorf("%+v", c)
	}
}

func TestFindsWhatComesAndChanges(t *testing.T) {
	s := start(t)
	r := watch(t, s, func(r *running) { r.w.Settle = 1500 * time.Millisecond })
	r.swept()
	key := ago(1) + "/" + id(1) + ".replay.gz"
	put(t, s, key, "one")
	r.polls(2)
	if got := r.Names(); len(got) != 0 {
		t.Errorf("before it had rested: %v", got)
	}
	r.Until("the recording", func() bool { return len(r.Names()) == 1 })
	put(t, s, key, "two, which is longer")
	r.Until("the changed recording", func() bool { return len(r.Names()) == 2 })
	r.polls(2)
	if len(r.All()) != 2 || r.All()[1].Size != 20 {
		t.Errorf("%+v", r.All())
	}
}

func TestRefusedRecordingsAreKeptInMemory(t *testing.T) {
	s := start(t)
	for i := range 3 {
		put(t, s, ago(50)+"/"+id(i)+".replay.gz", "x")
	}
	r := watch(t, s, func(r *running) { r.Refuse(errors.New("core is away")) })
	r.swept()
	if n := r.w.Status().Waiting; n != 3 {
		t.Errorf("%d wait", n)
	}
	r.Refuse(nil)
	r.Until("all", func() bool { return len(r.Names()) == 3 })
	r.polls(2)
	if r.w.Status().Waiting != 0 || len(r.Names()) != 3 {
		t.Errorf("%v, %+v", r.Names(), r.w.Status())
	}
}

// While no more recordings are accepted, the sweep stops; it continues later.
func TestABusyPoolStopsTheSweep(t *testing.T) {
	s := start(t)
	for i := range 5 {
		put(t, s, ago(50+i)+"/"+id(i)+".replay.gz", "x")
	}
	r := watch(t, s, func(r *running) { r.Refuse(watcher.ErrBusy) })
	r.polls(3)
	if st := r.w.Status(); st.Sweeping != ago(50) || st.Waiting != 0 || !st.LastSweep.IsZero() || !st.Available {
		t.Errorf("%+v", st)
	}
	r.Refuse(nil)
	r.swept()
	if n := len(r.Names()); n != 5 {
		t.Errorf("%d offered", n)
	}
}

// TestCost: nothing is listed more often than necessary.
func TestCost(t *testing.T) {
	server := storagetest.S3(t)
	front := storagetest.NewFront(t, server.URL)
	direct := connect(t, server, server.URL)
	for day := range 30 {
		put(t, direct, ago(day)+"/"+id(day)+".replay.gz", "x")
	}
	s := connect(t, server, front.URL)
	r := watch(t, s, func(r *running) { r.w.Interval, r.w.KeepDays = time.Hour, 20 })
	r.swept()
	// One request for the folders and one for each of 21 days.
	if got := r.w.Status().SweepCost; got.Requests != 22 || got.Sent != 0 || got.Received == 0 {
		t.Errorf("%+v", got)
	}
	if n := len(front.Requests()); n != 24 {
		t.Errorf("%d requests", n)
	}
	for _, r := range front.Requests() {
		if !strings.HasPrefix(r, "GET /"+server.Bucket+"/?") {
			t.Errorf("%s", r)
		}
	}
	if n := len(r.Names()); n != 21 {
		t.Errorf("%d offered", n)
	}
}

func TestRequestsAreSpreadOut(t *testing.T) {
	s := start(t)
	for day := range 30 {
		put(t, s, ago(day)+"/"+id(day)+".replay.gz", "x")
	}
	used := s.Usage()
	r := watch(t, s, func(r *running) { r.w.MaxRequests = 36_000 }) // ten per second

	time.Sleep(1500 * time.Millisecond) // about 15 requests
	if n := s.Usage().Sub(used).Requests; n < 5 || n > 17 {
		t.Errorf("%d requests in 1.5 s", n)
	}
	r.Stop()
}

// An interrupted sweep continues where it was, also within a day of several pages.
func TestASweepIsResumed(t *testing.T) {
	server := storagetest.S3(t)
	direct := connect(t, server, server.URL)
	const many = 1100 // more than a page
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for n := worker; n < many; n += 8 {
				if err := direct.Put(t.Context(), ago(10)+"/"+id(n)+".replay.gz", storagetest.Body("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	put(t, direct, ago(5)+"/"+id(1)+".replay.gz", "x")
	put(t, direct, ago(20)+"/"+id(1)+".replay.gz", "x")
	state := filepath.Join(t.TempDir(), "position")
	front := storagetest.NewFront(t, server.URL)
	first := watch(t, connect(t, server, front.URL), func(r *running) {
		r.w.State = state
		r.w.Found = func(ctx context.Context, c Candidate) error {
			if c.Session == id(1050) { // on the second page
				return watcher.ErrBusy
			}
			return r.Found(ctx, c)
		}
	})
	first.Until("the second page", func() bool { return len(first.Names()) >= 1051 })
	first.Stop()

	before := len(front.Requests())
	second := watch(t, connect(t, server, front.URL), func(r *running) { r.w.State, r.w.Interval = state, time.Hour })
	second.swept()
	seen := map[string]bool{}
	for _, key := range append(first.Names(), second.Names()...) {
		seen[key] = true
	}
	if len(seen) != many+2 {
		t.Errorf("%d recordings of %d", len(seen), many+2)
	}
	if n := len(second.Names()); n > 110 {
		t.Errorf("%d offered again", n)
	}
	for _, r := range front.Requests()[before:] {
		if strings.Contains(r, ago(5)) {
			t.Errorf("listed again: %s", r)
		}
	}
	// The cost is the same as without the interruption.
	swept := 0
	for _, r := range front.Requests() {
		if !strings.Contains(r, ago(0)) && !strings.Contains(r, ago(1)) {
			swept++
		}
	}
	if got := second.w.Status().SweepCost.Requests; int(got) != swept || got < 6 {
		t.Errorf("told %d of %d requests", got, swept)
	}
	// A third watcher finds that no sweep is due.
	third := watch(t, connect(t, server, front.URL), func(r *running) { r.w.State = state })
	third.polls(3)
	if got := third.Names(); len(got) != 0 {
		t.Errorf("%d offered", len(got))
	}
	if got := third.w.Status().SweepCost; got != second.w.Status().SweepCost {
		t.Errorf("a restart forgets what the last sweep cost: %+v", got)
	}
}

func TestAStorageThatIsAway(t *testing.T) {
	server := storagetest.S3(t)
	front := storagetest.NewFront(t, server.URL)
	put(t, connect(t, server, server.URL), ago(0)+"/"+id(1)+".replay.gz", "x")
	front.Spoil(allDenied)
	r := watch(t, connect(t, server, front.URL))
	r.Until("the reason", func() bool { return strings.Contains(r.w.Status().Reason, "does not allow") })
	time.Sleep(time.Second) // the pauses grow: 0.1, 0.2, 0.4 …
	if n := len(front.Requests()); n > 6 {
		t.Errorf("%d requests", n)
	}
	front.Spoil(nil)
	r.Until("the recording", func() bool { return len(r.Names()) == 1 && r.w.Status().Available })
}

func TestFetch(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	folder := ago(3) + "/" + id(3) + "/" + id(3)
	put(t, s, folder+".replay.json", `{"files":[{"name":"`+id(3)+`.0.part.gz"},{"name":"`+id(3)+`.1.part.gz"}]}`)
	put(t, s, folder+".0.part.gz", "4.size,1.0,3.800,3.600;")
	r := watch(t, s)
	r.Until("it", func() bool { return len(r.Names()) == 1 })
	var missing *recording.MissingPartError
	if _, err := Fetch(t.Context(), r.All()[0], dir, 0); !errors.As(err, &missing) {
		t.Error(err)
	}
	r.Stop()
	put(t, s, folder+".1.part.gz", "4.size,1.0,3.800,3.600;")
	r = watch(t, s)
	r.Until("it", func() bool { return len(r.Names()) == 1 })
	for range 2 {
		used := s.Usage()
		path, err := Fetch(t.Context(), r.All()[0], dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := recording.Open(path)
		if err != nil || rec.Date != ago(3) || rec.Session != "" && rec.Session != id(3) || len(rec.Parts) != 2 || rec.Size != r.All()[0].Size {
			t.Errorf("%+v, %v", rec, err)
		}
		t.Logf("%+v", s.Usage().Sub(used))
	}
	used := s.Usage()
	if _, err := Fetch(t.Context(), r.All()[0], dir, 0); err != nil || s.Usage() != used {
		t.Errorf("%v: downloaded again", err)
	}
	other := t.TempDir()
	if _, err := Fetch(t.Context(), r.All()[0], other, 1<<60); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(other, "*", "*", "*")); len(files) != 0 {
		t.Error(files)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}
