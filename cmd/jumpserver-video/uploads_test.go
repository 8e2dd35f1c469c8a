package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// session adds a session to core, which has no replay yet.
func (l *fixture) session(id string) {
	l.core.AddSession(devcore.Session{ID: id, User: "a(a)", Asset: "win", Account: "b(b)", Protocol: "rdp", TerminalType: "lion",
		Start: sessionStart, Finished: true})
}

// marked reports whether core has a replay of the session.
func (l *fixture) marked(id string) bool {
	s, ok := l.core.Session(id)
	return ok && s.HasReplay
}

// lion starts a Lion that uploads to the agent.
func (l *fixture) lion(era liontest.Era, change ...func(*liontest.Options)) *liontest.Lion {
	l.t.Helper()
	opt := liontest.Options{
		Core: l.core.URL, Worker: l.agent.URL(), Token: "boot-secret", Name: era.String(),
		Dir: filepath.Join(l.dir, "lion", era.String()),
	}
	for _, f := range change {
		f(&opt)
	}
	lion, err := liontest.Start(l.t.Context(), era, opt)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(lion.Close)
	return lion
}

// recorded adds a session to core, and its recording to the Lion.
func (l *fixture) recorded(lion *liontest.Lion, id, from string) {
	l.t.Helper()
	l.session(id)
	if err := lion.Record(id, from); err != nil {
		l.t.Fatal(err)
	}
}

// ended has the Lion upload a recording. It must end at the worker.
func (l *fixture) ended(lion *liontest.Lion, id string) {
	l.t.Helper()
	out, err := lion.End(l.t.Context(), id, sessionDay)
	if err != nil || out.Task == "" {
		l.t.Fatalf("%+v %v\n%s", out, err, l.agent.Log())
	}
}

// sessionStart is the start of the sessions in these tests. It is on one of the recent days,
// which are read often, whenever the tests run.
var (
	sessionStart = time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)
	sessionDay   = sessionStart.Format(time.DateOnly)
)

// sample returns a recording of the test data: a flat file, or a folder of parts.
func sample(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("../../testdata/recordings", pattern))
	if err != nil || len(found) != 1 {
		t.Fatal(pattern, found, err)
	}
	return found[0]
}

// TestEveryLionsUploadsAreServedAsMP4: for each release of Lion, also if a Lion uploads its
// recordings again after a restart.
func TestEveryLionsUploadsAreServedAsMP4(t *testing.T) {
	t.Parallel()
	for _, version := range releases() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			l := newFixture(t, version)
			l.startHealthy()
			lions := map[string]*liontest.Lion{}
			for i, era := range liontest.Eras {
				id := fmt.Sprintf("%08x-1111-4111-8111-111111111111", i)
				lions[id] = l.lion(era)
				from := sample(t, "tiny/v3/*/*.replay.gz")
				if era == liontest.Parts {
					from = sample(t, "multipart/v4/*/*")
				}
				l.recorded(lions[id], id, from)
				l.ended(lions[id], id)
			}
			for id := range lions {
				l.until(id, func() bool { return l.served(id) == "mp4" && l.marked(id) })
				l.until("told of "+id, func() bool { return l.events(id) == toldOfUpload })
				l.sized(id, version)
			}
			for id, lion := range lions {
				kept := len(lion.Left()) > 0
				if err := lion.Restart(t.Context(), sessionDay); err != nil {
					t.Error(id, err)
				}
				if kept && l.served(id) != "guacamole" {
					t.Errorf("%s: the late original does not exist", id)
				}
				l.until("again "+id, func() bool { return l.served(id) == "mp4" })
			}
			if code := l.stop(); code != 0 {
				t.Errorf("the agent ended with %d", code)
			}
			l.eventsOnce(lions)
		})
	}
}

// toldOfUpload are the events of an upload that becomes an MP4.
const toldOfUpload = "replay_convert_start replay_convert_success replay_upload_start replay_upload_success"

