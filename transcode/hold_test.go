package transcode_test

import (
	"context"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestOneCircuitForAllTasks: while core is unavailable or refuses the agent's key, only a few
// tasks are tried, and all others stay queued. When core is back, all are done at once.
func TestOneCircuitForAllTasks(t *testing.T) {
	sessions := regexp.MustCompile("/sessions/")
	for name, tc := range map[string]struct {
		fault devcore.Fault
		class queue.Class
		most  int // requests to core
	}{
		"throttled": {devcore.Fault{Path: sessions, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "3600"}}, task.ClassCore, 6},
		"refused":   {devcore.Fault{Path: sessions, Status: http.StatusUnauthorized, Body: `{"detail":"no"}`}, task.ClassCredentials, 6},
		"errors":    {devcore.Fault{Path: sessions, Status: http.StatusInternalServerError, Header: map[string]string{"Retry-After": "3600"}}, task.ClassCore, 14},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMany(t, 60)
			m.pool.Workers = 3
			remove := m.core.Fail(tc.fault)
			began := len(m.core.Requests())
			ctx, cancel := context.WithCancel(t.Context())
			var pool sync.WaitGroup
			pool.Go(func() { _ = m.pool.Run(ctx) })
			defer func() { cancel(); pool.Wait() }()
			tried := func() (n int) {
				tasks, err := m.queue.List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, item := range tasks {
					if item.State == queue.StateRetrying && item.Reason != tc.class {
						t.Errorf("%s: %s", item.Reason, item.Error)
					}
					if item.State != queue.StateQueued || item.Held() {
						n++
					}
				}
				return n
			}
			waittest.Until(t, "a task was tried", func() bool { return tried() > 0 })
			time.Sleep(3 * time.Second) // in which many could be tried
			if n, asked := tried(), len(m.core.Requests())-began; n > 6 || asked > tc.most {
				t.Errorf("%d tasks were tried, with %d requests to core", n, asked)
			}
			remove()
			if err := m.pool.CoreIsBack(t.Context()); err != nil {
				t.Fatal(err)
			}
			waittest.Until(t, "all are done", func() bool {
				tasks, err := m.queue.List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, item := range tasks {
					if item.Held() || item.Reason != m.want[item.ID] {
						return false
					}
				}
				return true
			})
		})
	}
}

// TestCoreIsUpgradedInMidTask from 3.10 to 4.10, at every step.
func TestCoreIsUpgradedInMidTask(t *testing.T) {
	for _, parts := range []bool{false, true} {
		for _, step := range []queue.State{queue.StateRendering, queue.StateVerifying, queue.StateUploading, queue.StateConfirming, queue.StateRetiring} {
			t.Run(string(step)+map[bool]string{true: " parts"}[parts], func(t *testing.T) {
				t.Parallel()
				s := newJumpServer(t, "3.10.9", parts)
				v := s.workWith(func(boundary string) {
					if boundary == string(step) {
						if err := s.core.SetVersion("4.10.13"); err != nil {
							t.Error(err)
						}
					}
				})
				if v.State != queue.StateDone || s.core.Version() != "4.10.13" {
					t.Fatalf("%+v, core is %s", v, s.core.Version())
				}
				s.checkReplaced()
			})
		}
	}
}

// TestTheSessionIsDeletedInMidTask: core no longer knows the session. Its recording or its
// MP4 still exists.
func TestTheSessionIsDeletedInMidTask(t *testing.T) {
	for _, step := range []string{
		"rendering", "before event replay_convert_start", "verifying", "uploading", "before event replay_upload_start", "confirming", "retiring", "before event replay_upload_success",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			reached := false
			v := s.workWith(func(boundary string) {
				if boundary == step {
					reached = true
					s.core.RemoveSession(session)
				}
			})
			if !reached {
				t.Fatal("that step was not reached")
			}
			if v.State != queue.StateDone && (v.State != queue.StateSkipped || v.Reason != task.ClassSession) {
				t.Errorf("%s (%s): %s", v.State, v.Reason, v.Error)
			}
			if !s.exists(s.path) && !s.exists(mp4) {
				t.Errorf("the recording is lost: %v", s.files())
			}
		})
	}
}

// workWith is work that calls at at every boundary between steps.
func (s *jumpServer) workWith(at func(boundary string)) task.View {
	s.t.Helper()
	ctx := s.t.Context()
	a, err := newAgent(ctx, agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: s.t.Output(), boundary: at,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.queue.Close()
	if err := a.offer(ctx); err != nil {
		s.t.Fatal(err)
	}
	v, err := a.settle(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}
