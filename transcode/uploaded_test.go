package transcode_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// More folders of uploads in the spool, besides spooled.
const (
	second = "6ba7b811-9dad-41d1-80b4-00c04fd430c8"
	third  = "6ba7b812-9dad-41d1-80b4-00c04fd430c8"
)

// upload puts a complete upload of the session into the spool, and returns its path there.
func (s *jumpServer) upload(id string, data []byte) string {
	s.t.Helper()
	place := id + "/" + session + ".replay.gz"
	file := filepath.Join(s.data(), "spool", place)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return place
}

// uploadAgent returns an agent for uploads of the session.
func (s *jumpServer) uploadAgent(policy cleanup.Policy, boundary func(string)) *agent {
	s.t.Helper()
	a, err := newAgent(s.t.Context(), agentOptions{
		coreURL: s.core.URL, replay: s.replay(), data: s.data(), path: s.path, originals: policy, log: s.t.Output(), boundary: boundary,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = a.queue.Close() })
	return a
}

// uploaded offers an upload to the pool, runs it until the task has ended, and returns the
// task's view.
func (a *agent) uploaded(t *testing.T, place string) task.View {
	t.Helper()
	if err := a.pool.Upload(t.Context(), session, place); err != nil {
		t.Fatal(err)
	}
	v, err := a.settle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// gone removes the session's recording from the volume, and returns its content.
func (s *jumpServer) gone() []byte {
	s.t.Helper()
	file := filepath.Join(s.replay(), s.path)
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		s.t.Fatal(err)
	}
	return data
}

// TestAnUploadThatKillsTheAgentIsUploadedAsItIs: it is not read again, and its session has a
// replay.
func TestAnUploadThatKillsTheAgentIsUploadedAsItIs(t *testing.T) {
	s := newJumpServer(t, "4.10.13", false)
	place := s.upload(spooled, s.gone())
	for range 2 {
		if _, killed := s.runProcess("rendering"); !killed {
			t.Fatal("the agent was not killed")
		}
	}
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	a.pool.MaxTakeovers = 2
	var done []string
	a.pool.Stays = func(reason task.Class) { t.Errorf("it stays in the spool: %s", reason) }
	a.pool.Uploaded = func(id string, end task.UploadEnd, asIs bool) {
		if end == task.UploadStored && asIs {
			done = append(done, id)
		}
	}
	v := a.uploaded(t, place)
	if v.State != queue.StateFailed || v.Reason != task.ClassCrash {
		t.Errorf("%+v", v)
	}
	s.checkAsItIs("crash")
	if len(done) != 1 || done[0] != spooled {
		t.Errorf("uploads that were done: %v", done)
	}
}

// TestACutUploadIsUploadedAsItIs at once: an upload in the spool never becomes more complete.
func TestACutUploadIsUploadedAsItIs(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "3.10.9", false)
	whole := s.gone()
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	if v := a.uploaded(t, s.upload(spooled, whole[:len(whole)-20])); v.State != queue.StateFailed || v.Reason != task.ClassIncomplete {
		t.Errorf("%+v", v)
	}
	s.checkAsItIs("incomplete")
}

// TestAnUploadThatIsTooSmallIsUploadedAsItIs, and core is told that no MP4 can be made of it.
// Lion sends recordings of at least 1024 bytes uncompressed.
func TestAnUploadThatIsTooSmallIsUploadedAsItIs(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	s.gone()
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	if v := a.uploaded(t, s.upload(spooled, gz(t, []byte("4.size,1.0,3.320,3.240;4.sync,4.1000;")))); v.State != queue.StateSkipped || v.Reason != task.ClassTooSmall {
		t.Errorf("%+v", v)
	}
	s.checkAsItIs("too_small")
}

// TestASmallRecordingOfABlankScreenIsConverted: it is compressed to few bytes, but has many
// more uncompressed.
func TestASmallRecordingOfABlankScreenIsConverted(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	s.gone()
	var blank strings.Builder
	blank.WriteString("4.size,1.0,3.320,3.240;4.rect,1.0,1.0,1.0,3.320,3.240;5.cfill,2.14,1.0,1.9,1.9,1.9,3.255;")
	for i := range 100 {
		blank.WriteString("4.sync," + lengthOf(fmt.Append(nil, 1000+40*i)) + ";")
	}
	data := gz(t, []byte(blank.String()))
	if len(data) >= 1024 || blank.Len() < 1024 {
		t.Fatal(len(data), blank.Len())
	}
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	if v := a.uploaded(t, s.upload(spooled, data)); v.State != queue.StateDone || s.served() != "mp4" {
		t.Errorf("%+v; core serves %s", v, s.served())
	}
}

