package destination_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// core has settings that a test can change.
type core struct {
	mu      sync.Mutex
	config  coreapi.TerminalConfig // guarded by mu
	known   bool                   // guarded by mu
	changed chan struct{}          // guarded by mu
}

func (c *core) settings() (coreapi.TerminalConfig, bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.config, c.known, c.changed
}

func (c *core) set(fields map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config, c.known = coreapi.TerminalConfig{ReplayStorage: fields}, true
	close(c.changed)
	c.changed = make(chan struct{})
}

// pool records the notifications of a follower.
type pool struct {
	mu      sync.Mutex
	found   []bucket.Candidate // guarded by mu
	changes int                // guarded by mu
}

func (p *pool) InBucket(_ context.Context, c bucket.Candidate) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = append(p.found, c)
	return nil
}

func (p *pool) StorageChanged(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
	return nil
}

func (p *pool) seen() (found, changes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.found), p.changes
}

func (p *pool) first() bucket.Candidate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found[0]
}

// follow runs a follower until the end of the test.
func follow(t *testing.T, change ...func(*destination.FollowerOptions)) (*core, *destination.Follower, *pool) {
	t.Helper()
	c, p, dir := &core{}, &pool{}, t.TempDir()
	opt := destination.FollowerOptions{
		Settings: c.settings, ReplayDir: "/replay", Interval: 50 * time.Millisecond, Settle: time.Nanosecond, MaxRequests: 1 << 30,
		State: filepath.Join(dir, "bucket.json"), Clock: filepath.Join(dir, "cleaned-up-at"), TrashKeep: 7 * 24 * time.Hour,
		Observe: func(string, string, time.Duration) {}, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&opt)
	}
	f := destination.NewFollower(opt)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, p) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	waittest.Until(t, "core is asked", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.changed != nil })
	return c, f, p
}

var server = map[string]any{"TYPE": "server"}

// TestAFollowerKnowsWhereMP4sGo, or why they cannot be stored, as core's settings
// change.
func TestAFollowerKnowsWhereMP4sGo(t *testing.T) { synctest.Test(t, followsSettings) }

