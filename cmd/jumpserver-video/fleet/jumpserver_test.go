package fleet

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

const token = "fleet-bootstrap-token"

// jumpServer is a JumpServer with its volume, and the log of both.
type jumpServer struct {
	t      *testing.T
	dir    string
	day    string // the folder of all recordings
	core   *devcore.Server
	volume *volumetest.Volume
	log    *eventLog
	marks  map[string]string // the mark of its source in a session's MP4

	// forgetful means that the queue is lost from time to time. Core then gets events
	// twice, and done recordings have no task.
	forgetful bool
}

func newJumpServer(t *testing.T, dir string) *jumpServer {
	t.Helper()
	start := time.Now().UTC().Add(-24 * time.Hour)
	s := &jumpServer{t: t, dir: dir, day: start.Format(time.DateOnly), marks: map[string]string{}, log: newEventLog(t, filepath.Join(dir, "events.jsonl"))}
	for _, sub := range []string{"media/replay/" + s.day, "mnt/replay"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.core, err = devcore.Start(devcore.Options{
		Version: "4.10.13", MediaDir: filepath.Join(dir, "media"), BootstrapToken: token, RatePerMinute: 1 << 20,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.core.Close() })
	if s.volume, err = volumetest.Mount(s.coreReplay(), filepath.Join(dir, "mnt", "replay")); err != nil {
		t.Skipf("FUSE mounts are not permitted here: %v", err)
	}
	t.Cleanup(s.volume.Vanish)
	s.volume.Watch(s.touched)
	return s
}

// coreReplay is the folder to which core writes; agents see it through the volume.
func (s *jumpServer) coreReplay() string { return filepath.Join(s.dir, "media", "replay") }

func (s *jumpServer) original(id string) string { return s.day + "/" + id + ".replay.gz" }
func (s *jumpServer) video(id string) string    { return s.day + "/" + id + ".replay.mp4" }

// arrive puts the recording of an ended session on the volume.
func (s *jumpServer) arrive(id string, random *rand.Rand) {
	data := dump(random)
	digest := sha256.Sum256(data)
	whole := sha256.Sum256(digest[:])
	s.marks[id] = hex.EncodeToString(whole[:])
	day, _ := time.Parse(time.DateOnly, s.day)
	s.core.AddSession(devcore.Session{
		ID: id, User: "Lee(lee)", Asset: "win-07(10.3.4.7)", Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
		Start: day.Add(3 * time.Hour), End: day.Add(4 * time.Hour), Finished: true,
	})
	s.log.add(event{What: arrived, Session: id})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data) // to memory
	_ = z.Close()
	path := filepath.Join(s.coreReplay(), s.original(id))
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		s.t.Error(err)
	}
}

// dump returns a Guacamole dump of some seconds, with boxes on a desktop.
func dump(random *rand.Rand) []byte {
	var b strings.Builder
	put := func(op string, args ...any) {
		fmt.Fprintf(&b, "%d.%s", len(op), op)
		for _, a := range args {
			text := fmt.Sprint(a)
			fmt.Fprintf(&b, ",%d.%s", len(text), text)
		}
		b.WriteString(";")
	}
	put("size", 0, 320, 240)
	for i := range 10 + random.IntN(10) {
		for range 10 {
			put("rect", 0, random.IntN(300), random.IntN(220), 10+random.IntN(60), 10+random.IntN(60))
			put("cfill", 14, 0, random.IntN(256), random.IntN(256), random.IntN(256), 255)
		}
		put("sync", 1000+i*200)
	}
	return []byte(b.String())
}

// videoOf returns the digest of an MP4, and whether it has the mark of the session's
// recording.
func (s *jumpServer) videoOf(id string, data []byte) (sum string, source bool) {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:]), bytes.Contains(data, []byte("source=sha256:"+s.marks[id]))
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// touched records operations on originals and MP4s, before they are executed.
func (s *jumpServer) touched(op, on string) {
	if op != "rename" && op != "remove" {
		return
	}
	id := uuids.FindString(on)
	what := retired
	switch on {
	case s.original(id):
	case s.video(id):
		what = pushed
	default:
		return
	}
	e := event{What: what, Session: id, Note: op}
	if data, err := os.ReadFile(filepath.Join(s.coreReplay(), s.video(id))); err == nil {
		e.Video, e.Source = s.videoOf(id, data)
	}
	s.log.add(e)
}

// front is a proxy between an agent and core, which records requests.
func (s *jumpServer) front(agent string) string {
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := uuids.FindString(r.URL.Path)
		if r.Method != http.MethodPost || id == "" || !strings.Contains(r.URL.Path, "/replay/") {
			s.core.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil { // the agent has ended
			panic(http.ErrAbortHandler)
		}
		e := event{What: sent, Session: id, Agent: agent}
		e.Video, e.Source = s.videoOf(id, file(r.Header.Get("Content-Type"), body))
		s.log.add(e) // before core has it, because others may see it at once
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.core.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f.URL
}

// file returns the file in a form.
func file(kind string, body []byte) []byte {
	_, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return nil
	}
	for form := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := form.NextPart()
		if err != nil {
			return nil
		}
		if part.FileName() != "" {
			data, _ := io.ReadAll(part) // from memory
			return data
		}
	}
}

// recordCoreEvents adds the events that core has got to the log.
func (s *jumpServer) recordCoreEvents() {
	if s.forgetful {
		return
	}
	for id := range s.marks {
		for _, e := range s.core.Events(id) {
			s.log.add(event{What: told, Session: id, Agent: e.By, Note: e.Name})
		}
	}
}

// ends returns the final state of each session.
func (s *jumpServer) ends(ctx context.Context, tasks map[string]task.View) map[string]outcome {
	all := map[string]outcome{}
	for id := range s.marks {
		session, _ := s.core.Session(id)
		end := outcome{State: string(tasks[id].State), Marked: session.HasReplay}
		if r, err := s.core.Served(ctx, id); err == nil && r.Type == "mp4" && !r.Denied {
			if data, err := os.ReadFile(r.Path); err == nil {
				end.Served, end.Source = s.videoOf(id, data)
			}
			if err := plays(ctx, r.Path); err != nil {
				end.Left = append(end.Left, err.Error())
			}
		}
		if _, err := os.Stat(filepath.Join(s.coreReplay(), s.original(id))); s.forgetful && tasks[id].ID == "" && err != nil {
			end.State, end.Marked = "done", true // its task was lost
		}
		all[id] = end
	}
	err := filepath.WalkDir(s.coreReplay(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(s.coreReplay(), path)
		id := uuids.FindString(rel)
		end := all[id]
		switch {
		case strings.HasPrefix(rel, ".") && strings.HasSuffix(rel, ".replay.gz"):
			end.Trashed++
		case rel == s.original(id):
			end.Original = true
		case rel != s.video(id) && !strings.HasPrefix(rel, "."):
			end.Left = append(end.Left, rel)
		}
		all[id] = end
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	return all
}

// plays checks that another program can decode an MP4.
func plays(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-threads", "1", "-i", path, "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		return fmt.Errorf("%s does not play: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}
