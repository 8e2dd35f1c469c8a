package transcode_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// at returns an agent that calls do once, when it reaches a boundary.
func (s *jumpServer) at(boundary string, do func()) *agent {
	s.t.Helper()
	done := false
	a, err := newAgent(s.t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: s.t.Output(),
		boundary: func(name string) {
			if name == boundary && !done {
				done = true
				do()
			}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = a.queue.Close() })
	if err := a.offer(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// TestSomebodyRemovesTheOriginal after it was rendered: the MP4 stays and is served, and the
// task says what happened.
func TestSomebodyRemovesTheOriginal(t *testing.T) {
	t.Parallel()
	for _, boundary := range []string{"uploaded", "retiring"} {
		for _, parts := range []bool{false, true} {
			s := newJumpServer(t, "4.10.13", parts)
			remove := filepath.Join(s.replay(), s.path)
			if parts {
				remove = filepath.Dir(remove)
			}
			a := s.at(boundary, func() {
				if err := os.RemoveAll(remove); err != nil {
					t.Error(err)
				}
			})
			v, err := a.settle(t.Context())
			wantReason := task.ClassGone
			if boundary == "retiring" { // the agent itself may have retired it
				wantReason = ""
			}
			if err != nil || v.State != queue.StateDone || v.Reason != wantReason || len(v.Originals) != 0 {
				t.Fatalf("%s, parts %v: %+v, %v", boundary, parts, v, err)
			}
			served, err := s.core.Served(t.Context(), session)
			if err != nil || served.Type != "mp4" {
				t.Errorf("%s: core serves %+v, %v", boundary, served, err)
			}
			st, err := os.Stat(filepath.Join(s.replay(), "2024-04-23", session+".replay.mp4"))
			if err != nil || !st.ModTime().Equal(recorded) {
				t.Errorf("%s: %v, %v", boundary, st, err)
			}
		}
	}
}

// TestWhatWasNotTakenOverIsMadeUpFor: an MP4 that was confirmed without the original's time
// gets that time before the original is retired.
func TestWhatWasNotTakenOverIsMadeUpFor(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	mp4 := filepath.Join(s.replay(), "2024-04-23", session+".replay.mp4")
	a := s.at("retiring", func() {
		if err := os.Chtimes(mp4, time.Now(), time.Now()); err != nil {
			t.Error(err)
		}
	})
	if v, err := a.settle(t.Context()); err != nil || v.State != queue.StateDone {
		t.Fatalf("%+v, %v", v, err)
	}
	if st, err := os.Stat(mp4); err != nil || !st.ModTime().Equal(recorded) {
		t.Errorf("%v, %v", st, err)
	}
	s.checkReplaced()
}

// TestNothingIsRenderedInVain: while originals cannot be retired, nothing is rendered or
// uploaded. The task continues automatically when they can.
func TestNothingIsRenderedInVain(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	day := filepath.Join(s.replay(), "2024-04-23")
	if out, err := exec.Command("chattr", "+i", day).CombinedOutput(); err != nil {
		t.Skipf("no attributes here: %v: %s", err, out)
	}
	fix := func() { _ = exec.Command("chattr", "-i", day).Run() }
	t.Cleanup(fix)
	a := s.at("", nil)
	a.pool.Rights = rights.New(s.replay(), "a", a.pool.Log)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 2)
	go func() { stopped <- a.pool.Run(ctx) }()
	go func() {
		stopped <- a.pool.Rights.Run(ctx, func() string { return "2024-04-23" }, a.pool.RightsAreBack)
	}()
	defer func() { cancel(); <-stopped; <-stopped }()
	var item queue.Task
	until := func(what string, is func(queue.Task) bool) {
		t.Helper()
		waittest.Until(t, what, func() bool {
			var err error
			if item, err = a.queue.Get(ctx, session); err != nil {
				t.Fatal(err)
			}
			return is(item)
		}, func() any { return item })
	}
	// The task is tried once if a worker takes it before the first probe, and then waits.
	until("waiting", func(item queue.Task) bool {
		held := item.State == queue.StateQueued || item.State == queue.StateRetrying && item.Reason == task.ClassPermission
		return held && a.pool.Rights.Trouble() != nil && a.pool.Rights.Holds(s.path)
	})
	waittest.During(t, 2*time.Second, "nothing is rendered or uploaded in vain", func() bool {
		entries, _ := os.ReadDir(filepath.Join(s.data(), "work", session))
		uploaded := slices.ContainsFunc(s.core.Requests(), func(r devcore.Request) bool { return strings.HasSuffix(r.Path, "/replay/") })
		return len(entries) == 0 && !uploaded
	}, func() any { return s.core.Requests() })
	fix()
	until("done", func(item queue.Task) bool { return item.State == queue.StateDone })
	s.checkReplaced()
}

// TestAnEarlyRecordingMustProveToBeComplete by the end of its gzip stream. Any other recording
// settles first.
func TestAnEarlyRecordingMustProveToBeComplete(t *testing.T) {
	t.Parallel()
	whole := gz(t, dump(1, 1000, 4))
	for name, tc := range map[string]struct {
		data  []byte
		state queue.State
	}{
		"whole":                       {whole, queue.StateDone},
		"cut":                         {whole[:len(whole)-9], queue.StateSettling},
		"the end damaged":             {append(whole[:len(whole)-4:len(whole)-4], 1, 2, 3, 4), queue.StateSettling},
		"not compressed":              {dump(1, 1000, 4), queue.StateSettling},
		"its beginning":               {whole[:100], queue.StateSettling},
		"its beginning, uncompressed": {dump(1, 1000, 4)[:50], queue.StateSettling},
		"empty":                       {nil, queue.StateSettling},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			s.write(s.path, tc.data)
			now := time.Now()
			if err := os.Chtimes(filepath.Join(s.replay(), s.path), now, now); err != nil {
				t.Fatal(err)
			}
			a, err := newAgent(t.Context(), agentOptions{
				coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: cleanup.PolicyTrash, log: t.Output(),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.queue.Close()
			err = a.pool.Found(t.Context(), watcher.Candidate{
				Session: session, Date: "2024-04-23", Path: s.path, Size: int64(len(tc.data)), ModTime: now, Early: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			v, err := a.settle(t.Context())
			if err != nil || v.State != tc.state {
				t.Fatalf("%+v, %v", v, err)
			}
			if v.State == queue.StateSettling && (v.Reason != task.ClassIncomplete || s.core.Events(session) != nil) {
				t.Errorf("%+v, %v", v, s.core.Events(session))
			}
		})
	}
}
