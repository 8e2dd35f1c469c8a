package transcode_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// uploadTrash is a trash of uploads in a folder, with the spool beside it.
type uploadTrash struct{ dir string }

func (u uploadTrash) InTrash(id string) (bool, error) {
	_, err := os.Stat(filepath.Join(u.dir, "done", id))
	return err == nil, nil
}

func (u uploadTrash) Trashed(func(upload.Trashed) error) error { return nil }

func (u uploadTrash) Restore(id string) error {
	return os.Rename(filepath.Join(u.dir, "done", id), filepath.Join(u.dir, id))
}

// unseenAgent returns an agent without a volume, whose uploads go to a trash, and the ends of
// its uploads by their ids.
func (s *jumpServer) unseenAgent(policy cleanup.Policy, boundary func(string)) (a *agent, ends map[string]task.UploadEnd) {
	s.t.Helper()
	a = s.uploadAgent(policy, boundary)
	a.pool.ReplayDir = filepath.Join(s.dir, "nowhere", "replay")
	trash := uploadTrash{filepath.Join(s.data(), "spool")}
	ends = map[string]task.UploadEnd{}
	a.pool.Trash = trash
	a.pool.Uploaded = func(id string, end task.UploadEnd, _ bool) {
		ends[id] = end
		to := filepath.Join(trash.dir, "done", id)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o750), os.Rename(filepath.Join(trash.dir, id), to)); err != nil {
			s.t.Error(err)
		}
	}
	return a, ends
}

// mustNotHaveWatched fails the test if the agent has requested the replay from core, which
// records each view for auditors.
func (s *jumpServer) mustNotHaveWatched() {
	s.t.Helper()
	for _, r := range s.core.Requests() {
		if r.Method == http.MethodGet && strings.Contains(r.Path, "/replay/") {
			s.t.Errorf("the agent has requested %s", r.Path)
		}
	}
}

// uploads returns how many files the agent has sent to core.
func (s *jumpServer) uploads() (n int) {
	for _, r := range s.core.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/replay/") {
			n++
		}
	}
	return n
}

// TestUploadsWithoutAVolume: the MP4 is what core serves, with each policy for originals. The
// upload stays for some time, because the agent cannot see what core has.
func TestUploadsWithoutAVolume(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"3.10.9", "4.7.0", "4.10.13"} {
		for _, policy := range []cleanup.Policy{cleanup.PolicyTrash, cleanup.PolicyDelete} {
			t.Run(version+" "+string(policy), func(t *testing.T) {
				t.Parallel()
				s := newJumpServer(t, version, false)
				data := s.gone()
				a, ends := s.unseenAgent(policy, nil)
				if v := a.uploaded(t, s.upload(spooled, data)); v.State != queue.StateDone || v.Reason != "" {
					t.Errorf("%+v", v)
				}
				if got := s.served(); got != "mp4" {
					t.Errorf("core serves %s", got)
				}
				s.checkMarked()
				if end, ok := ends[spooled]; !ok || end != task.UploadUnseen {
					t.Errorf("the upload ended with %v, %v", end, ok)
				}
				// The same upload again is not published twice. Another one fails.
				sent := s.uploads()
				if v := a.uploaded(t, s.upload(second, data)); v.State != queue.StateDone {
					t.Errorf("%+v", v)
				}
				if v := a.uploaded(t, s.upload(third, gz(t, dump(77, 1000, 4)))); v.Reason != task.ClassDiffers || !strings.Contains(v.Error, "another recording") {
					t.Errorf("%+v", v)
				}
				s.checkMarked()
				if n := s.uploads(); n != sent {
					t.Errorf("%d uploads, and then %d", sent, n)
				}
				if _, ended := ends[third]; ended || ends[second] != task.UploadUnseen {
					t.Errorf("%v", ends)
				}
				s.mustNotHaveWatched()
			})
		}
	}
}

