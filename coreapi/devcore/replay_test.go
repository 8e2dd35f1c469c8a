package devcore

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// play requests the replay until the lookup has ended.
func (s *testCore) play(query string) answer {
	s.t.Helper()
	first := s.call("GET", sessionPath+"replay/"+query, "")
	if first.status != 200 || first.json(s.t)["status"] != "running" {
		return first
	}
	query = strings.NewReplacer("refresh=1&", "", "refresh=1", "").Replace(query)
	var a answer
	waittest.Until(s.t, "the end of the lookup", func() bool {
		a = s.call("GET", sessionPath+"replay/"+query, "")
		return a.status != 200 || a.json(s.t)["status"] != "running"
	})
	return a
}

func TestReplayAnswerIsCached(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			another := s.register("another")
			first := s.call("GET", sessionPath+"replay/", "").json(t)
			if first["status"] != "running" || first["start_time"] == nil || first["key"] == "" {
				t.Errorf("%v", first)
			}
			if a := s.play(""); a.status != 404 || a.json(t)["error"] == "" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			s.put(gz, "original")
			if a := s.play(""); a.status != 404 {
				t.Errorf("the 404 was not kept: %s", a.body)
			}
			got := s.play("?refresh=1").json(t)
			want := map[string]any{
				"type": "guacamole", "src": "/media/" + gz, "user": "Lee(lee)", "asset": "win-07(10.3.4.7)", "account": "ops(ops)",
				"date_start": "2024-04-23T17:15:07Z", "date_end": "2024-04-23T18:00:07Z",
				"download_url": sessionPath + "replay/download/",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			// The new file is served only after the cache has expired …
			s.put(mp4, "video")
			if err := os.Remove(filepath.Join(s.media, gz)); err != nil {
				t.Fatal(err)
			}
			s.clock.pass(599 * time.Second)
			if got := s.play("?_=2").json(t); got["type"] != "guacamole" {
				t.Errorf("before 600 s: %v", got)
			}
			// … or to another user …
			mine := s.key
			s.key = another
			if got := s.play("").json(t); got["type"] != "mp4" {
				t.Errorf("another user: %v", got)
			}
			s.key = mine
			s.clock.pass(time.Second)
			if a := s.call("GET", sessionPath+"replay/", ""); a.json(t)["status"] != "running" {
				t.Errorf("after 600 s: %s", a.body)
			}
			if got := s.play("").json(t); got["type"] != "mp4" || got["src"] != "/media/"+mp4 {
				t.Errorf("after 600 s: %v", got)
			}
		})
	}
}

func TestReplayParts(t *testing.T) {
	part := sid + ".0.part.gz"
	folder := day + "/" + sid + "/"
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v, func(o *Options) {
				o.External = []Storage{{Name: "a", External: newDir(t, folder+part)}}
			})
			s.put(index, "{}")
			a := s.play("?part_filename=" + part)
			if !parted(v) {
				if a.status != 404 {
					t.Errorf("%d %s", a.status, a.body)
				}
				return
			}
			if got := a.json(t); got["src"] != "/media/replay/"+folder+part || got["type"] != "guacamole" {
				t.Errorf("%v", got)
			}
			if diff := cmp.Diff([]string{"replay/" + folder + part, index}, s.files()); diff != "" {
				t.Error(diff)
			}
			for _, name := range []string{"none.gz", "../x", ".."} {
				if a := s.play("?part_filename=" + name); a.status != 404 {
					t.Errorf("%s: %d %s", name, a.status, a.body)
				}
			}
		})
	}
}

func TestOneBrokenStorageIsAnErrorInV3(t *testing.T) {
	s := newTestCore(t, "3.10.9", func(o *Options) { o.External = []Storage{{Name: "bad", Broken: true}} })
	if got := s.play("").json(t); got["status"] != "error" || !strings.Contains(got["error"].(string), "bad") {
		t.Error(got)
	}
}

