package devcore

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

const (
	gz   = "replay/" + day + "/" + sid + ".replay.gz"
	cast = "replay/" + day + "/" + sid + ".cast.gz"
	mp4  = "replay/" + day + "/" + sid + ".replay.mp4"
)

// parted reports whether a version has recordings in parts.
func parted(v string) bool { return v[0] == '4' }

func TestUploadFindsItsPlace(t *testing.T) {
	folder := "replay/" + day + "/" + sid + "/"
	for _, v := range versions {
		for _, tt := range []struct {
			name          string
			version, file string
			want          string // "" = refused
		}{
			{"no version", "", "any.mp4", gz},
			{"empty version", " ", "any.mp4", gz},
			{"guacamole", "2", "any", gz},
			{"asciicast", "3", "../../x.gz", cast},
			{"video", "4", "other.replay.gz", mp4},
			{"version with a fraction", "4.0", "x", mp4},
			{"part", "5", sid + ".0.part.gz", folder + sid + ".0.part.gz"},
			{"index", "5", sid + ".replay.json", folder + sid + ".replay.json"},
			{"name of another session", "5", "other.0.part.gz", folder + "other.0.part.gz"},
			{"traversal", "5", "../../../../evil.gz", folder + "evil.gz"},
			{"traversal of the other style", "5", `..\..\evil.mp4`, folder + "evil.mp4"},
			{"version too small", "1", "x", ""},
			{"version too large", "6", "x", ""},
			{"version no number", "four", "x", ""},
		} {
			want := tt.want
			if tt.version == "5" && !parted(v) {
				want = ""
			}
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := newTestCore(t, v)
				a := s.upload(tt.version, tt.file, "content")
				if want == "" {
					msg, isObject := a.json(t)["msg"].(map[string]any)
					if a.status != 401 || !isObject || msg["version"] == nil || len(s.files()) != 0 {
						t.Errorf("%d %s %v", a.status, a.body, s.files())
					}
					return
				}
				if a.status != 201 || a.json(t)["url"] != "/media/"+want {
					t.Fatalf("%d %s", a.status, a.body)
				}
				if diff := cmp.Diff([]string{want}, s.files()); diff != "" || s.content(want) != "content" {
					t.Errorf("%q %s", s.content(want), diff)
				}
				for name, mode := range map[string]os.FileMode{want: 0o644, filepath.Dir(want): 0o755} {
					if st, err := os.Stat(filepath.Join(s.media, name)); err != nil || st.Mode().Perm() != mode {
						t.Errorf("%s: %v %v", name, st.Mode(), err)
					}
				}
				if row, _ := s.Session(sid); row.HasReplay {
					t.Error("the upload marked the session")
				}
			})
		}
	}
}

