package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"jumpserver-video/coreapi"
	"jumpserver-video/coreapi/coretest"
)

// lion is a component that uploads as Lion does: its requests carry the
// signature of a request to core.
type lion struct {
	*lab
	key coreapi.Key
}

func (l *lab) lion() *lion {
	l.t.Helper()
	client, err := coreapi.New(coreapi.Options{BaseURL: l.core.URL})
	if err != nil {
		l.t.Fatal(err)
	}
	defer client.Close()
	key, err := client.Register(l.t.Context(), "boot-secret", "[Lion]-test")
	if err != nil {
		l.t.Fatal(err)
	}
	return &lion{l, key}
}

func (l *lion) post(path, contentType string, body []byte) (int, map[string]any) {
	l.t.Helper()
	virtual, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, l.core.URL+"/api/v1/users/profile/", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	virtual.Header.Set("X-JMS-ORG", "ROOT")
	l.key.Sign(virtual)
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", l.port, path), bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, name := range []string{"Authorization", "Date", "X-JMS-ORG"} {
		r.Header.Set(name, virtual.Header.Get(name))
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func file(name string, data []byte) (contentType string, body []byte) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	f, err := form.CreateFormFile("file", name)
	if err == nil {
		_, _ = f.Write(data)
	}
	_ = form.Close()
	return form.FormDataContentType(), b.Bytes()
}

// session makes one known to core, which has no replay yet.
func (l *lab) session(id string) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	l.core.AddSession(coretest.Session{ID: id, User: "a(a)", Asset: "win", Account: "b(b)", Protocol: "rdp", TerminalType: "lion", Start: start, End: start.Add(time.Hour), Finished: true})
}

// upload4 sends a recording in parts as Lion 4.10.13 does.
func (l *lion) upload4(id, dir string) {
	l.t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.part.gz"))
	if err != nil || len(found) == 0 {
		l.t.Fatal(found, err)
	}
	sort.Strings(found)
	var files []map[string]any
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			l.t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		files = append(files, map[string]any{"name": filepath.Base(path), "start": 1, "end": 2, "duration": 1, "size": 1, "checksum": hex.EncodeToString(sum[:])})
	}
	body, err := json.Marshal(map[string]any{"config": map[string]any{"Width": 0}, "meta": map[string]any{
		"id": id, "type": "guacamole", "date_start": "2026-11-22 09:00:00 +0000", "files": files}})
	if err != nil {
		l.t.Fatal(err)
	}
	status, answer := l.post("/api/v2/replay/sessions/"+id+"/task/", "application/json", body)
	if status != http.StatusOK {
		l.t.Fatal(status, answer)
	}
	for i, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			l.t.Fatal(err)
		}
		kind, form := file(filepath.Base(path), data)
		if status, answer := l.post(fmt.Sprintf("/api/v2/replay/sessions/%s/task/upload/%d", answer["id"], i), kind, form); status != http.StatusOK || answer["ok"] != true {
			l.t.Fatal(status, answer)
		}
	}
}

// marked tells whether core lists a replay of the session.
func (l *lab) marked(id string) bool {
	s, ok := l.core.Session(id)
	return ok && s.HasReplay
}

func TestWhatLionUploadsIsServedAsMP4(t *testing.T) {
	l := newLab(t, "4.10.13")
	if err := os.MkdirAll(l.replay(), 0o755); err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob("../../testdata/recordings/multipart/v4/*/*")
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	flat, err := filepath.Glob("../../testdata/recordings/tiny/v3/*/*.replay.gz")
	if err != nil || len(flat) != 1 {
		t.Fatal(flat, err)
	}
	data, err := os.ReadFile(flat[0])
	if err != nil {
		t.Fatal(err)
	}
	first, second, broken := filepath.Base(parts[0]), "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"
	for _, id := range []string{first, second, broken} {
		l.session(id)
	}
	l.start()
	l.until("healthy", func() bool { return l.health() == http.StatusOK })
	client := l.lion()
	client.upload4(first, parts[0])
	kind, form := file(second+".replay.gz", data)
	if status, answer := client.post("/api/v2/replay/sessions/"+second+"/task/", kind, form); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	// Nothing is ever drawn in this one: it cannot become a video.
	hollow := gzipped(t, "4.size,1.0,4.1024,3.768;"+longNops(4000)+"4.sync,4.1000;4.sync,4.9000;")
	kind, form = file(broken+".replay.gz", hollow)
	if status, answer := client.post("/api/v2/replay/sessions/"+broken+"/task/", kind, form); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	for _, id := range []string{first, second} {
		l.until(id, func() bool { return l.served(id) == "mp4" })
		l.until("marked "+id, func() bool { return l.marked(id) })
	}
	l.until("the recording itself", func() bool { return l.served(broken) == "guacamole" && l.marked(broken) })
	stored, err := os.ReadFile(filepath.Join(l.replay(), "2026-11-22", broken+".replay.gz"))
	if err != nil || !bytes.Equal(stored, hollow) {
		t.Errorf("the recording was not kept: %v", err)
	}
	if code := l.stop(); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
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

// longNops are instructions that mean nothing and do not compress away.
func longNops(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "3.nop,8.%08x;", r.Uint32())
	}
	return b.String()
}
