package statuspage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/report"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/savings"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi/tasktest"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

var quiet = slog.New(slog.DiscardHandler)

// fixture is an agent's HTTP server with a real queue and simulated values.
type fixture struct {
	queue  *queue.Queue
	server *httptest.Server
	page   *Server
	steers *steering.Steering
	api    *taskapi.Server
	second *queue.Lease // the lease of the task that is verifying

	mu      sync.Mutex
	core    coreapi.State
	volume  watcher.Status
	storage Storage
	trouble error // of the storage
	uploads error
	work    health.Work // the state of the tasks for the page's pill
	cpu     throttle.Status
}

const token = "correct-horse-battery"

func newFixture(t *testing.T, token string) *fixture {
	t.Helper()
	l, tasks := newFixtureOf(t, token, nil)
	l.seed(t, tasks)
	return l
}

// newFixtureOf returns a fixture whose queue contains only these tasks, and the folder of
// their logs.
func newFixtureOf(t *testing.T, token string, stock []queue.Task) (_ *fixture, logs string) {
	t.Helper()
	dir := t.TempDir()
	if stock != nil {
		if err := tasktest.Stock(t.Context(), filepath.Join(dir, "queue"), stock); err != nil {
			t.Fatal(err)
		}
	}
	q, err := queue.Open(t.Context(), queue.Options{Dir: filepath.Join(dir, "queue"), Owner: "worker-1:9000"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	account, err := savings.Open(filepath.Join(dir, "savings.json"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	l := &fixture{queue: q, cpu: usage(now),
		storage: Storage{Place: "s3 bucket replays at minio.example:9000", LastPoll: Some(now.Add(-4 * time.Minute)), LastSweep: Some(now.Add(-7 * time.Hour))},
		core:    coreapi.State{Name: "[VIDEO]-worker-1", Registered: true, Online: true, LastBeat: now.Add(-12 * time.Second)},
		volume: watcher.Status{Available: true, Since: now.Add(-time.Hour), Mode: watcher.ModePoll, LastPoll: now.Add(-5 * time.Second),
			LastSweep: now.Add(-3 * time.Hour), Names: map[recording.Class]int{recording.ClassVideo: 1204, recording.ClassOriginal: 132}},
	}
	for i := range 24 {
		n := int64(i%7+1) * int64(i%3+1)
		account.Add(now.AddDate(0, 0, -i-i/5), n*9e9, n*1e9, time.Hour)
	}
	access := taskapi.NewAccess(token, quiet)
	l.page = &Server{
		Version: "v1.2.3 (abcdef0, 2026-11-22)", Access: access, CoreURL: "http://core.example:8080", Keep: i18n.T("page.keep_trash", "n", 7),
		Public: "https://jumpserver.example", Tasks: q.Newest, View: task.ViewOf,
		Settling: func() []task.View { return nil },
		Core:     func() coreapi.State { l.mu.Lock(); defer l.mu.Unlock(); return l.core },
		Volume:   func() watcher.Status { l.mu.Lock(); defer l.mu.Unlock(); return l.volume },
		Storage:  func() Storage { l.mu.Lock(); defer l.mu.Unlock(); return l.storage },
		Health:   l.conditions,
		CPU:      func() throttle.Status { l.mu.Lock(); defer l.mu.Unlock(); return l.cpu },
		Disks: map[string]func() health.Space{
			"data":   func() health.Space { return health.Space{Total: 500e9, Free: 321e9, At: time.Now()} },
			"replay": func() health.Space { return health.Space{Total: 8e12, Free: 2.4e12, At: time.Now()} },
		},
		Savings: account, Log: quiet,
	}
	configured := steering.Status{ConfiguredCPUTarget: 80, ConfiguredWorkers: 3, MaxWorkers: 16}
	l.steers, err = steering.Open(filepath.Join(dir, "steering.json"), configured, func(s steering.Settings) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.cpu.Paused = s.Paused != nil
	}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	l.page.Steering = l.steers.Status
	mux := http.NewServeMux()
	l.page.Register(mux)
	tasks := filepath.Join(dir, "tasks")
	l.api = &taskapi.Server{Queue: q, TasksDir: tasks, Steering: l.steers, Trash: trash{q}, Access: access, Log: quiet}
	mux.Handle(taskapi.Prefix+"/", l.api.Handler())
	mux.Handle("GET "+report.Path, access.Guard(&report.Maker{Tasks: q.Newest, View: task.ViewOf, Sessions: l.sessions}))
	l.server = httptest.NewServer(mux)
	t.Cleanup(l.server.Close)
	return l, tasks
}

// trash contains the originals of all done tasks.
type trash struct{ queue *queue.Queue }

func (t trash) InTrash(context.Context, string) ([]task.Trashed, error) { return nil, nil }

func (t trash) Restore(ctx context.Context, session, by string) ([]task.Trashed, error) {
	return []task.Trashed{{Session: session}}, t.queue.Leave(ctx, queue.Task{ID: session, Reason: task.ClassRestored, Error: "restored for " + by})
}

// sessions returns core's sessions of today: those of the fixture's tasks that ended, one
// that is active, and one without a recording.
func (l *fixture) sessions(ctx context.Context, q coreapi.SessionQuery) (coreapi.SessionPage, error) {
	tasks, err := l.queue.Newest(ctx)
	if err != nil || q.Offset > 0 {
		return coreapi.SessionPage{}, err
	}
	page := coreapi.SessionPage{Sessions: []coreapi.Session{
		{ID: "ffffffff-0000-4000-8000-000000000001", Protocol: "rdp", DateStart: q.From},
		{ID: "ffffffff-0000-4000-8000-000000000002", Protocol: "rdp", DateStart: q.From, IsFinished: true, User: "李雷(lilei)", Asset: "财务服务器(10.3.4.9)"},
	}}
	for _, t := range tasks {
		if t.State.Final() && t.Reason != task.ClassKind {
			page.Sessions = append(page.Sessions, coreapi.Session{ID: t.ID, Protocol: "rdp", DateStart: q.From.Add(time.Hour), DateEnd: q.From.Add(2 * time.Hour),
				IsFinished: true, User: "Петрова Анна(petrova)", Asset: "Бухгалтерия(10.3.4.8)"})
		}
	}
	return page, nil
}

// conditions returns the conditions of the fixture's parts.
func (l *fixture) conditions() health.Conditions {
	l.mu.Lock()
	defer l.mu.Unlock()
	fine := func() error { return nil }
	return health.Sources{
		Core: func() coreapi.State { return l.core }, Queue: fine, Volume: func() watcher.Status { return l.volume },
		Storage: func() error { return l.trouble }, Takes: fine, Spool: func() error { return l.uploads }, FFmpeg: fine,
		Tasks: func() health.Work { return l.work },
		Paused: func() error {
			if l.cpu.Paused {
				return errors.New("by somebody")
			}
			return nil
		},
	}.Conditions()
}

// usage is one hour in which other processes used the CPU for some time.
func usage(now time.Time) throttle.Status {
	u := throttle.Status{Target: 80, Cores: 4, Quota: 4, Speed: .8, Inside: true, Budget: 55, Ours: 48, Others: 21}
	for i := range 360 {
		others := 12 + float64(i%9)
		if i > 150 && i < 240 {
			others = 50 + float64(i%11)
		}
		budget := max(0, 80-others)
		u.History = append(u.History, throttle.Point{
			At: now.Add(time.Duration(i-360) * 10 * time.Second), Others: others, Budget: budget, Ours: max(3, budget-4-float64(i%5)),
		})
	}
	return u
}

// Ids of sessions of the fixture.
const (
	working   = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e70"
	verifying = "1c8e4a2d-7b3f-4d1c-9e5a-3f2b1c0d9e81"
	failed    = "5f946840-ca17-47b4-9b3a-67b7ba28ad0f"
)

// seed fills the queue: two tasks are in progress, some wait, some have ended.
func (l *fixture) seed(t *testing.T, tasks string) {
	t.Helper()
	fill := func(id string, size int64, change func(*queue.Task)) {
		lease := l.take(t, id, size)
		if change == nil {
			return
		}
		if err := lease.Release(change); err != nil {
			t.Fatal(err)
		}
	}
	fill(working, 412e6, nil)
	l.second = l.lease(t, verifying, 28e6, func(item *queue.Task) {
		item.State, item.Data = queue.StateVerifying, journal(task.Journal{Session: names(0)})
	})
	for i, class := range []queue.Class{task.ClassVerify, task.ClassVerify, task.ClassDiskFull, task.ClassKind, task.ClassKind} {
		id := []string{failed, "6a057951-db28-48c5-8c4b-78c8cb39be1a", "7b168a62-ec39-49d6-9d5c-89d9dc4acf2b", "8c279b73-fd4a-4ae7-8e6d-9aeaed5bd03c", "9d38ac84-0e5b-4bf8-9f7e-abfbfe6ce14d"}[i]
		fill(id, 9e6, func(item *queue.Task) {
			item.Data = journal(task.Journal{Session: names(i)})
			item.Reason, item.Error = class, "frame 812 is not what was drawn: SSIM 0.41"
			switch class {
			case task.ClassDiskFull:
				item.State, item.Error, item.Next, item.Attempt = queue.StateRetrying, "no space left on device", time.Now().Add(4*time.Minute), 3
			case task.ClassKind:
				item.State, item.Error = queue.StateSkipped, "a koko JSON recording"
			default:
				item.State, item.Attempt = queue.StateFailed, 5
			}
		})
	}
	for i := range 6 {
		id := scattered(i + 50)
		fill(id, 31e6+int64(i)*7e6, func(item *queue.Task) {
			item.State, item.Progress = queue.StateDone, 1
			item.Data = journal(task.Journal{Session: names(i), RenderSeconds: 41, Retired: []string{".jumpserver-video-trash/2026-11-22/2026-11-21/" + id + ".replay.gz"}, Video: &task.VideoFacts{
				Size: 3e6 + int64(i)*4e5, Frames: 2210, DurationMS: 273000, Width: 1920, Height: 1080,
			}})
		})
	}
	for i := range 20 {
		l.submit(t, scattered(i), int64(20+i)*1e6)
	}
	all, err := l.queue.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := "2026-11-22 10:00:00 INF rendering size_mb=9 width=1280 height=800\n2026-11-22 10:00:41 ERR failed; <b>the original</b> stays where it is reason=verification\n"
	for _, item := range all {
		if item.ID == working {
			continue // has no log, as if another agent had the task
		}
		if err := os.MkdirAll(filepath.Join(tasks, item.ID), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tasks, item.ID, "task.log"), []byte(log), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// scattered returns ids that differ in their first characters, like real ones.
func scattered(i int) string {
	return fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(i+1)*2654435761, i, i)
}

// names returns the names of a session of the fixture.
func names(i int) *task.Session {
	start := time.Now().Add(-3 * time.Hour)
	end := start.Add(73 * time.Minute)
	return &task.Session{
		User:    []string{"Ivanov(ivanov)", "李雷(lilei)", "Петрова Анна(petrova)"}[i%3],
		Asset:   []string{"accounting-01(10.3.4.7)", "财务服务器(10.3.4.9)", "Бухгалтерия(10.3.4.8)"}[i%3],
		Account: "administrator", Protocol: "rdp", Start: start, End: &end,
	}
}

func (l *fixture) submit(t *testing.T, id string, size int64) {
	t.Helper()
	source := task.Source{Path: "2026-11-22/" + id + ".replay.gz", Size: size, ModTime: time.Now().Add(-time.Hour)}
	_, _, err := l.queue.Submit(t.Context(), queue.Task{ID: id, Source: journal(source), Fingerprint: source.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
}

// take submits a task and leases it. Its rendering is at 37 %.
func (l *fixture) take(t *testing.T, id string, size int64) *queue.Lease {
	t.Helper()
	return l.lease(t, id, size, func(item *queue.Task) { item.State = queue.StateRendering })
}

func (l *fixture) lease(t *testing.T, id string, size int64, change func(*queue.Task)) *queue.Lease {
	t.Helper()
	l.submit(t, id, size)
	lease, err := l.queue.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lease.Task().ID != id {
		t.Fatalf("leased %s, not %s", lease.Task().ID, id)
	}
	if err := lease.Update(change); err != nil {
		t.Fatal(err)
	}
	if lease.Task().State == queue.StateRendering || lease.Task().State == queue.StateUploading {
		lease.Progress(.37)
	}
	return lease
}

// set changes the simulated values.
func (l *fixture) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// state waits until a task is in a state.
func (l *fixture) state(t *testing.T, id string, want queue.State) {
	t.Helper()
	var item queue.Task
	waittest.Until(t, fmt.Sprintf("%s is %s", id, want), func() bool {
		var err error
		item, err = l.queue.Get(context.WithoutCancel(t.Context()), id)
		return err == nil && item.State == want
	}, func() any { return item.State })
}

var errGone = errors.New("the queue is closed")