// events returns the names of a session's lifecycle events, in order.
func (l *fixture) events(id string) string {
	var names []string
	for _, e := range l.core.Events(id) {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// sized checks that the session has the size of the MP4, if core has that field, and no
// error.
func (l *fixture) sized(id, version string) {
	l.t.Helper()
	st, err := os.Stat(filepath.Join(l.replay(), sessionDay, id+".replay.mp4"))
	if err != nil {
		l.t.Fatal(err)
	}
	want := st.Size()
	if version == "3.10.9" {
		want = 0
	}
	if s, _ := l.core.Session(id); s.ReplaySize != want || s.ErrorReason != "" {
		l.t.Errorf("%s: %d bytes, want %d; %q", id, s.ReplaySize, want, s.ErrorReason)
	}
}

// eventsOnce checks that each lifecycle event was sent once for each session.
func (l *fixture) eventsOnce(sessions map[string]*liontest.Lion) {
	l.t.Helper()
	for id := range sessions {
		seen := map[string]int{}
		for _, e := range l.core.Events(id) {
			seen[e.Name]++
		}
		for _, want := range []coreapi.Event{coreapi.ConvertStart, coreapi.ConvertSuccess, coreapi.UploadStart} {
			if seen[string(want)] != 1 {
				l.t.Errorf("%s: %v", id, seen)
				break
			}
		}
	}
}

// TestWhatCannotBeConvertedIsUploadedAsItIs: recordings in which nothing is drawn are
// uploaded to core unchanged.
func TestWhatCannotBeConvertedIsUploadedAsItIs(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	hollow := gzipped(t, "4.size,1.0,4.1024,3.768;"+longNops(4000)+"4.sync,4.1000;4.sync,4.9000;")
	from := filepath.Join(t.TempDir(), "hollow.gz")
	if err := os.WriteFile(from, hollow, 0o600); err != nil {
		t.Fatal(err)
	}
	flat, parts, raw := "bbbbbbbb-1111-4111-8111-111111111111", "bbbbbbbb-2222-4111-8111-111111111111", "bbbbbbbb-3333-4111-8111-111111111111"
	for id, era := range map[string]liontest.Era{flat: liontest.Signed, parts: liontest.Parts, raw: liontest.Raw} {
		lion := l.lion(era)
		l.recorded(lion, id, from)
		l.ended(lion, id)
	}
	l.until("the recording itself", func() bool { return l.served(flat) == "guacamole" && l.marked(flat) })
	l.until("the recording itself, in parts", func() bool { return l.served(parts) == "parts" && l.marked(parts) })
	l.until("the recording itself, compressed", func() bool { return l.served(raw) == "guacamole" && l.marked(raw) })
	for _, name := range []string{flat + ".replay.gz", raw + ".replay.gz", filepath.Join(parts, parts+".0.part.gz")} {
		stored, err := os.ReadFile(filepath.Join(l.replay(), sessionDay, name))
		if err != nil || !bytes.Equal(unzipped(t, stored), unzipped(t, hollow)) {
			t.Errorf("the recording was not kept: %v", err)
		}
	}
	// The watcher finds the uploaded recordings on the volume, and does not change them.
	// Core gets no further events.
	l.until("all found on the volume, and left there", func() bool {
		return strings.Count(l.agent.Log(), "failed; the original stays") == 6
	})
	want := []string{"replay_convert_start", "replay_upload_start", "replay_upload_success", "replay_convert_failure"}
	for _, id := range []string{flat, parts, raw} {
		var got []string
		for _, e := range l.core.Events(id) {
			got = append(got, e.Name)
			if e.Name == string(coreapi.ConvertFailure) && !strings.Contains(e.Reason, "drawn") {
				t.Errorf("reason %q", e.Reason)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(id, d)
		}
		if s, _ := l.core.Session(id); id != raw && s.ReplaySize != int64(len(hollow)) || s.ReplaySize == 0 || s.ErrorReason != "replay_convert_failed" {
			t.Errorf("%s: %d bytes, %q", id, s.ReplaySize, s.ErrorReason)
		}
	}
}

// TestAnUnfitWorkerSaysSo: the health endpoint has the reason, and Lion keeps its recordings.
func TestAnUnfitWorkerSaysSo(t *testing.T) {
	t.Parallel()
	reasons := func(l *fixture) string {
		_, body := l.get("/video-worker/health/", "", "")
		return body
	}
	t.Run("no ffmpeg", func(t *testing.T) {
		t.Parallel()
		l := newFixture(t, "4.10.13")
		real, err := exec.LookPath("ffmpeg")
		if err != nil {
			t.Fatal(err)
		}
		bin := t.TempDir()
		link := filepath.Join(bin, "ffmpeg")
		if err := os.Symlink(real, link); err != nil {
			t.Fatal(err)
		}
		l.env["PATH"], l.env["FFMPEG"] = bin+":"+os.Getenv("PATH"), ""
		l.startHealthy()
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		l.until("unhealthy", func() bool { return l.health() == http.StatusServiceUnavailable })
		if body := reasons(l); !strings.Contains(body, "ffmpeg") {
			t.Error(body)
		}
		lion, id := l.lion(liontest.Parts), "eeeeeeee-2222-4111-8111-111111111111"
		l.recorded(lion, id, sample(t, "multipart/v4/*/*"))
		out, err := lion.End(t.Context(), id, sessionDay)
		if err != nil || out.Refused == nil || !strings.Contains(out.Refused.Error(), "503") {
			t.Fatalf("%+v %v", out, err)
		}
		if err := os.Symlink(real, link); err != nil {
			t.Fatal(err)
		}
		l.until("healthy again", func() bool { return l.health() == http.StatusOK })
		l.until("served all the same", func() bool { return l.served(id) == "mp4" })
	})
	t.Run("no room", func(t *testing.T) {
		t.Parallel()
		l := newFixture(t, "4.10.13")
		l.env["TEST_UPLOAD_RESERVE"] = strconv.Itoa(1 << 60)
		l.start()
		l.until("registered", func() bool {
			return strings.Contains(reasons(l), "room") && !strings.Contains(reasons(l), "registered")
		})
		lion, id := l.lion(liontest.Signed), "eeeeeeee-3333-4111-8111-111111111111"
		l.recorded(lion, id, sample(t, "tiny/v3/*/*.replay.gz"))
		out, err := lion.End(t.Context(), id, sessionDay)
		if err != nil || out.Refused == nil {
			t.Fatalf("%+v %v", out, err)
		}
		l.until("served all the same", func() bool { return l.served(id) == "mp4" })
	})
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// longNops returns instructions without effect that cannot be compressed.
func longNops(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "3.nop,8.%08x;", r.Uint32())
	}
	return b.String()
}
