package upload

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// pool records what an intake passes on.
type pool struct {
	mu      sync.Mutex
	present [][]string     // guarded by mu
	handed  map[string]int // how often, by session and path; guarded by mu
	refuse  error          // guarded by mu
}

func (p *pool) Present(paths []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.present = append(p.present, paths)
}

func (p *pool) Hand(_ context.Context, session, path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handed == nil {
		p.handed = map[string]int{}
	}
	p.handed[session+" "+path]++
	return p.refuse
}

// times returns how often an upload was passed on.
func (p *pool) times(t Task) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handed[t.Session+" "+t.ID+"/"+t.Files[0].Name]
}

func (p *pool) answer(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = err
}

// last returns the last list of recordings in the spool; nil if there was none.
func (p *pool) last() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.present) == 0 {
		return nil
	}
	return p.present[len(p.present)-1]
}

// newIntake returns an intake that passes uploads on to p.
func newIntake(t *testing.T, s *Spool, p *pool, change ...func(*IntakeOptions)) *Intake {
	t.Helper()
	opt := IntakeOptions{Spool: s, Present: p.Present, Hand: p.Hand, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&opt)
	}
	i, err := NewIntake(opt)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// runs runs an intake until the end of the test.
func runs(t *testing.T, i *Intake) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- i.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func often(o *IntakeOptions)  { o.Interval = 20 * time.Millisecond }
func seldom(o *IntakeOptions) { o.Interval = time.Hour }

