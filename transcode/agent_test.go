package transcode_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

const (
	session = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	token   = "bootstrap"
)

// jumpServer is a development core with one finished session and its replay volume.
type jumpServer struct {
	t    *testing.T
	core *devcore.Server
	dir  string
	path string // of the recording, below the replay folder

	maxTakeovers int // Pool.MaxTakeovers for work; 0 = the default
}

// start is 2024-04-24 01:15 in Shanghai; core's folder is that of the day in UTC.
var start = time.Date(2024, 4, 23, 17, 15, 7, 0, time.UTC)

func newJumpServer(t *testing.T, version string, parts bool, external ...devcore.Storage) *jumpServer {
	t.Helper()
	s := &jumpServer{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(s.replay(), 0o755); err != nil {
		t.Fatal(err)
	}
	core, err := devcore.Start(devcore.Options{Version: version, MediaDir: s.media(), BootstrapToken: token, External: external})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { core.Close() })
	s.core = core
	s.lasted(5 * time.Second) // one second longer than its recording
	if parts {
		s.path = "2024-04-23/" + session + "/" + session + ".replay.json"
		for i := range 2 {
			s.write(fmt.Sprintf("2024-04-23/%s/%s.%d.part.gz", session, session, i), gz(t, dump(uint64(i), int64(1000+i*3000), 3)))
		}
		s.write(s.path, fmt.Appendf(nil, `{"id":%q,"type":"guacamole","files":[{"name":"%[1]s.0.part.gz"},{"name":"%[1]s.1.part.gz"}]}`, session))
	} else {
		s.path = "2024-04-23/" + session + ".replay.gz"
		s.write(s.path, gz(t, dump(1, 1000, 4)))
	}
	return s
}

// lasted adds the session to core, with its length.
func (s *jumpServer) lasted(d time.Duration) {
	s.core.AddSession(devcore.Session{
		ID: session, User: "Lee(lee)", Asset: "win-07(10.3.4.7)", Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
		Start: start, End: start.Add(d), Finished: true,
	})
}

func (s *jumpServer) media() string  { return filepath.Join(s.dir, "media") }
func (s *jumpServer) replay() string { return filepath.Join(s.dir, "media", "replay") }
func (s *jumpServer) data() string   { return filepath.Join(s.dir, "data") }

// recorded is when the recording's files were last written.
var recorded = time.Date(2024, 4, 23, 18, 0, 0, 0, time.UTC)

func (s *jumpServer) write(rel string, data []byte) {
	s.t.Helper()
	path := filepath.Join(s.replay(), rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chtimes(path, recorded, recorded); err != nil {
		s.t.Fatal(err)
	}
}

// files returns the names of all files on the volume, sorted.
func (s *jumpServer) files() []string {
	var names []string
	err := filepath.WalkDir(s.replay(), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(s.replay(), path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

// dump returns a Guacamole dump of a number of seconds, with random boxes on a desktop.
func dump(seed uint64, start int64, seconds int) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	var b strings.Builder
	put := func(op string, args ...any) {
		fmt.Fprintf(&b, "%d.%s", len(op), op)
		for _, a := range args {
			text := fmt.Sprint(a)
			fmt.Fprintf(&b, ",%d.%s", len(text), text)
		}
		b.WriteString(";")
	}
	put("size", 0, 320, 240)
	for i := range seconds*5 + 1 {
		for range 12 {
			put("rect", 0, r.IntN(300), r.IntN(220), 10+r.IntN(60), 10+r.IntN(60))
			put("cfill", 14, 0, r.IntN(256), r.IntN(256), r.IntN(256), 255)
		}
		put("mouse", r.IntN(320), r.IntN(240))
		put("sync", start+int64(i)*200)
	}
	return []byte(b.String())
}

func gz(t *testing.T, data []byte) []byte {
	t.Helper()
	var b strings.Builder
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

// agent is a pool with its queue, configured as in the real agent.
type agent struct {
	pool  *transcode.Pool
	queue *queue.Queue
	path  string
}

// agentOptions are the options that tests vary.
type agentOptions struct {
	coreURL, replay, data, path string
	queueURL                    string // of a shared queue; "" = an embedded one
	originals                   cleanup.Policy
	boundary                    func(string)
	log                         io.Writer
	storage                     func() (storage.Storage, error)
	playCache                   time.Duration
}

// testKey is the key that all agents in these tests share.
var testKey = seal.FromSecret("of all agents in these tests")

// renderOptions returns the options of rendering in these tests.
func renderOptions(tool *video.Tool) render.Options {
	return render.Options{Tool: tool, FPS: 15, CRF: 29, Codec: "h264", Audio: true, Agent: "test", Seal: testKey}
}

func newAgent(ctx context.Context, o agentOptions) (*agent, error) {
	if o.log == nil {
		o.log = io.Discard
	}
	log := slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tool, err := video.Find(ctx, os.Getenv("TEST_FFMPEG")) // as cmd/internal/agenttest
	if err != nil {
		return nil, err
	}
	core, err := coreapi.New(coreapi.Options{BaseURL: o.coreURL, Log: log})
	if err != nil {
		return nil, err
	}
	registrar := &coreapi.Registrar{Client: core, Token: token, Keys: coreapi.KeyFile{Dir: filepath.Join(o.data, "keys")}, Log: log}
	if _, err := registrar.Ensure(ctx); err != nil {
		return nil, err
	}
	q, err := queue.Open(ctx, queue.Options{Dir: filepath.Join(o.data, "queue"), URL: o.queueURL, Owner: "test", Lease: 5 * time.Second, Log: log})
	if err != nil {
		return nil, err
	}
	if _, err := q.Born(ctx); err != nil { // a shared queue is reached after it is opened
		return nil, err
	}
	return &agent{queue: q, path: o.path, pool: &transcode.Pool{
		Queue: q, Core: core, ReplayDir: o.replay, WorkDir: filepath.Join(o.data, "work"), TasksDir: filepath.Join(o.data, "tasks"),
		SpoolDir: filepath.Join(o.data, "spool"), Workers: 1, Originals: o.originals, Settle: time.Second, Log: log, Boundary: o.boundary,
		Storage: o.storage, PlayCache: o.playCache,
		Render: renderOptions(tool),
	}}, nil
}

// offer offers the recording to the pool, as the watcher does when it has settled.
func (a *agent) offer(ctx context.Context) error {
	file := filepath.Join(a.pool.ReplayDir, filepath.FromSlash(a.path))
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	c := watcher.Candidate{Session: session, Date: "2024-04-23", Path: a.path, Size: st.Size(), ModTime: st.ModTime()}
	if rec, err := recording.Open(file); err == nil { // with all parts
		c.Size, c.ModTime = rec.Size, rec.ModTime
	}
	return a.pool.Found(ctx, c)
}

// settle runs the pool until the task has ended or is settling, and returns its view.
func (a *agent) settle(ctx context.Context) (task.View, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	for {
		item, err := a.queue.Get(ctx, session)
		if err != nil {
			return task.View{}, err
		}
		switch item.State {
		case queue.StateDone, queue.StateFailed, queue.StateSkipped, queue.StateSettling:
			return task.ViewOf(item), nil
		}
		select {
		case <-ctx.Done():
			return task.ViewOf(item), fmt.Errorf("task stays %s: %s", item.State, item.Error)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
