package upload

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// FuzzAnnouncement: an announcement is refused with a 4xx status, or it names only
// parts of its session, each once, and its index can be parsed later with the same
// meaning.
func FuzzAnnouncement(f *testing.F) {
	part := `{"name":"` + session + `.0.part.gz","start":912345678,"end":914999000,"duration":2653322,"size":314572911,"checksum":"` + sum([]byte("x")) + `"}`
	for _, seed := range []string{
		`{"config":{"MaxFrame":0,"Width":1920},"meta":{"id":"` + session + `","type":"guacamole","date_start":"2025-11-20 17:15:07 +0000","files":[` + part + `]}}`,
		`{"meta":{"files":[` + part + `,` + strings.ReplaceAll(part, ".0.", ".10.") + `]}}`,
		`{"meta":{"files":[` + part + `],"Files":[{}],"files":[{"name":"x"}]}}`,
		`{"meta":{"id":null,"files":[{"name":"../../etc/passwd","size":"1"}]}}`,
		`{"meta":"` + session + `"}`, `{"meta":[]}`, `[]`, `null`, ``, strings.Repeat(`{"meta":`, 20),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		task, err := parseAnnouncement(body, session)
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) || refused.status != http.StatusBadRequest {
				t.Fatal(err)
			}
			return
		}
		if len(task.Files) == 0 || len(task.Files) > maxFiles || task.Session != session || !json.Valid(task.Index) {
			t.Fatalf("%+v", task)
		}
		seen := map[string]bool{}
		for _, file := range task.Files {
			n := recording.ParseName("2000-01-01/" + session + "/" + file.Name)
			if n.Class != recording.ClassPart || n.Session != session || filepath.Base(file.Name) != file.Name || seen[file.Name] {
				t.Fatalf("%q", file.Name)
			}
			seen[file.Name] = true
		}
		index, err := recording.ParseIndex(bytes.NewReader(task.Index))
		if err != nil {
			return // such a recording is not converted
		}
		if index.Session != "" && index.Session != session || len(index.Files) != len(task.Files) {
			t.Fatalf("%+v of %+v", index, task)
		}
		for i, name := range index.Files {
			if name != task.Files[i].Name {
				t.Fatalf("%q, and in the index %q", task.Files[i].Name, name)
			}
		}
	})
}

// FuzzUploadedIndex: an index with any content, beside a part of its session, leads
// only to that part, and never out of its folder.
func FuzzUploadedIndex(f *testing.F) {
	for _, seed := range []string{
		`{"id":"` + session + `","type":"guacamole","date_start":"2025-11-20 17:15:07 +0000","files":[{"name":"` + session + `.0.part.gz"}]}`,
		`{"files":[{"name":"` + session + `.0.part.gz"},{"name":"` + session + `.1.part.gz"}]}`,
		`{"id":"x\n; session=y","data_start":7,"files":[{"name":"../x.0.part.gz"}]}`,
		`{"files":[{"name":"` + session + `.00.part.gz"},{"name":""}]}`, `{"files":[]}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	folder := filepath.Join(dir, session)
	path := filepath.Join(folder, session+indexSuffix)
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, session+".0.part.gz"), dump(50), 0o600)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rec, err := recording.Open(path)
		if err != nil {
			return
		}
		if len(rec.Parts) != 1 || rec.Parts[0].Name != filepath.Join(folder, session+".0.part.gz") && rec.Parts[0].Name != session+".0.part.gz" {
			t.Fatalf("%+v", rec)
		}
	})
}

// FuzzForm: a form is refused and leaves nothing behind, or it is one recording of
// its session that is complete and durable.
func FuzzForm(f *testing.F) {
	file := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\nContent-Type: application/octet-stream\r\n\r\n4.size,1.0,2.64,2.48;4.sync,1.1;\r\n"
	field := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	for _, seed := range []string{
		field("session_id", session) + field("component_type", "lion") + file + "--b--\r\n",
		file + field("session_id", "another") + "--b--\r\n",
		file + file + "--b--\r\n", file, field("width", "1920") + "--b--", "--b\r\n\r\n\r\n--b--\r\n", "--b--", "",
		strings.Replace(file, "4.size", "{\"version\":2}", 1) + "--b--\r\n",
		strings.Replace(file, "4.size", string(dump(5)), 1) + "--b--\r\n",
		strings.Replace(file, "form-data;", "form-data; name=\"x\"; Content-Transfer-Encoding: quoted-printable;", 1) + "--b--\r\n",
	} {
		f.Add([]byte(seed), "multipart/form-data; boundary=b")
	}
	f.Add([]byte(file), "multipart/mixed; boundary=b; charset=x")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		s := &Server{Spool: &Spool{Dir: dir}, Log: slog.New(slog.DiscardHandler)}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://worker"+taskPath, io.NopCloser(bytes.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		task, err := s.form(r, session, "lion")
		left, rerr := os.ReadDir(dir)
		if rerr != nil {
			t.Fatal(rerr)
		}
		if err != nil {
			if len(left) > 0 {
				t.Fatalf("refused, and left behind %v: %v", left, err)
			}
			return
		}
		waiting, cerr := s.Spool.Complete()
		if cerr != nil || len(left) != 1 || len(waiting) != 1 || waiting[0].ID != task.ID || waiting[0].Session != session {
			t.Fatalf("taken: %v %v %v", left, waiting, cerr)
		}
		if rec, err := recording.Open(filepath.Join(dir, waiting[0].Path)); err != nil || rec.Session != session {
			t.Fatalf("taken: %+v %v", rec, err)
		}
		if err := s.Spool.Remove(task.ID); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "done")); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDate: any text is a valid or an invalid date, and a valid date is a moment.
func FuzzDate(f *testing.F) {
	for _, seed := range []string{"Sat, 28 Nov 2026 12:00:00 GMT", "Sat, 28 Nov 2026 20:00:00 CST", "Sat, 28 Nov 2026 09:00:00 -03", "Sat Nov 28 12:00:00 2026",
		"2026-11-28T20:00:00+08:00", "Saturday, 28-Nov-26 12:00:00 GMT", "x", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, date string) {
		at, err := parseDate(date)
		if err != nil {
			return
		}
		if at.last.Before(at.first) || at.last.Sub(at.first) > eastmost-westmost || at.skew(at.first) != 0 || at.skew(at.last) != 0 {
			t.Fatalf("%q: %+v", date, at)
		}
	})
}