func followsSettings(t *testing.T) {
	c, f, p := follow(t)
	if _, err := f.Current(); !errors.Is(err, destination.ErrStorageUnknown) {
		t.Errorf("before core has said anything: %v", err)
	}
	if err := f.Trouble(); !errors.Is(err, destination.ErrStorageUnknown) {
		t.Error(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- f.Wait(t.Context()) }()
	select {
	case err := <-waited:
		t.Fatalf("nobody knows where MP4s go, and waiting for it ended: %v", err)
	case <-time.After(time.Hour):
	}
	changes := 0
	for _, step := range []struct {
		name   string
		fields map[string]any
		change bool   // whether it is a change
		want   string // part of the error; "" = core's own storage
	}{
		{"core's own", server, true, ""},
		{"the same once more", server, false, ""},
		{"nowhere", map[string]any{"TYPE": "null"}, true, "null, which stores nothing"},
		{"settings that cannot be used", map[string]any{"TYPE": "s3", "BUCKET": "replays", "ENDPOINT": "ftp://nowhere"}, true, "ftp"},
		{"core's own again", map[string]any{"default": map[string]any{"TYPE": "server"}}, true, ""},
	} {
		c.set(step.fields)
		if step.change {
			changes++
		}
		synctest.Wait()
		if _, n := p.seen(); n != changes {
			t.Errorf("%s: the pool was told of %d changes, want %d", step.name, n, changes)
		}
		in, err := f.Current()
		trouble, takes := f.Trouble(), f.Takes()
		for _, got := range []error{err, trouble, takes} {
			if in != nil || (got == nil) != (step.want == "") || got != nil && !strings.Contains(got.Error(), step.want) {
				t.Errorf("%s: %v; %v, %v, %v; want %q", step.name, in, err, trouble, takes, step.want)
				break
			}
		}
		if _, ok := f.Status(); ok {
			t.Errorf("%s: there is the status of a bucket", step.name)
		}
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	time.Sleep(time.Hour)
	if _, n := p.seen(); n != changes {
		t.Errorf("the pool was told of %d changes, want %d", n, changes)
	}
}

// TestWithoutAVolumeCoresOwnStorageTakesUploads: core's response is the proof that
// it has them.
func TestWithoutAVolumeCoresOwnStorageTakesUploads(t *testing.T) {
	c, f, p := follow(t, func(o *destination.FollowerOptions) { o.ReplayDir = "" })
	c.set(server)
	waittest.Until(t, "known", func() bool { _, n := p.seen(); return n == 1 })
	if err := f.Takes(); err != nil {
		t.Error(err)
	}
	if err := f.Trouble(); err != nil {
		t.Error(err)
	}
}

// TestWaitingEndsWithTheAgent although the storage is still unknown.
func TestWaitingEndsWithTheAgent(t *testing.T) {
	_, f, _ := follow(t)
	why := errors.New("stopping")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(why)
	if err := f.Wait(ctx); !errors.Is(err, why) {
		t.Error(err)
	}
}

// TestAFollowerLooksIntoTheBucket for recordings as long as the bucket is the
// replay storage, and reports its errors; uploads are accepted meanwhile.
func TestAFollowerLooksIntoTheBucket(t *testing.T) {
	s3 := storagetest.S3(t)
	front := storagetest.NewFront(t, s3.URL)
	var mu sync.Mutex
	outcomes := map[string]int{}
	c, f, p := follow(t, func(o *destination.FollowerOptions) {
		o.Observe = func(_, outcome string, _ time.Duration) { mu.Lock(); defer mu.Unlock(); outcomes[outcome]++ }
	})
	const session = "0b9d5f1e-6c1a-4f0e-8f3a-000000000001"
	day := time.Now().UTC().Format(time.DateOnly)
	key := day + "/" + session + ".replay.gz"
	_, err := s3.Client(t).PutObject(t.Context(), s3.Bucket, key, strings.NewReader("recording"), 9, minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{
		"TYPE": "s3", "BUCKET": s3.Bucket, "ACCESS_KEY": s3.Access, "SECRET_KEY": s3.Secret, "ENDPOINT": front.URL.String(),
	}
	c.set(settings)
	waittest.Until(t, "the recording is offered", func() bool { n, _ := p.seen(); return n > 0 })
	if got := p.first(); got.Session != session || got.Key != key {
		t.Errorf("%+v", got)
	}
	in, err := f.Current()
	if err != nil || in == nil {
		t.Fatal(in, err)
	}
	waittest.Until(t, "the bucket was listed", func() bool { s, ok := f.Status(); return ok && s.Available })
	if status, ok := f.Status(); !ok || status.Place != in.Place() || status.Cost.Requests == 0 {
		t.Errorf("%v: %+v", ok, status)
	}

	front.Spoil(func(*http.Request) storagetest.Fault {
		return storagetest.XMLError(http.StatusForbidden, "AccessDenied")
	})
	waittest.Until(t, "the bucket is in trouble", func() bool { return f.Trouble() != nil })
	if err := f.Takes(); err != nil {
		t.Errorf("uploads are refused: %v", err)
	}
	front.Spoil(nil)
	waittest.Until(t, "the trouble is over", func() bool { return f.Trouble() == nil })

	c.set(server)
	waittest.Until(t, "told", func() bool { _, n := p.seen(); return n == 2 })
	requests := len(front.Requests())
	if in, err := f.Current(); in != nil || err != nil {
		t.Error(in, err)
	}
	if _, ok := f.Status(); ok {
		t.Error("there is the status of a bucket still")
	}
	waittest.During(t, 300*time.Millisecond, "the bucket gets no requests", func() bool { return len(front.Requests()) == requests })
	mu.Lock()
	defer mu.Unlock()
	if outcomes["ok"] == 0 || len(outcomes) < 2 {
		t.Errorf("told of calls: %v", outcomes)
	}
}
