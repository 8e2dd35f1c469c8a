package transcode_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// TestCoreThatFailsForAWhileCostsNothing: for each kind of fault, the task waits and is then
// done.
func TestCoreThatFailsForAWhileCostsNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]devcore.Fault{
		"server errors everywhere":   {Path: regexp.MustCompile("sessions"), Times: 3, Status: 502},
		"upload cut in the middle":   {Method: "POST", Path: regexp.MustCompile("/replay/$"), Times: 2, Read: 1000, Cut: true},
		"answer of the upload lost":  {Method: "POST", Path: regexp.MustCompile("/replay/$"), Times: 1, After: true, Cut: true},
		"answer of the marking lost": {Method: "PATCH", Path: regexp.MustCompile("sessions"), Times: 1, After: true, Cut: true},
		"too many requests":          {Path: regexp.MustCompile("sessions"), Times: 2, Status: 429, Header: map[string]string{"Retry-After": "1"}},
		"answer of an event lost":    {Method: "POST", Path: regexp.MustCompile("lifecycle_log"), Times: 1, After: true, Cut: true},
	} {
		for _, version := range []string{"3.10.9", "4.10.13"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				s := newJumpServer(t, version, false)
				s.core.Fail(fault)
				if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone {
					t.Fatalf("%+v", v)
				}
				s.checkReplaced()
			})
		}
	}
}

// TestHowFarAnUploadIsCanBeSeen while core receives it slowly.
func TestHowFarAnUploadIsCanBeSeen(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	s.core.Fail(devcore.Fault{Method: "POST", Path: regexp.MustCompile("/replay/$"), Times: 1, Delay: 3 * time.Second})
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { _ = a.pool.Run(ctx); close(stopped) }()
	waittest.Until(t, "uploading", func() bool {
		item, err := a.queue.Get(t.Context(), session)
		return err == nil && item.State == queue.StateUploading && item.Progress > 0
	})
	cancel()
	<-stopped
}

func TestAShutdownPutsTheTaskBack(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	s.write(s.path, gz(t, dump(1, 1000, 120)))
	ctx, cancel := context.WithCancel(t.Context())
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
		boundary: func(name string) {
			if name == string(queue.StateRendering) {
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.pool.Run(ctx); err != nil {
		t.Fatal(err)
	}
	item, err := a.queue.Get(t.Context(), session)
	if err != nil || item.State != queue.StateQueued || item.Held() || item.Attempt != 0 {
		t.Errorf("%+v, %v", item, err)
	}
	if err := a.offer(t.Context()); errors.Is(err, queue.ErrActive) {
		t.Error(err)
	}
}

// TestAVideoThatIsNotProvenGoodIsNeverUploaded uses an ffmpeg whose decoder reports every
// video as damaged.
func TestAVideoThatIsNotProvenGoodIsNeverUploaded(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	fake := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \" $* \" in *\" -xerror \"*) echo 'broken picture' >&2; exit 1;; esac\nexec ffmpeg \"$@\"\n"
	if err := os.WriteFile(fake, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tool, err := video.Find(t.Context(), fake)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyDelete, log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	a.pool.Render.Tool, a.pool.MaxTries = tool, 2
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}

	// After the first failure, the task waits for a retry.
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { _ = a.pool.Run(ctx); close(stopped) }()
	var item queue.Task
	waittest.Until(t, "it waits for a retry", func() bool {
		item, err = a.queue.Get(t.Context(), session)
		return err == nil && item.State == queue.StateRetrying && !item.Held()
	})
	if item.Attempt != 1 || item.Reason != task.ClassVerify || time.Until(item.Next) < 5*time.Second {
		t.Errorf("%+v", item)
	}
	// After the second one, it fails.
	if err := a.queue.Retry(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "failed", func() bool {
		item, err = a.queue.Get(t.Context(), session)
		return err == nil && item.State == queue.StateFailed && !item.Held()
	})
	cancel()
	<-stopped
	if !strings.Contains(item.Error, "broken picture") || item.Reason != task.ClassVerify {
		t.Errorf("%s: %s", item.Reason, item.Error)
	}
	if !s.exists(s.path) || s.exists(mp4) {
		t.Errorf("files: %v", s.files())
	}
	if d := cmp.Diff([]string{"replay_convert_start", "replay_convert_failure"}, s.events()); d != "" {
		t.Error(d)
	}
	if one, _ := s.core.Session(session); one.ErrorReason != "replay_convert_failed" || one.HasReplay {
		t.Errorf("%+v", one)
	}
}

// TestADiskThatIsFullIsWaitedFor: the work folder is on a file system that is too small.
func TestADiskThatIsFullIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounts are not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	a.pool.WorkDir = small
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { _ = a.pool.Run(ctx); close(stopped) }()
	var item queue.Task
	waittest.Until(t, "it waits for a retry", func() bool {
		item, err = a.queue.Get(t.Context(), session)
		return err == nil && item.State == queue.StateRetrying && !item.Held()
	})
	cancel()
	<-stopped
	if item.Reason != task.ClassDiskFull || !strings.Contains(item.Error, "MB free") || !s.exists(s.path) {
		t.Errorf("%s: %s", item.Reason, item.Error)
	}
}