// TestUploadForms checks how the form is parsed.
func TestUploadForms(t *testing.T) {
	for _, v := range versions {
		s := newTestCore(t, v)
		post := func(s *testCore, fill func(*multipart.Writer)) answer {
			var b bytes.Buffer
			w := multipart.NewWriter(&b)
			fill(w)
			_ = w.Close() // writes to a buffer cannot fail
			return s.call("POST", sessionPath+"replay/", b.String(), func(r *http.Request) {
				r.Header.Set("Content-Type", w.FormDataContentType())
			})
		}
		file := func(w *multipart.Writer, name, text string) {
			f, _ := w.CreateFormFile("file", name)
			_, _ = io.WriteString(f, text)
		}
		for _, tt := range []struct {
			name   string
			fill   func(*multipart.Writer)
			status int
			want   string // expected in the response
		}{
			{"nothing", func(*multipart.Writer) {}, 401, `{"msg":{"file":["No file was submitted."]}}`},
			{"no file", func(w *multipart.Writer) { _ = w.WriteField("version", "4") }, 401, `"file"`},
			{"file as text", func(w *multipart.Writer) { _ = w.WriteField("file", "x") }, 401, `not a file`},
			{"file without name", func(w *multipart.Writer) { file(w, "", "x") }, 401, `"file"`},
			{"file and version wrong", func(w *multipart.Writer) { _ = w.WriteField("version", "9") }, 401, `"version"`},
			{"version after the file", func(w *multipart.Writer) { file(w, "x", "late"); _ = w.WriteField("version", "3") }, 201, cast},
			{"empty file", func(w *multipart.Writer) { _ = w.WriteField("version", "4"); file(w, "x", "") }, 201, mp4},
			{"further fields", func(w *multipart.Writer) { _ = w.WriteField("colour", "red"); file(w, "x", "red") }, 201, gz},
		} {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := s.in(t)
				if a := post(s, tt.fill); a.status != tt.status || !strings.Contains(a.body, tt.want) {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		if s.content(cast) != "late" || s.content(gz) != "red" {
			t.Errorf("%s: %q %q", v, s.content(cast), s.content(gz))
		}
		for name, tt := range map[string]struct {
			path, kind, body string
			status           int
		}{
			"JSON":               {sessionPath + "replay/", "application/json", `{"version":4}`, 401},
			"broken":             {sessionPath + "replay/", "multipart/form-data; boundary=x", "--x\r\nbroken", 400},
			"no boundary":        {sessionPath + "replay/", "multipart/form-data", "x", 400},
			"upper-case session": {strings.Replace(sessionPath, sid, strings.ToUpper(sid), 1) + "replay/", "application/json", "{}", 404},
			"bad session":        {"/api/v1/terminal/sessions/x/replay/", "application/json", "{}", 404},
			"unknown session":    {"/api/v1/terminal/sessions/11111111-1111-4111-8111-111111111111/replay/", "application/json", "{}", 404},
		} {
			a := s.call("POST", tt.path, tt.body, func(r *http.Request) { r.Header.Set("Content-Type", tt.kind) })
			if a.status != tt.status {
				t.Errorf("%s %s: %d %s", v, name, a.status, a.body)
			}
		}
	}
}

func TestUploadOfTakenName(t *testing.T) {
	for _, v := range versions {
		replaces := v != "3.10.9" && v != "4.2.0"
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			uploads := map[string]string{"4": mp4}
			if parted(v) {
				uploads["5"] = "replay/" + day + "/" + sid + "/" + sid + ".0.part.gz"
			}
			for version, name := range uploads {
				s.upload(version, filepath.Base(name), "old")
				a := s.upload(version, filepath.Base(name), "new")
				if a.status != 201 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				url := a.json(t)["url"].(string)
				ext := filepath.Ext(name)
				random := regexp.MustCompile("^/media/" + regexp.QuoteMeta(strings.TrimSuffix(name, ext)) + "_[0-9A-Za-z]{7}" + regexp.QuoteMeta(ext) + "$")
				switch {
				case replaces && (url != "/media/"+name || s.content(name) != "new"):
					t.Errorf("%s: %s holds %q", url, name, s.content(name))
				case !replaces && (!random.MatchString(url) || s.content(name) != "old" || s.content(strings.TrimPrefix(url, "/media/")) != "new"):
					t.Errorf("%s: %s holds %q", url, name, s.content(name))
				}
			}
			if want := map[bool]int{true: len(uploads), false: 2 * len(uploads)}[replaces]; len(s.files()) != want {
				t.Errorf("files %v", s.files())
			}
			got, err := s.Served(t.Context(), sid)
			if err != nil || got.URL != "/media/"+mp4 {
				t.Errorf("served %+v, %v", got, err)
			}
		})
	}
}

// zeros is a stream of n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// streamed posts a file of n bytes without keeping it in memory.
func (s *testCore) streamed(n int64, chunked bool) answer {
	const boundary = "abc"
	head := fmt.Sprintf("--%s\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n4\r\n--%s\r\n"+
		"Content-Disposition: form-data; name=\"file\"; filename=\"x.mp4\"\r\nContent-Type: application/octet-stream\r\n\r\n", boundary, boundary)
	tail := "\r\n--" + boundary + "--\r\n"
	r := s.request("POST", sessionPath+"replay/", io.MultiReader(strings.NewReader(head), zeros(n), strings.NewReader(tail)))
	if !chunked {
		r.ContentLength = int64(len(head)+len(tail)) + n
	}
	r.Header.Set("X-JMS-ORG", "ROOT")
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	Sign(r, s.key.id, s.key.secret, vectorDate)
	return s.do(r)
}