// TestWhatIsUploadedAsItIsIsStoredOnce, also if core fails in between.
func TestWhatIsUploadedAsItIsIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "3.10.9", false)
	whole := s.gone()
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	s.core.Fail(devcore.Fault{Method: http.MethodPatch, Path: regexp.MustCompile("/sessions/" + session + "/$"), Status: http.StatusBadGateway, Times: 5})
	if v := a.uploaded(t, s.upload(spooled, whole[:len(whole)-20])); v.State != queue.StateFailed {
		t.Errorf("%+v", v)
	}
	if d := cmp.Diff([]string{s.path}, s.files()); d != "" {
		t.Error(d)
	}
	s.checkAsItIs("incomplete")
}

// checkAsItIs asserts that core has the recording itself, and got the reason.
func (s *jumpServer) checkAsItIs(reason string) {
	s.t.Helper()
	if got, _ := s.core.Session(session); s.served() != "guacamole" || !got.HasReplay || got.ErrorReason != "replay_convert_failed" {
		s.t.Errorf("core serves %s; %+v", s.served(), got)
	}
	if got := strings.Join(s.events(), " "); got != "replay_upload_start replay_upload_success replay_convert_failure" {
		s.t.Errorf("events: %s", got)
	}
	if e := s.core.Events(session); len(e) > 0 && !strings.Contains(e[len(e)-1].Reason, reason) {
		s.t.Errorf("the reason is %q", e[len(e)-1].Reason)
	}
}

