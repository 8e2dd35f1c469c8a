package transcode_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestARecordingThatIsBeingWrittenIsNotAnother: Lion stores its recording itself if the answer
// to its upload is lost. While core still writes that copy, the upload waits. If the copy stays
// incomplete, it is another recording.
func TestARecordingThatIsBeingWrittenIsNotAnother(t *testing.T) {
	t.Parallel()
	for name, finished := range map[string]bool{"then it is complete": true, "it stays incomplete": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			whole := s.gone()
			a := s.uploadAgent(cleanup.PolicyTrash, nil)
			s.write(flat, cutHalf(whole))
			stop := s.touchOften(flat)
			v := a.uploaded(t, s.upload(spooled, whole))
			if v.State != queue.StateSettling || v.Reason != task.ClassChanged {
				t.Fatalf("%+v", v)
			}
			if finished {
				s.write(flat, whole)
			}
			stop()
			v = a.final(t)
			want := task.Class("")
			if !finished {
				want = task.ClassDiffers
			}
			if v.Reason != want || (s.served() == "mp4") != finished {
				t.Errorf("%+v, core serves %s", v, s.served())
			}
		})
	}
}

// final runs the pool until the task has ended, also if it has to settle first.
func (a *agent) final(t *testing.T) (v task.View) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	waittest.Until(t, "the end of the task", func() bool {
		item, err := a.queue.Get(ctx, session)
		if err != nil {
			t.Fatal(err)
		}
		v = task.ViewOf(item)
		return item.State.Final()
	})
	return v
}

// touchOften changes the time of a file on the volume, as a program does that writes it, until
// stop is called.
func (s *jumpServer) touchOften(rel string) (stop func()) {
	s.t.Helper()
	file := filepath.Join(s.replay(), rel)
	now := time.Now()
	if err := os.Chtimes(file, now, now); err != nil {
		s.t.Fatal(err)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(50 * time.Millisecond); ; { // real time, because the pool runs in it
			select {
			case <-quit:
				tick.Stop()
				return
			case now := <-tick.C:
				_ = os.Chtimes(file, now, now)
			}
		}
	}()
	return func() { close(quit); <-done }
}