// TestAnUploadHidesNothingUnseen: the agent knows what core has only from core's record of
// the session and from its responses to uploads.
func TestAnUploadHidesNothingUnseen(t *testing.T) {
	t.Parallel()
	marked := func(s *jumpServer) {
		x, _ := s.core.Session(session)
		x.HasReplay = true
		s.core.AddSession(x)
	}
	for name, tc := range map[string]struct {
		version string
		before  func(s *jumpServer)                  // called before the task
		during  func(s *jumpServer, boundary string) // called at every boundary of the task
		words   string
	}{
		"Lion has stored it": {"4.10.13", func(s *jumpServer) { s.write(s.path, gz(s.t, dump(77, 1000, 4))); marked(s) }, nil, "core reports one"},
		"Lion stores it meanwhile": {"4.10.13", nil, func(s *jumpServer, boundary string) {
			if boundary == "verifying" {
				s.write(s.path, gz(s.t, dump(77, 1000, 4)))
				marked(s)
			}
		}, "core reports one"},
		"core does not report": {"4.10.13", func(s *jumpServer) {
			s.core.Fail(devcore.Fault{Method: http.MethodGet, Path: regexp.MustCompile("/sessions/" + session + "/$"), Status: http.StatusOK,
				Body: `{"id":"` + session + `","protocol":"rdp","is_finished":true,"date_start":"2024/04/23 17:15:07 +0000","terminal":{"type":"lion"}}`})
		}, nil, "core does not report"},
		"an MP4 that core has not noted": {"4.7.0", func(s *jumpServer) { s.write("2024-04-23/"+session+".replay.mp4", []byte("of others")) }, nil, "there is a file at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, tc.version, false)
			data := s.gone()
			if tc.before != nil {
				tc.before(s)
			}
			a, ends := s.unseenAgent(cleanup.PolicyDelete, func(name string) {
				if tc.during != nil {
					tc.during(s, name)
				}
			})
			if v := a.uploaded(t, s.upload(spooled, data)); v.State != queue.StateFailed || v.Reason != task.ClassDiffers || !strings.Contains(v.Error, tc.words) {
				t.Errorf("%+v", v)
			}
			if len(ends) > 0 {
				t.Errorf("the upload has ended: %v", ends)
			}
			if n := s.uploads(); n > 0 && tc.version != "4.7.0" {
				t.Errorf("%d uploads", n)
			}
			if tc.version == "4.7.0" {
				if have, err := os.ReadFile(filepath.Join(s.replay(), "2024-04-23", session+".replay.mp4")); err != nil || string(have) != "of others" {
					t.Errorf("%q, %v", have, err)
				}
			}
			s.mustNotHaveWatched()
		})
	}
}

// TestKilledWithoutAVolume: at whichever boundary the agent is killed, the session has its
// MP4, and core gets each event once.
func TestKilledWithoutAVolume(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"3.10.9", "4.10.13"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			start := func(t *testing.T) *jumpServer {
				s := newJumpServer(t, version, false)
				s.upload(spooled, s.gone())
				return s
			}
			check := func(s *jumpServer) {
				s.t.Helper()
				if got := s.served(); got != "mp4" {
					s.t.Errorf("core serves %s: %v", got, s.files())
				}
				s.checkMarked()
				s.mustNotHaveWatched()
			}
			whole := start(t)
			boundaries, _ := whole.runProcess("", "TEST_AGENT_REPLAY=")
			check(whole)
			if len(boundaries) < 12 {
				t.Fatalf("only %d boundaries: %v", len(boundaries), boundaries)
			}
			if testing.Short() {
				t.Skip("killed nowhere")
			}
			for _, at := range boundaries {
				t.Run(strings.ReplaceAll(at, " ", "-"), func(t *testing.T) {
					t.Parallel()
					s := start(t)
					if _, killed := s.runProcess(at, "TEST_AGENT_REPLAY="); !killed {
						t.Fatalf("the agent was not killed at %q", at)
					}
					s.runProcess("", "TEST_AGENT_REPLAY=")
					check(s)
				})
			}
		})
	}
}

// TestALostAnswerWithoutAVolume: core before 4.8 stores a second upload under another name.
// The session has an MP4, the task says that it may be another one, and the upload is kept
// permanently.
func TestALostAnswerWithoutAVolume(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.7.0", false)
	data := s.gone()
	s.core.Fail(devcore.Fault{Method: http.MethodPost, Path: regexp.MustCompile("/replay/$"), After: true, Cut: true, Times: 1})
	a, ends := s.unseenAgent(cleanup.PolicyDelete, nil)
	v := a.uploaded(t, s.upload(spooled, data))
	if v.State != queue.StateDone || v.Reason != task.ClassUnproven || len(v.Incomplete) != 1 {
		t.Errorf("%+v", v)
	}
	if got := s.served(); got != "mp4" {
		t.Errorf("core serves %s", got)
	}
	if end, ok := ends[spooled]; !ok || end != task.UploadKept {
		t.Errorf("the upload ended with %v, %v", end, ok)
	}
	s.checkMarked()
}