// names returns the names in a tar.
func names(t *testing.T, archive []byte) (list []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h.Name)
	}
}

func TestDownloadOfFlatReplayIsMadeAnew(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			if a := s.call("GET", sessionPath+"replay/download/", ""); a.status != 404 || a.body != "error" {
				t.Errorf("%d %s", a.status, a.body)
			}
			for _, name := range []string{mp4, gz} {
				s.put(name, "content")
				a := s.call("GET", sessionPath+"replay/download/", "")
				if a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				if v == "4.10.17" {
					want := "/private-media/replay/" + day + "/" + sid + ".tar"
					if a.body != "" || a.header.Get("X-Accel-Redirect") != want {
						t.Errorf("%q %v", a.body, a.header)
					}
					a.body = s.content("replay/" + day + "/" + sid + ".tar")
				}
				if diff := cmp.Diff([]string{filepath.Base(name), sid + ".json"}, names(t, []byte(a.body))); diff != "" {
					t.Error(diff)
				}
				if !strings.Contains(s.content("replay/"+day+"/"+sid+".json"), `"id":"`+sid+`"`) {
					t.Error("no detail")
				}
			}
		})
	}
}

func TestDownloadOfPartsIsReused(t *testing.T) {
	folder := "replay/" + day + "/" + sid + "/"
	for _, v := range versions[1:] {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			s.put(index, `{"files":[{"name":"`+sid+`.0.part.gz"},{"name":"`+sid+`.1.part.gz"}]}`)
			s.put(folder+sid+".0.part.gz", "0")
			if a := s.call("GET", sessionPath+"replay/download/", ""); a.status != 404 {
				t.Errorf("with a part missing: %d", a.status)
			}
			s.put(folder+sid+".1.part.gz", "1")
			if a := s.call("GET", sessionPath+"replay/download/", ""); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			tarball := s.content(folder + sid + ".tar")
			want := []string{sid + ".replay.json", sid + ".0.part.gz", sid + ".1.part.gz"}
			if diff := cmp.Diff(want, names(t, []byte(tarball))); diff != "" {
				t.Error(diff)
			}
			s.put(folder+sid+".0.part.gz", "changed")
			if a := s.call("GET", sessionPath+"replay/download/", ""); a.status != 200 || s.content(folder+sid+".tar") != tarball {
				t.Errorf("%d, made anew", a.status)
			}
		})
	}
}

func TestDownloadsAreLimitedFromV41017(t *testing.T) {
	for _, v := range versions[4:] {
		s := newTestCore(t, v)
		s.put(mp4, "video")
		var refused int
		for range tarsPerHour + 1 {
			if a := s.call("GET", sessionPath+"replay/download/", ""); a.status == 429 {
				refused++
			}
		}
		if want := map[string]int{"4.10.16": 0, "4.10.17": 1}[v]; refused != want {
			t.Errorf("%s: %d refused", v, refused)
		}
	}
}

