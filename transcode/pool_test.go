package transcode_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// work offers the session's recording to an agent, and runs the agent until the task has
// ended.
func (s *jumpServer) work(policy cleanup.Policy) task.View {
	s.t.Helper()
	ctx := s.t.Context()
	a, err := newAgent(ctx, agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: policy, log: s.t.Output(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.queue.Close()
	a.pool.MaxTakeovers = s.maxTakeovers
	if err := a.offer(ctx); err != nil {
		s.t.Fatal(err)
	}
	v, err := a.settle(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *jumpServer) served() string {
	s.t.Helper()
	replay, err := s.core.Served(s.t.Context(), session)
	if err != nil {
		return err.Error()
	}
	return replay.Type
}

func (s *jumpServer) events() []string {
	var names []string
	for _, e := range s.core.Events(session) {
		names = append(names, e.Name)
	}
	return names
}

func (s *jumpServer) exists(rel string) bool {
	_, err := os.Stat(filepath.Join(s.replay(), filepath.FromSlash(rel)))
	return err == nil
}

const mp4 = "2024-04-23/" + session + ".replay.mp4"

func TestPoliciesOfOriginals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		version string
		parts   bool
		policy  cleanup.Policy
		served  string
		left    bool // the original is where it was
		trashed bool
	}{
		{"3.10.9", false, cleanup.PolicyTrash, "mp4", false, true},
		{"3.10.9", false, cleanup.PolicyDelete, "mp4", false, false},
		{"3.10.9", false, cleanup.PolicyKeep, "guacamole", true, false}, // core prefers the .gz to the MP4
		{"4.2.0", true, cleanup.PolicyTrash, "mp4", false, true},
		{"4.8.0", true, cleanup.PolicyDelete, "mp4", false, false},
		{"4.10.13", true, cleanup.PolicyKeep, "mp4", true, false}, // core prefers the MP4 to parts
		{"4.10.13", false, cleanup.PolicyTrash, "mp4", false, true},
	} {
		t.Run(tc.version+" "+string(tc.policy), func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, tc.version, tc.parts)
			stale := "2024-04-23/" + session + ".tar" // core creates it when someone downloads the recording
			s.write(stale, []byte("old download"))
			v := s.work(tc.policy)
			if v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			if got := s.served(); got != tc.served {
				t.Errorf("core serves %s, want %s", got, tc.served)
			}
			if s.exists(s.path) != tc.left {
				t.Errorf("original in place: %v", s.exists(s.path))
			}
			trashed := slices.ContainsFunc(s.files(), func(f string) bool {
				return strings.HasPrefix(f, cleanup.TrashName) && strings.HasSuffix(f, filepath.Base(s.path))
			})
			if trashed != tc.trashed {
				t.Errorf("in the trash: %v; files %v", trashed, s.files())
			}
			if s.exists(stale) != tc.left {
				t.Errorf("stale download in place: %v", s.exists(stale))
			}
			if v.After == 0 || v.Before == 0 || v.Frames == 0 || v.Speed == 0 {
				t.Errorf("%+v", v)
			}
			log, err := os.ReadFile(filepath.Join(s.data(), "tasks", session, "task.log"))
			if err != nil || !strings.Contains(string(log), "rendered and verified") {
				t.Errorf("task log: %s, %v", log, err)
			}
			if _, err := os.Stat(filepath.Join(s.data(), "tasks", session, "task.json")); err != nil {
				t.Error(err)
			}
			if got, _ := s.core.Session(session); !got.HasReplay {
				t.Error("the session is not marked")
			}
		})
	}
}

func TestAStaleVideoIsReplaced(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"3.10.9", "4.10.13"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, version, false)
			s.write(mp4, []byte("half an MP4 of an earlier attempt"))
			if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			if got := s.served(); got != "mp4" {
				t.Errorf("core serves %s", got)
			}
			visible := slices.DeleteFunc(s.files(), func(f string) bool { return strings.HasPrefix(f, ".") })
			if d := cmp.Diff([]string{mp4}, visible); d != "" {
				t.Error(d)
			}
			st, err := os.Stat(filepath.Join(s.replay(), mp4))
			if err != nil || st.Size() < 1000 {
				t.Errorf("%v, %v", st, err)
			}
		})
	}
}

// TestALateOriginalIsNotConvertedAgain: Lion 3.10.4 to 3.10.10 uploads its recordings again
// when it restarts. They are then retired according to the policy for originals.
func TestALateOriginalIsNotConvertedAgain(t *testing.T) {
	t.Parallel()
	for _, policy := range []cleanup.Policy{cleanup.PolicyTrash, cleanup.PolicyDelete, cleanup.PolicyKeep} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			lateOriginal(t, policy)
		})
	}
}