func TestLargeUploadsAreStreamed(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if a := s.streamed(size, false); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	runtime.ReadMemStats(&after)
	if st, err := os.Stat(filepath.Join(s.media, mp4)); err != nil || st.Size() != size {
		t.Errorf("%v %v", st, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/4 {
		t.Errorf("%d bytes were allocated for an upload of %d", grown, size)
	}
}

func TestProxyRefusesLargeBodies(t *testing.T) {
	s := newTestCore(t, "4.10.13", func(o *Options) { o.MaxUpload = 1 << 20 })
	for _, chunked := range []bool{false, true} {
		a := s.streamed(2<<20, chunked)
		if a.status != 413 || !strings.Contains(a.body, "<html>") || len(s.files()) != 0 {
			t.Errorf("chunked %v: %d %s %v", chunked, a.status, a.body, s.files())
		}
		if a := s.streamed(1<<10, chunked); a.status != 201 {
			t.Errorf("chunked %v, small: %d %s", chunked, a.status, a.body)
		}
		if err := os.Remove(filepath.Join(s.media, mp4)); err != nil {
			t.Error(err)
		}
	}
}

func TestUploadThatBreaksOffStoresNothing(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	r, w := io.Pipe()
	req := s.request("POST", sessionPath+"replay/", r)
	req.Header.Set("X-JMS-ORG", "ROOT")
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	Sign(req, s.key.id, s.key.secret, vectorDate)
	done := make(chan error, 1)
	go func() {
		resp, err := s.http.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	fmt.Fprint(w, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nthe beginning of")
	w.CloseWithError(io.ErrUnexpectedEOF) // net/http cuts the connection
	if err := <-done; err == nil {
		t.Error("an answer to half an upload")
	}
	waittest.Until(t, "the end of the upload", func() bool { l := s.Requests(); return l[len(l)-1].Status != 0 })
	if len(s.files()) != 0 {
		t.Error(s.files())
	}
}

func TestUploadOntoBadVolumeIs400(t *testing.T) {
	s := newTestCore(t, "3.10.9")
	s.put("replay/"+day, "a file where the folder should be")
	a := s.upload("4", "x", "video")
	if text, isText := a.json(t)["msg"].(string); a.status != 400 || !isText || text == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestServerReplayStorageTakesUploads(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			bucket := newDir(t)
			s := newTestCore(t, v, func(o *Options) { o.ServerStorage = bucket })
			if v == "3.10.9" {
				// Up to v4.1 core moves the file that the lookup finds, under a key
				// that no lookup finds.
				s.put(gz, "original")
				s.upload("4", "x", "video")
				waittest.Until(t, "the move", func() bool { return s.content(gz) == "" })
				if s.content(mp4) != "video" || len(bucket.keys(t)) != 1 || !strings.HasSuffix(bucket.keys(t)[0], day+"/"+sid+".replay.gz") ||
					bucket.keys(t)[0] == day+"/"+sid+".replay.gz" {
					t.Errorf("%v and %v", s.files(), bucket.keys(t))
				}
				return
			}
			s.upload("4", "x", "video")
			s.upload("5", sid+".0.part.gz", "part")
			waittest.Until(t, "the move", func() bool { return len(s.files()) == 0 })
			if diff := cmp.Diff([]string{day + "/" + sid + "/" + sid + ".0.part.gz", day + "/" + sid + ".replay.mp4"}, bucket.keys(t)); diff != "" {
				t.Error(diff)
			}
			got, err := s.Served(t.Context(), sid)
			if err != nil || got.Type != "mp4" || !got.Downloaded || s.content(mp4) != "video" {
				t.Errorf("served %+v, %v", got, err)
			}
		})
	}
}

func TestMoveWaits(t *testing.T) {
	bucket := newDir(t)
	s := newTestCore(t, "4.10.13", func(o *Options) { o.ServerStorage, o.MoveDelay = bucket, time.Hour })
	s.upload("4", "x", "video")
	if s.content(mp4) != "video" || len(bucket.keys(t)) != 0 {
		t.Errorf("%v and %v", s.files(), bucket.keys(t))
	}
	// Closing core ends the wait.
}