func TestBrowserGetsMedia(t *testing.T) {
	for _, v := range append([]string{"3.10.1"}, versions...) {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			s.put(mp4, "0123456789")
			s.put(gz+".trash", "original")
			login := s.Login()
			get := func(path string, edits ...func(*http.Request)) answer {
				return s.do(s.request("GET", path, nil, append(edits, func(r *http.Request) { r.AddCookie(login) })...))
			}
			a := get("/media/"+mp4, func(r *http.Request) { r.Header.Set("Range", "bytes=2-4") })
			if a.status != 206 || a.body != "234" || a.header.Get("Content-Type") != "video/mp4" {
				t.Errorf("%+v", a)
			}
			for path, want := range map[string]int{
				"/media/" + mp4: 200, "/media/" + gz: 404, "/media/replay/" + day + "/": 404, "/media/other/x": 403, "/media/replay/../x": 403,
			} {
				if a := get(path); a.status != want {
					t.Errorf("%s: %d", path, a.status)
				}
			}
			if a := s.call("GET", "/media/"+mp4, ""); a.status != 403 {
				t.Errorf("signed, without login: %d", a.status)
			}

			// nginx sends videos, and is neither owner nor group of the file; core
			// itself sends everything else.
			denied := v != "3.10.1"
			blocked := map[bool]int{true: 403, false: 200}[denied]
			for _, tt := range []struct {
				name string
				mode os.FileMode
			}{{mp4, 0o600}, {mp4, 0o640}, {filepath.Dir(mp4), 0o750}} {
				name := filepath.Join(s.media, tt.name)
				st, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(name, tt.mode); err != nil {
					t.Fatal(err)
				}
				got, err := s.Served(t.Context(), sid)
				if a := get("/media/" + mp4); a.status != blocked || err != nil || got.Denied != denied {
					t.Errorf("%s with %v: %d, %+v, %v", tt.name, tt.mode, a.status, got, err)
				}
				if err := os.Chmod(name, st.Mode()); err != nil {
					t.Fatal(err)
				}
			}
			s.put(gz, "original")
			if err := os.Chmod(filepath.Join(s.media, gz), 0o600); err != nil {
				t.Fatal(err)
			}
			if a := get("/media/" + gz); a.status != 200 {
				t.Errorf("private original: %d", a.status)
			}
		})
	}
}

func TestExpireGoesByModificationTime(t *testing.T) {
	for _, v := range append([]string{"3.10.22", "3.10.23", "4.0.0"}, versions...) {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v, func(o *Options) { o.KeepDays = 10 })
			videos := v != "3.10.9" && v != "3.10.22"
			age := func(rel string, days float64) {
				t.Helper()
				s.put(rel, "x")
				when := s.clock.Now().Add(-time.Duration(days * 24 * float64(time.Hour)))
				if err := os.Chtimes(filepath.Join(s.media, rel), when, when); err != nil {
					t.Fatal(err)
				}
			}
			old, fresh := "replay/2024-01-01/", "replay/2024-04-22/"
			for _, name := range []string{"a.replay.gz", "a.cast.gz", "a.json", "a.tar", "a.replay.mp4", "a.txt", "a.replay.gz.trash"} {
				age(old+name, 11.5)
				age(fresh+name, 9.5)
			}
			age("replay/2023-01-01/b/b.replay.json", 400)
			age("other/a.gz", 400)
			s.AddSession(Session{ID: sid, Start: s.clock.Now().AddDate(0, 0, -11)})
			removed, err := s.Expire()
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"replay/2023-01-01/b/b.replay.json", old + "a.cast.gz", old + "a.json", old + "a.replay.gz", old + "a.tar"}
			if videos {
				want = append(want, old+"a.replay.mp4")
			}
			slices.Sort(want)
			slices.Sort(removed)
			if diff := cmp.Diff(want, removed); diff != "" {
				t.Error(diff)
			}
			if _, err := os.Stat(filepath.Join(s.media, "replay/2023-01-01")); !os.IsNotExist(err) {
				t.Error("empty folders stay")
			}
			if _, found := s.Session(sid); found {
				t.Error("the session stays")
			}
			if s.content("other/a.gz") == "" || s.content(old+"a.txt") == "" || (s.content(old+"a.replay.mp4") == "") != videos {
				t.Error(s.files())
			}
		})
	}
}

// If the volume is empty, core deletes the replay folder itself: it does not exist
// until the next upload.
func TestExpireRemovesTheEmptyReplayFolder(t *testing.T) {
	s := newTestCore(t, "4.10.13")
	if _, err := s.Expire(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.media, "replay")); !os.IsNotExist(err) {
		t.Error("it is there")
	}
	if _, err := s.Expire(); err != nil {
		t.Errorf("without it: %v", err)
	}
	if a := s.upload("4", "x", "video"); a.status != 201 || s.content(mp4) != "video" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
