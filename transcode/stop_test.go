package transcode_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// trickling is a storage with one large recording that arrives byte by byte.
type trickling struct {
	storage.Storage // nil: other methods panic
	object          storage.Object
	begun           chan struct{}
}

func (s trickling) Place() string { return "trickling" }

func (s trickling) List(context.Context, storage.Query) (storage.Page, error) {
	return storage.Page{}, nil
}

func (s trickling) Stat(_ context.Context, key string) (storage.Object, error) {
	if key == s.object.Key {
		return s.object, nil
	}
	return storage.Object{}, &storage.Error{Op: "stat", Place: s.Place(), Key: key, Kind: storage.ErrNotFound}
}

func (s trickling) Get(ctx context.Context, _ string, _ int64) (io.ReadCloser, error) {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	return io.NopCloser(trickle{ctx}), nil
}

type trickle struct{ ctx context.Context }

func (t trickle) Read(p []byte) (int, error) {
	select {
	case <-t.ctx.Done():
		return 0, context.Cause(t.ctx)
	case <-time.After(50 * time.Millisecond):
		p[0] = 1
		return 1, nil
	}
}

// TestStoppingEndsADownload: an agent that stops does not wait for the download of a large
// recording, and releases its task.
func TestStoppingEndsADownload(t *testing.T) {
	s := newJumpServer(t, "4.10.13", false)
	object := storage.Object{Key: "2024-04-23/" + session + ".replay.gz", Size: 5 << 20, ETag: "e", ModTime: recorded}
	from := trickling{object: object, begun: make(chan struct{}, 1)}
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
		storage: func() (storage.Storage, error) { return from, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	found := bucket.Candidate{Storage: from, Session: session, Date: "2024-04-23", Key: object.Key, Objects: []storage.Object{object}, Size: object.Size, ModTime: recorded}
	if err := a.pool.InBucket(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.pool.Run(ctx) }()
	select {
	case <-from.begun:
	case <-time.After(time.Minute):
		t.Fatal("no download has begun")
	}
	stop()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the pool still downloads after it was stopped")
	}
	if item, err := a.queue.Get(t.Context(), session); err != nil || item.State != queue.StateQueued || item.Held() {
		t.Errorf("%+v, %v", item, err)
	}
}