func lateOriginal(t *testing.T, policy cleanup.Policy) {
	s := newJumpServer(t, "3.10.9", false)
	original, err := os.ReadFile(filepath.Join(s.replay(), s.path))
	if err != nil {
		t.Fatal(err)
	}
	if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	before, err := os.ReadFile(filepath.Join(s.replay(), mp4))
	if err != nil {
		t.Fatal(err)
	}
	events := s.events()

	s.write(s.path, original)
	later := recorded.Add(48 * time.Hour)
	if err := os.Chtimes(filepath.Join(s.replay(), s.path), later, later); err != nil {
		t.Fatal(err)
	}
	if got := s.served(); got != "guacamole" {
		t.Fatalf("core serves %s: the test is wrong", got)
	}
	if v := s.work(policy); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	after, err := os.ReadFile(filepath.Join(s.replay(), mp4))
	if err != nil || string(after) != string(before) {
		t.Errorf("the MP4 was made again, %v", err)
	}
	kept := policy == cleanup.PolicyKeep
	if got := s.served(); (got == "mp4") == kept || s.exists(s.path) != kept {
		t.Errorf("core serves %s; the newcomer in place: %v", got, s.exists(s.path))
	}
	trashed := slices.DeleteFunc(s.files(), func(f string) bool {
		return !strings.HasPrefix(f, cleanup.TrashName) || !strings.Contains(f, filepath.Base(s.path))
	})
	if want := 1 + strings.Count(string(policy), "trash"); len(trashed) != want {
		t.Errorf("%d in the trash, want %d: %v", len(trashed), want, trashed)
	}
	if d := cmp.Diff(events, s.events()); d != "" {
		t.Errorf("events were sent again: %s", d)
	}
}

// TestAnotherRecordingOfTheSessionIsLeftToHumans: of two different recordings of a session,
// only an operator can decide which one is the replay.
func TestAnotherRecordingOfTheSessionIsLeftToHumans(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "3.10.9", false)
	if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	s.write(s.path, gz(t, dump(99, 5000, 4))) // of the same length, with other content
	v := s.work(cleanup.PolicyDelete)
	if v.State != queue.StateFailed || v.Reason != task.ClassDiffers || !s.exists(s.path) || !s.exists(mp4) {
		t.Errorf("%+v", v)
	}

	// A longer recording replaces the MP4 of a shorter one.
	s.write(s.path, gz(t, dump(99, 5000, 9)))
	if v := s.work(cleanup.PolicyTrash); v.State != queue.StateDone || v.Duration != 9000 {
		t.Errorf("%+v", v)
	}
	if got := s.served(); got != "mp4" {
		t.Errorf("core serves %s", got)
	}
}

func TestWhatIsNotConvertedStaysAndSaysWhy(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	random := make([]byte, 4000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for name, tc := range map[string]struct {
		data   []byte
		change func(*devcore.Session)
		state  queue.State
		reason queue.Class
		events []string
		failed bool // error_reason is set
	}{
		"koko JSON":         {data: gz(t, []byte(`{"0.1":"`+string(hexOf(random))+`"}`)), state: queue.StateSkipped, reason: task.ClassKind},
		"asciicast content": {data: gz(t, []byte(`{"version":2,"width":80}`+"\n"+string(hexOf(random)))), state: queue.StateSkipped, reason: task.ClassKind},
		"noise":             {data: random, state: queue.StateSkipped, reason: task.ClassKind},
		"too small":         {data: gz(t, []byte("4.sync,1.1;")), state: queue.StateSkipped, reason: task.ClassTooSmall},
		"small once it is compressed": {data: gz(t, []byte("4.size,1.0,3.320,3.240;4.name,"+lengthOf(bytes.Repeat([]byte("x"), 5000))+";4.sync,4.1000;4.sync,4.2000;")), state: queue.StateFailed,
			reason: task.ClassNothingDrawn, events: []string{"replay_convert_start", "replay_convert_failure"}, failed: true},
		"session unknown": {change: func(c *devcore.Session) { c.ID = "11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f" }, state: queue.StateSkipped, reason: task.ClassSession},
		"ssh by koko":     {change: func(c *devcore.Session) { c.Protocol, c.TerminalType, c.Terminal = "ssh", "koko", "" }, state: queue.StateSkipped, reason: task.ClassNotGraphical},
		"in the wrong folder": {change: func(c *devcore.Session) { c.Start = c.Start.AddDate(0, 0, 3) }, state: queue.StateSkipped,
			reason: task.ClassMisplaced},
		"session not over": {change: func(c *devcore.Session) { c.Finished, c.End = false, time.Time{} }, state: queue.StateSettling,
			reason: task.ClassSessionActive},
		"nothing drawn": {data: gz(t, []byte("4.size,1.0,3.320,3.240;4.name,"+lengthOf(hexOf(random))+";4.sync,4.1000;4.sync,4.2000;")), state: queue.StateFailed, reason: task.ClassNothingDrawn,
			events: []string{"replay_convert_start", "replay_convert_failure"}, failed: true},
		"cut for good": {data: cutHalf(gz(t, dump(7, 1000, 60))), state: queue.StateFailed, reason: task.ClassIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			if tc.data != nil {
				s.write(s.path, tc.data)
			}
			if tc.change != nil {
				one, _ := s.core.Session(session)
				s.core.RemoveSession(session)
				tc.change(&one)
				s.core.AddSession(one)
			}
			v := s.work(cleanup.PolicyDelete)
			if v.State != tc.state || v.Reason != tc.reason || v.Error == "" {
				t.Errorf("%s (%s): %s", v.State, v.Reason, v.Error)
			}
			if !s.exists(s.path) || s.exists(mp4) {
				t.Errorf("files: %v", s.files())
			}
			if d := cmp.Diff(tc.events, s.events()); d != "" {
				t.Errorf("events: %s", d)
			}
			one, _ := s.core.Session(session)
			if (one.ErrorReason == "replay_convert_failed") != tc.failed {
				t.Errorf("error reason %q", one.ErrorReason)
			}
		})
	}
}

func hexOf(b []byte) []byte { return fmt.Appendf(nil, "%x", b) }

// lengthOf returns a value as an element of a Guacamole instruction.
func lengthOf(b []byte) string { return fmt.Sprintf("%d.%s", len(b), b) }

func cutHalf(b []byte) []byte { return b[:len(b)/2] }