// finished is a complete upload.
func finished(t *testing.T, s *Spool) Task {
	t.Helper()
	task := begun(t, s, 1)
	if _, err := s.Store(t.Context(), task.ID, 0, bytes.NewReader([]byte("whole")), anything); err != nil {
		t.Fatal(err)
	}
	if _, done, err := s.Commit(task.ID); !done || err != nil {
		t.Fatal(done, err)
	}
	return task
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestWhatIsCompleteIsHandedOver, and nothing else, as long as it is in the spool,
// whatever the pool returns.
func TestWhatIsCompleteIsHandedOver(t *testing.T) {
	s := &Spool{Dir: t.TempDir(), Keep: time.Hour}
	p := &pool{}
	i := newIntake(t, s, p, often)
	half, whole := begun(t, s, 2), finished(t, s)
	runs(t, i)
	for _, err := range []error{nil, watcher.ErrInWork, errors.New("the queue is away")} {
		p.answer(err)
		n := p.times(whole)
		waittest.Until(t, "handed over again", func() bool { return p.times(whole) > n+1 })
	}
	if d := cmp.Diff([]string{s.Path(whole)}, p.last()); d != "" {
		t.Error("said to be in the spool:", d)
	}
	if p.times(half) > 0 {
		t.Error("an upload that is not complete was handed over")
	}
	if err := s.Release(whole.ID, NeedNothing, Published); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the pool is told that it is gone", func() bool { return len(p.last()) == 0 })
}

// TestAnUploadThatIsAcceptedIsHandedOverAtOnce, and not at the next look.
func TestAnUploadThatIsAcceptedIsHandedOverAtOnce(t *testing.T) {
	s := &Spool{Dir: t.TempDir(), Keep: time.Hour}
	p := &pool{}
	i := newIntake(t, s, p, seldom)
	runs(t, i)
	waittest.Until(t, "the first look", func() bool { return p.last() != nil })
	task := finished(t, s)
	i.Accepted(task)
	waittest.Until(t, "handed over", func() bool { return p.times(task) == 1 })
}

// TestAnIntakeDropsWhatIsOld when it starts, and again after a while.
func TestAnIntakeDropsWhatIsOld(t *testing.T) {
	s := &Spool{Dir: t.TempDir(), Keep: time.Hour}
	i := newIntake(t, s, &pool{}, often, func(o *IntakeOptions) { o.Expire = 30 * time.Millisecond })
	runs(t, i)
	recent := begun(t, s, 1)
	for range 2 {
		task := begun(t, s, 1)
		ago := time.Now().Add(-2 * time.Hour)
		for _, path := range []string{filepath.Join(s.folder(task.ID), taskFile), s.folder(task.ID)} {
			if err := os.Chtimes(path, ago, ago); err != nil {
				t.Fatal(err)
			}
		}
		waittest.Until(t, "dropped", func() bool { return !exists(s.folder(task.ID)) })
	}
	if !exists(s.folder(recent.ID)) {
		t.Error("an upload that has just begun was dropped")
	}
}

// TestAnIntakeTidiesUp: an agent deletes what it began before it started. It does
// so at once in a spool of its own, and in a shared spool as soon as that is
// available.
func TestAnIntakeTidiesUp(t *testing.T) {
	for name, agent := range map[string]string{"its own": "", "shared": "a"} {
		t.Run(name, func(t *testing.T) {
			s := &Spool{Dir: filepath.Join(t.TempDir(), "spool"), Agent: agent, Keep: time.Hour}
			if err := os.Mkdir(s.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			broken, whole := begun(t, s, 2), finished(t, s)
			away := s.Dir + "-away"
			if agent != "" { // the network file system is not mounted, and there is a file instead
				if err := errors.Join(os.Rename(s.Dir, away), os.WriteFile(s.Dir, nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			i := newIntake(t, s, &pool{}, often)
			if agent != "" {
				runs(t, i)
				time.Sleep(50 * time.Millisecond) // some polls
				// Atomically: the intake may look at any moment.
				if err := unix.Renameat2(unix.AT_FDCWD, away, unix.AT_FDCWD, s.Dir, unix.RENAME_EXCHANGE); err != nil {
					t.Fatal(err)
				}
				waittest.Until(t, "dropped", func() bool { return !exists(s.folder(broken.ID)) })
			}
			if exists(s.folder(broken.ID)) || !exists(s.folder(whole.ID)) {
				t.Error("what broke off is dropped, and nothing else")
			}
		})
	}
}

// TestASpoolThatCannotBeMadeIsAnErrorAtOnce if it is on this host.
func TestASpoolThatCannotBeMadeIsAnErrorAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spool")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &pool{}
	_, err := NewIntake(IntakeOptions{Spool: &Spool{Dir: file}, Present: p.Present, Hand: p.Hand, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "spool of uploads") {
		t.Error(err)
	}
}

// TestRoomIsToldInTime, also if the spool's disk hangs or is full. Callers that ask
// while it is known to hang do not wait again.
func TestRoomIsToldInTime(t *testing.T) {
	w, disk, _ := newFaultyWorker(t)
	s := &Spool{Dir: filepath.Join(w.api.Spool.Dir, "spool")} // below the mount, so that access hangs
	const patience = 300 * time.Millisecond
	i := newIntake(t, s, &pool{}, func(o *IntakeOptions) { o.Patience = patience })
	if err := i.Room(); err != nil {
		t.Error(err)
	}
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open)
	disk.Set(volumetest.Fault{Op: "stat", Hang: gate})
	for n := range 3 {
		began := time.Now()
		err := i.Room()
		if err == nil || !strings.Contains(err.Error(), "does not respond") {
			t.Errorf("while it hangs: %v", err)
		}
		if took := time.Since(began); n == 0 && took < patience || n > 0 && took > patience {
			t.Errorf("who asks as number %d waits for %s", n+1, took)
		}
	}
	disk.Set()
	open()
	waittest.Until(t, "room again", func() bool { return i.Room() == nil })
	s.Reserve = 1 << 60
	if err := i.Room(); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// TestReleasedUploadsAreKeptOrGo, depending on the spool's settings; Release may be
// called twice.
func TestReleasedUploadsAreKeptOrGo(t *testing.T) {
	for _, tc := range []struct {
		drop  bool
		need  Need
		place string // relative to the spool; "" = nowhere
	}{
		{false, NeedUnknown, "done"}, {false, NeedNothing, "done"}, {false, NeedContent, "kept"},
		{true, NeedUnknown, "done"}, {true, NeedNothing, ""}, {true, NeedContent, "kept"},
	} {
		s := &Spool{Dir: t.TempDir(), Keep: time.Hour, DropStored: tc.drop}
		task := finished(t, s)
		for range 2 {
			if err := s.Release(task.ID, tc.need, Published); err != nil {
				t.Errorf("%+v: %v", tc, err)
			}
		}
		for _, place := range []string{".", "done", "kept"} {
			if got := exists(filepath.Join(s.Dir, place, task.ID)); got != (place == tc.place) {
				t.Errorf("%+v: in %s: %v", tc, place, got)
			}
		}
		if _, err := s.Expire(time.Now().AddDate(10, 0, 0)); err != nil {
			t.Error(err)
		}
		if exists(filepath.Join(s.Dir, "kept", task.ID)) != (tc.place == "kept") {
			t.Errorf("%+v: what was kept for good has expired", tc)
		}
	}
}

// TestAnAgentHasOneName as long as it has its data folder, also if the stored name
// cannot be read.
func TestAnAgentHasOneName(t *testing.T) {
	dir := t.TempDir()
	name := func() string {
		id, err := AgentID(dir)
		if err != nil || !isID(id) {
			t.Fatalf("%q, %v", id, err)
		}
		return id
	}
	first := name()
	if again := name(); again != first {
		t.Errorf("%s, and then %s", first, again)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent-id"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other := name(); other == first || other != name() {
		t.Errorf("after its name was lost: %s", other)
	}
	if _, err := AgentID(filepath.Join(dir, "missing")); err == nil {
		t.Error("a name that cannot be kept")
	}
}