// TestAnUploadIsReleasedAfterACrash: the agent dies when core has just got the recording
// itself. The upload must not stay in the spool, and core gets each event once, even if the
// recording is then found in several places.
func TestAnUploadIsReleasedAfterACrash(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	s.gone()
	random := make([]byte, 4000)
	for i, r := 0, rand.New(rand.NewPCG(7, 8)); i < len(random); i++ {
		random[i] = byte(r.Uint32())
	}
	place := s.upload(spooled, gz(t, []byte("4.size,1.0,3.320,3.240;4.name,"+lengthOf(hexOf(random))+";4.sync,4.1000;4.sync,4.2000;")))
	if _, killed := s.runProcess("before event replay_upload_success"); !killed {
		t.Fatal("the agent was not killed")
	}
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	a.pool.Stays = func(reason task.Class) { t.Errorf("it stays in the spool: %s", reason) }
	var done []string
	a.pool.Uploaded = func(id string, end task.UploadEnd, asIs bool) {
		if end == task.UploadStored && asIs {
			done = append(done, id)
		}
	}
	if v := a.uploaded(t, place); v.State != queue.StateFailed || v.Reason != task.ClassNothingDrawn {
		t.Errorf("%+v", v)
	}
	if len(done) != 1 || done[0] != spooled {
		t.Errorf("uploads that were done: %v", done)
	}
	for n := range 2 { // core may have copies with other times, in a bucket and on the volume
		old := time.Now().Add(-time.Duration(n+1) * time.Hour)
		if err := os.Chtimes(filepath.Join(s.replay(), s.path), old, old); err != nil {
			t.Fatal(err)
		}
		if err := a.offer(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v, err := a.settle(t.Context()); err != nil || v.Reason != task.ClassNothingDrawn || v.Path != s.path {
			t.Errorf("%v, %+v", err, v)
		}
	}
	want := []string{"replay_convert_start", "replay_upload_start", "replay_upload_success", "replay_convert_failure"}
	if d := cmp.Diff(want, s.events()); d != "" || s.served() != "guacamole" {
		t.Errorf("core serves %s, and got the events %s", s.served(), d)
	}
}

// TestUploadsOfOneSessionDoNotTakeTurns: each upload that fails is tried once, however many
// there are and however often they are offered.
func TestUploadsOfOneSessionDoNotTakeTurns(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	tries := 0
	a := s.uploadAgent(cleanup.PolicyTrash, func(name string) {
		if name == "rendering" {
			tries++
		}
	})
	first := s.upload(spooled, s.gone())
	if v := a.uploaded(t, first); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	others := []string{s.upload(second, gz(t, dump(77, 1000, 4))), s.upload(third, gz(t, dump(78, 1000, 4)))}
	for range 3 {
		for _, place := range others {
			if v := a.uploaded(t, place); v.Reason != task.ClassDiffers {
				t.Errorf("%+v", v)
			}
		}
	}
	if tries != 3 {
		t.Errorf("three uploads were tried %d times", tries)
	}
	if got := s.served(); got != "mp4" {
		t.Errorf("core serves %s", got)
	}
}

// TestRecordingsOfOneSessionWaitForTheUpload: another upload waits, and so does a recording on
// the volume. If the agent died before it could report an upload as done, it does so later.
func TestRecordingsOfOneSessionWaitForTheUpload(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	data, err := os.ReadFile(filepath.Join(s.replay(), s.path))
	if err != nil {
		t.Fatal(err)
	}
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	first, again := s.upload(spooled, data), s.upload(second, data)
	if err := a.pool.Upload(t.Context(), session, first); err != nil {
		t.Fatal(err)
	}
	if err := a.pool.Upload(t.Context(), session, again); !errors.Is(err, watcher.ErrInWork) {
		t.Error("another upload:", err)
	}
	if err := a.offer(t.Context()); !errors.Is(err, watcher.ErrInWork) {
		t.Error("on the volume:", err)
	}
	if v := a.uploaded(t, first); v.State != queue.StateDone {
		t.Fatalf("%+v", v)
	}
	told := 0
	a.pool.Uploaded = func(id string, end task.UploadEnd, asIs bool) {
		if told++; id != spooled || end != task.UploadStored || asIs {
			t.Error(id, end)
		}
	}
	if err := a.pool.Upload(t.Context(), session, first); err != nil || told != 1 {
		t.Errorf("reported %d times, %v", told, err)
	}
	a.pool.Uploaded = nil
	if v := a.uploaded(t, again); v.State != queue.StateDone {
		t.Errorf("%+v", v)
	}
	if s.served() != "mp4" || s.exists(s.path) {
		t.Errorf("core serves %s; files %v", s.served(), s.files())
	}
	// If the recording on the volume is first, the upload waits.
	s.write(s.path, data)
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := s.upload(third, data)
	if err := a.pool.Upload(t.Context(), session, late); !errors.Is(err, watcher.ErrInWork) {
		t.Error("an upload behind the volume:", err)
	}
	for _, v := range []func() (task.View, error){
		func() (task.View, error) { return a.settle(t.Context()) },
		func() (task.View, error) { return a.uploaded(t, late), nil },
	} {
		if v, err := v(); err != nil || v.State != queue.StateDone {
			t.Errorf("%+v, %v", v, err)
		}
	}
}

// TestAnUploadDoesNotWaitForWhatIsIncomplete: a recording on the volume may never become
// complete. The upload waits only until that has not changed for the settle time.
func TestAnUploadDoesNotWaitForWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	data := s.gone()
	s.write(s.path, data[:len(data)-20])
	now := time.Now()
	if err := os.Chtimes(filepath.Join(s.replay(), s.path), now, now); err != nil {
		t.Fatal(err)
	}
	a := s.uploadAgent(cleanup.PolicyTrash, nil)
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := a.settle(t.Context()); err != nil || v.State != queue.StateSettling {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := a.pool.Upload(t.Context(), session, s.upload(spooled, data)); err != nil {
		t.Fatal(err)
	}
	// The recording on the volume is another one: an operator must choose.
	if v := a.final(t); v.Reason != task.ClassDiffers {
		t.Errorf("%+v", v)
	}
}

// TestTheUploadIsOnTheVolumeToo: the client did not get the last response, or sends its copy
// to core when it restarts. The copy is retired according to the policy for originals.
func TestTheUploadIsOnTheVolumeToo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy  cleanup.Policy
		parts   bool
		left    bool
		trashed bool
	}{
		{cleanup.PolicyTrash, false, false, true},
		{cleanup.PolicyTrash, true, false, true},
		{cleanup.PolicyDelete, false, false, false},
		{cleanup.PolicyDelete, true, false, false},
		{cleanup.PolicyKeep, false, true, false},
		{cleanup.PolicyKeep, true, true, false},
	} {
		s := newJumpServer(t, "4.10.13", tc.parts)
		place := spooled + "/" + path.Base(s.path)
		if err := os.MkdirAll(s.spool(), 0o750); err != nil {
			t.Fatal(err)
		}
		from := filepath.Dir(filepath.Join(s.replay(), s.path))
		if err := os.CopyFS(s.spool(), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		a := s.uploadAgent(tc.policy, nil)
		if v := a.uploaded(t, place); v.State != queue.StateDone {
			t.Fatalf("%+v", v)
		}
		var trashed bool
		for _, f := range s.files() {
			trashed = trashed || strings.HasPrefix(f, cleanup.TrashName) && strings.HasSuffix(f, path.Base(s.path))
		}
		if s.exists(s.path) != tc.left || trashed != tc.trashed {
			t.Errorf("%+v: %v", tc, s.files())
		}
		if got := s.served(); (got == "mp4") == (tc.left && !tc.parts) { // core prefers the .gz to the MP4, and the MP4 to parts
			t.Errorf("%+v: core serves %s", tc, got)
		}
	}
}

// TestAnUploadOfASessionThatCoreDoesNotKnow stays for some time, because core may know the
// session later.
func TestAnUploadOfASessionThatCoreDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, "4.10.13", false)
	data := s.gone()
	const unknown = "1b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	place := second + "/" + unknown + ".replay.gz"
	file := filepath.Join(s.data(), "spool", place)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	a := s.uploadAgent(cleanup.PolicyDelete, nil)
	told := make(chan bool, 10)
	a.pool.Stays = func(reason task.Class) { t.Errorf("it stays in the spool: %s", reason) }
	a.pool.Uploaded = func(_ string, end task.UploadEnd, _ bool) { told <- end == task.UploadStored }
	if err := a.pool.Upload(t.Context(), unknown, place); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	select {
	case stored := <-told:
		if stored {
			t.Error("reported as stored")
		}
	case <-time.After(time.Minute):
		t.Error("nothing was reported")
	}
}
