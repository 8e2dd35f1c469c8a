package devcore

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "boot-strap"
	sid   = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	day   = "2024-04-23"
)

// versions are the versions that every table runs with.
var versions = []string{"3.10.9", "4.2.0", "4.8.0", "4.10.13", "4.10.16", "4.10.17"}

// began is 01:15 of the next day in Shanghai.
var began = time.Date(2024, 4, 23, 17, 15, 7, 0, time.UTC)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testCore is a core with one session, and a component that calls it.
type testCore struct {
	*Server
	t     *testing.T
	clock *clock
	media string
	http  *http.Client
	key   key
}

type key struct{ id, secret string }

// newTestCore starts a core with a registered worker, whose key signs requests.
func newTestCore(t *testing.T, version string, change ...func(*Options)) *testCore {
	t.Helper()
	s := &testCore{t: t, clock: &clock{now: began.Add(24 * time.Hour)}, media: t.TempDir()}
	opt := Options{Version: version, MediaDir: s.media, BootstrapToken: token, Now: s.clock.Now, MoveDelay: time.Millisecond}
	for _, f := range change {
		f(&opt)
	}
	var err error
	if s.Server, err = Start(opt); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{ExpectContinueTimeout: 10 * time.Second}
	s.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if opt.Registration != RegistrationOff {
		s.key = s.register("[VideoWorker]-test")
	}
	s.AddSession(Session{
		ID: sid, User: "Lee(lee)", Asset: "win-07(10.3.4.7)", Account: "ops(ops)", Protocol: "rdp", TerminalType: "lion",
		Start: began, End: began.Add(45 * time.Minute), Finished: true,
	})
	return s
}

// in is the core for a subtest.
func (s *testCore) in(t *testing.T) *testCore {
	sub := *s
	sub.t = t
	return &sub
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// json decodes an object.
func (a answer) json(t *testing.T) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v: %q", err, a.body)
	}
	return m
}

// code returns core's machine-readable code of an error.
func (a answer) code() string {
	var m struct{ Code string }
	_ = json.Unmarshal([]byte(a.body), &m) // many responses have none
	return m.Code
}

// request returns an unsigned request for the path, changed by edits.
func (s *testCore) request(method, path string, body io.Reader, edits ...func(*http.Request)) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range edits {
		f(r)
	}
	return r
}

func (s *testCore) do(r *http.Request) answer {
	s.t.Helper()
	resp, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// call signs a request as the worker, in the ROOT organization, with JSON if
// there is a body.
func (s *testCore) call(method, path, body string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := s.request(method, path, r)
	req.Header.Set("X-JMS-ORG", "ROOT")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range edits {
		f(req)
	}
	Sign(req, s.key.id, s.key.secret, "Tue, 23 Apr 2024 11:40:34 UTC")
	return s.do(req)
}

// register registers a component.
func (s *testCore) register(name string) key {
	s.t.Helper()
	a := s.registration(`{"name":` + quote(name) + `,"type":"video_worker","comment":"video_worker"}`)
	if a.status != http.StatusCreated {
		s.t.Fatalf("register: %d %s", a.status, a.body)
	}
	k := a.json(s.t)["service_account"].(map[string]any)["access_key"].(map[string]any)
	return key{k["id"].(string), k["secret"].(string)}
}

func (s *testCore) registration(body string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	r := s.request(http.MethodPost, "/api/v1/terminal/terminal-registrations/", strings.NewReader(body))
	r.Header.Set("Authorization", "BootstrapToken "+token)
	r.Header.Set("Content-Type", "application/json")
	for _, f := range edits {
		f(r)
	}
	return s.do(r)
}

func quote(text string) string {
	b, _ := json.Marshal(text) // a string can always be marshalled
	return string(b)
}

const sessionPath = "/api/v1/terminal/sessions/" + sid + "/"

// upload sends a file as components do: text fields first, the file last.
func (s *testCore) upload(version, name, content string) answer {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if version != "" {
		_ = w.WriteField("version", version)
	}
	f, _ := w.CreateFormFile("file", name)
	_, _ = io.WriteString(f, content)
	_ = w.Close() // writes to a buffer cannot fail
	return s.call(http.MethodPost, sessionPath+"replay/", b.String(), func(r *http.Request) {
		r.Header.Set("Content-Type", w.FormDataContentType())
	})
}

// put writes a file to the media folder.
func (s *testCore) put(rel, content string) {
	s.t.Helper()
	name := filepath.Join(s.media, rel)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// content returns the content of a file in the media folder, "" if it does not
// exist.
func (s *testCore) content(rel string) string {
	b, err := os.ReadFile(filepath.Join(s.media, rel))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(b)
}

// files lists the files in the media folder.
func (s *testCore) files() []string {
	s.t.Helper()
	list := []string{}
	err := filepath.WalkDir(s.media, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(s.media, name)
			list = append(list, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}
