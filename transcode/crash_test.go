package transcode_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// TestMain runs the test binary as an agent if TEST_AGENT_CORE is set: only another process
// can be killed with SIGKILL.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_AGENT_CORE") != "" {
		if err := agentProcess(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// agentProcess works on the task until it has ended. It prints each boundary between steps,
// and kills or stops itself at the one in TEST_AGENT_KILL_AT or TEST_AGENT_STOP_AT.
func agentProcess() error {
	ctx := context.Background()
	deadly, pause := os.Getenv("TEST_AGENT_KILL_AT"), os.Getenv("TEST_AGENT_STOP_AT")
	var in storage.Storage
	if server := os.Getenv("TEST_AGENT_STORAGE"); server != "" {
		var err error
		if in, err = openBucket(server, os.Getenv("TEST_AGENT_BUCKET")); err != nil {
			return err
		}
	}
	a, err := newAgent(ctx, agentOptions{
		storage: func() (storage.Storage, error) { return in, nil },
		coreURL: os.Getenv("TEST_AGENT_CORE"), replay: os.Getenv("TEST_AGENT_REPLAY"), data: os.Getenv("TEST_AGENT_DATA"),
		path: os.Getenv("TEST_AGENT_PATH"), originals: cleanup.PolicyTrash, log: os.Stderr, queueURL: os.Getenv("TEST_AGENT_QUEUE"),
		boundary: func(name string) {
			fmt.Println("boundary:", name)
			if name == deadly {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // blocks until the signal is delivered
			}
			if name == pause {
				// This thread may still run for a moment: wait until a gap in time
				// shows that the process was stopped.
				last := time.Now()
				for _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP); time.Since(last) < time.Second; time.Sleep(10 * time.Millisecond) { // the threshold of the gap
					last = time.Now()
				}
			}
		},
	})
	if err != nil {
		return err
	}
	if err := a.offer(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, watcher.ErrInWork) {
		return err // the original may be in the trash already, or another recording may be in progress
	}
	if err := a.offerSpool(ctx); err != nil {
		return err
	}
	if in != nil {
		if err := a.offerBucket(ctx, in); err != nil && !errors.Is(err, watcher.ErrInWork) {
			return err
		}
	}
	v, err := a.settle(ctx)
	if err != nil {
		return err
	}
	if v.State != queue.StateDone {
		return fmt.Errorf("task ended as %s: %s", v.State, v.Error)
	}
	return a.queue.Close()
}

// runProcess runs an agent process to its end, and returns the boundaries that it has crossed
// and whether it was killed.
func (s *jumpServer) runProcess(killAt string, env ...string) (boundaries []string, killed bool) {
	s.t.Helper()
	var out, log bytes.Buffer
	cmd := s.process(append(env, "TEST_AGENT_KILL_AT="+killAt)...)
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "boundary: "); ok {
			boundaries = append(boundaries, name)
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return boundaries, true
	}
	if err != nil {
		s.t.Fatalf("agent process: %v\n%s", err, log.String())
	}
	return boundaries, false
}

// process returns the command of an agent process, which was not started.
func (s *jumpServer) process(env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "TEST_AGENT_CORE="+s.core.URL, "TEST_AGENT_REPLAY="+s.replay(), "TEST_AGENT_DATA="+s.data(),
		"TEST_AGENT_PATH="+s.path)
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// checkReplaced asserts the only correct final state.
func (s *jumpServer) checkReplaced() {
	s.t.Helper()
	replay, err := s.core.Served(s.t.Context(), session)
	if err != nil || replay.Type != "mp4" || filepath.Base(replay.Path) != session+".replay.mp4" {
		s.t.Errorf("core serves %+v, %v", replay, err)
	}
	s.checkMarked()
	mp4 := filepath.Join(s.replay(), "2024-04-23", session+".replay.mp4")
	st, err := os.Stat(mp4)
	if err != nil {
		s.t.Fatal(err)
	}
	if !st.ModTime().Equal(recorded) || st.Mode().Perm() != 0o644 {
		s.t.Errorf("the MP4 has time %s and mode %o, want the original's time %s and 644", st.ModTime(), st.Mode().Perm(), recorded)
	}
	// There are no other files than the MP4 and the originals in the trash.
	var visible, trashed []string
	for _, name := range s.files() {
		if strings.HasPrefix(name, ".") {
			trashed = append(trashed, filepath.Base(name))
		} else {
			visible = append(visible, name)
		}
	}
	if d := cmp.Diff([]string{"2024-04-23/" + session + ".replay.mp4"}, visible); d != "" {
		s.t.Errorf("visible files: %s", d)
	}
	if !slices.Contains(trashed, filepath.Base(s.path)) {
		s.t.Errorf("the original is not in the trash: %v", trashed)
	}
	if left, _ := os.ReadDir(filepath.Join(s.data(), "work")); len(left) != 0 {
		s.t.Errorf("work folder: %v", left)
	}
}

// checkMarked asserts that core has marked the session and got all events.
func (s *jumpServer) checkMarked() {
	s.t.Helper()
	got, _ := s.core.Session(session)
	if !got.HasReplay || got.ErrorReason != "" {
		s.t.Errorf("session: has_replay %v, error %q", got.HasReplay, got.ErrorReason)
	}
	want := []string{"replay_convert_start", "replay_convert_success", "replay_upload_start", "replay_upload_success"}
	if d := cmp.Diff(want, s.events()); d != "" {
		s.t.Errorf("lifecycle events: %s", d)
	}
}

// TestKilledAtEveryStepBoundary kills the agent with SIGKILL at each boundary, starts it
// again, and requires the same final state every time.
func TestKilledAtEveryStepBoundary(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		version string
		parts   bool
	}{{"3.10.9", false}, {"4.10.13", true}} {
		t.Run(tc.version, func(t *testing.T) {
			t.Parallel()
			whole := newJumpServer(t, tc.version, tc.parts)
			boundaries, _ := whole.runProcess("")
			whole.checkReplaced()
			if len(boundaries) < 12 {
				t.Fatalf("only %d boundaries: %v", len(boundaries), boundaries)
			}
			if testing.Short() {
				t.Skip("not killed at any boundary in short mode")
			}
			for _, at := range boundaries {
				t.Run(strings.ReplaceAll(at, " ", "-"), func(t *testing.T) {
					t.Parallel()
					s := newJumpServer(t, tc.version, tc.parts)
					if _, killed := s.runProcess(at); !killed {
						t.Fatalf("the agent was not killed at %q", at)
					}
					s.runProcess("")
					s.checkReplaced()
				})
			}
		})
	}
}

// TestARecordingThatKillsTheAgentIsGivenUp, and stays as it is.
func TestARecordingThatKillsTheAgentIsGivenUp(t *testing.T) {
	s := newJumpServer(t, "4.10.13", false)
	for range 2 {
		if _, killed := s.runProcess("rendering"); !killed {
			t.Fatal("the agent was not killed")
		}
	}
	s.maxTakeovers = 2
	v := s.work(cleanup.PolicyTrash)
	if v.State != queue.StateFailed || v.Reason != task.ClassCrash || !s.exists(s.path) {
		t.Errorf("%+v", v)
	}
	if r, err := s.core.Served(t.Context(), session); err != nil || r.Type != "guacamole" {
		t.Errorf("core serves %+v, %v", r, err)
	}
}