// TestWhatCoreHasLostIsServedAgain after an operator has retried the task.
func TestWhatCoreHasLostIsServedAgain(t *testing.T) {
	t.Parallel()
	cut := func(data []byte) []byte { return data[:len(data)-20] }
	for name, tc := range map[string]struct {
		of     func([]byte) []byte
		served string
		volume bool
	}{
		"an MP4":               {func(data []byte) []byte { return data }, "mp4", false},
		"the recording itself": {cut, "guacamole", false},
		"with a volume":        {func(data []byte) []byte { return data }, "mp4", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, "4.10.13", false)
			data := tc.of(s.gone())
			a, ends := s.unseenAgent(cleanup.PolicyDelete, nil)
			if tc.volume {
				a.pool.ReplayDir = s.replay()
			}
			a.uploaded(t, s.upload(spooled, data))
			if got := s.served(); got != tc.served || len(ends) != 1 {
				t.Fatalf("core serves %s; %v", got, ends)
			}
			told := len(s.events())
			if err := errors.Join(os.RemoveAll(s.replay()), os.MkdirAll(s.replay(), 0o755)); err != nil {
				t.Fatal(err)
			}
			if tc.volume { // an empty volume would be taken for one that is not mounted
				s.write("2024-04-22/x", nil)
			}
			clear(ends)
			if err := a.pool.Retry(t.Context(), session); err != nil {
				t.Fatal(err)
			}
			if v, err := a.settle(t.Context()); err != nil {
				t.Fatalf("%+v %v", v, err)
			}
			if got := s.served(); got != tc.served || len(ends) != 1 {
				t.Errorf("core serves %s; %v", got, ends)
			}
			if events := s.events(); len(events) != told {
				t.Errorf("core got events again: %v", events)
			}
			s.mustNotHaveWatched()
		})
	}
}

// TestWhatIsNotKeptCannotBeDoneAgain: a retry fails with the reason, and the task stays done.
func TestWhatIsNotKeptCannotBeDoneAgain(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	a, _ := s.unseenAgent(cleanup.PolicyDelete, nil)
	if v := a.uploaded(t, s.upload(spooled, s.gone())); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	if err := os.RemoveAll(filepath.Join(s.data(), "spool", "done", spooled)); err != nil {
		t.Fatal(err)
	}
	if err := a.pool.Retry(t.Context(), session); !errors.Is(err, task.ErrUploadGone) {
		t.Error(err)
	}
	if item, err := a.queue.Get(t.Context(), session); err != nil || item.State != queue.StateDone {
		t.Errorf("%+v, %v", item, err)
	}
}

// TestAVolumeThatAppearsIsUsed: from then on, the agent checks what core has.
func TestAVolumeThatAppearsIsUsed(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	data := s.gone()
	a, ends := s.unseenAgent(cleanup.PolicyTrash, nil)
	a.pool.ReplayDir = filepath.Join(s.dir, "mounted")
	if v := a.uploaded(t, s.upload(spooled, data)); v.State != queue.StateDone || ends[spooled] != task.UploadUnseen {
		t.Fatalf("%+v %v", v, ends)
	}
	if err := os.Symlink(s.replay(), a.pool.ReplayDir); err != nil {
		t.Fatal(err)
	}
	if v := a.uploaded(t, s.upload(second, data)); v.State != queue.StateDone || ends[second] != task.UploadStored {
		t.Errorf("%+v %v", v, ends)
	}
	// The volume is unmounted again: core's response is then no longer sufficient.
	if err := os.Remove(a.pool.ReplayDir); err != nil {
		t.Fatal(err)
	}
	if err := a.pool.Upload(t.Context(), session, s.upload(third, gz(t, dump(77, 1000, 4)))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	waittest.Until(t, "the volume is reported", func() bool {
		item, err := a.queue.Get(t.Context(), session)
		return err == nil && item.State == queue.StateRetrying && item.Reason == task.ClassVolume
	})
}
