package recording

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestContentIsRecognised, whatever precedes it, and however often it was
// compressed. Other content is described by what it looks like.
func TestContentIsRecognised(t *testing.T) {
	for name, data := range map[string][]byte{
		"a line end first":     []byte("\n" + dump),
		"a byte order mark":    []byte("\ufeff" + dump),
		"blanks and marks":     []byte(" \r\n\ufeff\t\ufeff" + dump),
		"the tunnel's own":     []byte("0.,36." + sid + ";" + dump),
		"compressed twice":     gz(string(gz(dump))),
		"compressed four ways": gz(string(gz(string(gz(string(gz("\ufeff" + dump))))))),
	} {
		dir := put(t, map[string][]byte{"x": data})
		r, err := Open(filepath.Join(dir, "x"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasSuffix(read(t, r), dump) {
			t.Errorf("%s: other content", name)
		}
	}
	for want, data := range map[string][]byte{
		"x is not a recording: it looks like a web page":                           []byte("<!DOCTYPE html><title>404</title>"),
		"x is not a recording: it looks like plain text":                           []byte("0. nothing"),
		"x is not a recording: it looks like zlib data":                            {0x78, 0x9c, 0x4b, 0x04, 0x00},
		"x is not a recording: it looks like zero bytes, as after a power failure": make([]byte, 5000),
		"x is not a recording: it looks like application/zip":                      []byte("PK\x03\x04...."),
		"x is empty": gz(string(gz(""))),
	} {
		dir := put(t, map[string][]byte{"x": data})
		if _, err := Open(filepath.Join(dir, "x")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestPartsThatAreNoDumpAreLeftOut, and listed in Gaps, if there are other parts.
func TestPartsThatAreNoDumpAreLeftOut(t *testing.T) {
	name := func(n string) string { return sid + "." + n + ".part.gz" }
	for what, bad := range map[string][]byte{
		"is empty": gz(""), "is not a recording": gz("garbage"), "ends too early": gz(dump)[:7],
	} {
		dir := put(t, map[string][]byte{
			sid + ".replay.json": []byte("\ufeff" + `{"files":[{"name":"` + name("0") + `"},{"name":"` + name("1") + `"}]}`),
			name("0"):            gz(dump), name("1"): bad,
		})
		r, err := Open(dir)
		if err != nil || len(r.Parts) != 1 || len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0].Error(), name("1")+": ") && !strings.Contains(r.Gaps[0].Error(), name("1")+" ") ||
			!strings.Contains(r.Gaps[0].Error(), what) || len(r.Files) != 3 {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if what == "ends too early" && !Damaged(r.Gaps[0]) {
			t.Errorf("not known as damage: %v", r.Gaps[0])
		}
	}
}

// TestPartsWithoutAnIndex: as Lion leaves them, in its own folder and on the
// volume. OpenNamed and OpenIncomplete open them; Open, which the agent usually
// uses, returns that there is no index yet.
func TestPartsWithoutAnIndex(t *testing.T) {
	index := func(names ...string) []byte {
		return []byte(`{"id":"` + sid + `","date_start":"2024-04-23 17:15:07 +0000","files":[{"name":"` + strings.Join(names, `"},{"name":"`) + `"}]}`)
	}
	about := []byte(`{"id":"` + sid + `","user":"Ann\n(ann)","asset":"desk","date_start":"2024-04-23 17:15:07 +0000"}`)
	packed := func(n string) string { return sid + "." + n + ".part.gz" }
	plain := func(n string) string { return sid + "." + n + ".part" }
	for name, tc := range map[string]struct {
		files map[string][]byte
		parts []string
		gaps  int
	}{
		"uploaded parts":      {map[string][]byte{packed("0"): gz(dump), packed("1"): gz(dump)}, []string{packed("0"), packed("1")}, 1},
		"a number is missing": {map[string][]byte{packed("1"): gz(dump), packed("10"): gz(dump)}, []string{packed("1"), packed("10")}, 3},
		"parts of a crash":    {map[string][]byte{plain("0"): []byte(dump), plain("1"): []byte(dump[:30]), plain("0") + ".meta": []byte("{}")}, []string{plain("0"), plain("1")}, 1},
		"not sent, whole": {map[string][]byte{plain("0"): []byte(dump), "upload/" + packed("0"): gz(dump), "upload/" + sid + ".replay.json": index(packed("0"))},
			[]string{packed("0")}, 0},
		"not sent, half compressed": {map[string][]byte{plain("0"): []byte(dump), plain("1"): []byte(dump), "upload/" + packed("0"): gz(dump)[:30]}, []string{plain("0"), plain("1")}, 1},
		"not sent, index ahead": {map[string][]byte{plain("1"): []byte(dump), "upload/" + packed("0"): gz(dump), "upload/" + sid + ".replay.json": index(packed("0"), packed("1"))},
			[]string{packed("0"), plain("1")}, 1},
	} {
		tc.files[sid+".json"] = about
		files := map[string][]byte{}
		for file, data := range tc.files {
			files[day+"/"+sid+"/"+file] = data
		}
		root := put(t, files)
		folder := filepath.Join(root, day, sid)
		path := filepath.Join(folder, sid+".replay.json")
		var none *NoIndexError
		if _, err := Open(path); !errors.As(err, &none) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		for how, open := range map[string]func() (*Recording, error){
			"named": func() (*Recording, error) { return OpenNamed(folder) }, "by its index": func() (*Recording, error) { return OpenNamed(path) },
			"as it is": func() (*Recording, error) { return OpenIncomplete(path) },
		} {
			r, err := open()
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				continue
			}
			var got []string
			for _, p := range r.Parts {
				got = append(got, p.Name)
			}
			if !slices.Equal(got, tc.parts) || len(r.Gaps) != tc.gaps || r.Session != sid || r.Started().Format(time.TimeOnly) != "17:15:07" {
				t.Errorf("%s, %s: %v, %v, %s, %s", name, how, got, r.Gaps, r.Session, r.Started())
			}
			if r.Index == nil && (r.About.User != "Ann(ann)" || r.About.Asset != "desk") {
				t.Errorf("%s, %s: %+v", name, how, r.About)
			}
			for _, file := range r.Files {
				if n := ParseName(day + "/" + sid + "/" + file); n.Session != sid || n.Date != day {
					t.Errorf("%s: %s is %v", name, file, n)
				}
			}
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), sid+".replay.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing at all: %v", err)
	}
}

// TestMissingPartsWillDoForWhoeverWantsThem: only OpenIncomplete accepts them.
func TestMissingPartsWillDoForWhoeverWantsThem(t *testing.T) {
	dir := put(t, map[string][]byte{
		sid + ".replay.json": []byte(`{"files":[{"name":"` + sid + `.0.part.gz"},{"name":"` + sid + `.1.part.gz"}]}`), sid + ".1.part.gz": gz(dump),
	})
	path := filepath.Join(dir, sid+".replay.json")
	var missing *MissingPartError
	if _, err := OpenNamed(path); !errors.As(err, &missing) || missing.Index != path {
		t.Errorf("%v", err)
	}
	r, err := OpenIncomplete(path)
	if err != nil || len(r.Parts) != 1 || len(r.Gaps) != 1 || !errors.As(r.Gaps[0], &missing) || len(r.Files) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestArchivesAsTheyAreDownloaded: compressed, with any name, truncated, without an
// index; from a file or a stream.
func TestArchivesAsTheyAreDownloaded(t *testing.T) {
	about := []byte(`{"user":"u","asset":"a","date_start":"2024/04/23 17:15:07 +0000"}`)
	archive := func(members map[string][]byte) []byte {
		data, err := os.ReadFile(writeTar(t, members))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	flat := archive(map[string][]byte{sid + ".json": about, sid + ".replay.gz": gz(dump)})
	parts := archive(map[string][]byte{sid + ".0.part.gz": gz(dump), sid + ".1.part.gz": gz(dump), sid + ".json": about})
	other := archive(map[string][]byte{"recording": []byte(dump), "README": []byte("x")})
	for name, tc := range map[string]struct {
		data  []byte
		text  string
		gaps  int
		about bool
	}{
		"download.tar":    {flat, dump, 0, true},
		"download.tar.gz": {gz(string(flat)), dump, 0, true},
		"gzipped.tar":     {gz(string(flat)), dump, 0, true},
		"download.tgz":    {gz(string(gz(string(flat)))), dump, 0, true},
		"no suffix":       {flat, dump, 0, true},
		"parts.tar":       {parts, dump + dump, 1, true},
		"other.tar":       {other, dump, 0, false},
		"cut.tar.gz":      {gz(string(flat))[:len(gz(string(flat)))-9], dump, 1, true},
		"dump.gz":         {gz(dump), dump, 0, false},
		"dump":            {[]byte(dump), dump, 0, false},
	} {
		dir := put(t, map[string][]byte{name: tc.data})
		file, err := OpenNamed(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stream, err := OpenStream("-", io.MultiReader(bytes.NewReader(tc.data)))
		if err != nil {
			t.Errorf("%s as a stream: %v", name, err)
			continue
		}
		for _, r := range []*Recording{file, stream} {
			if text := read(t, r); text != tc.text || len(r.Gaps) != tc.gaps && !strings.HasPrefix(name, "cut") || r.Started().IsZero() == tc.about {
				t.Errorf("%s: %d bytes, %v, %+v", name, len(text), r.Gaps, r.About)
			}
		}
	}
	if _, err := OpenStream("-", strings.NewReader("")); err == nil || err.Error() != "- is empty" {
		t.Errorf("nothing: %v", err)
	}
}

// TestTheSessionsJSONBesideARecording is read by OpenNamed; core's download
// contains it.
func TestTheSessionsJSONBesideARecording(t *testing.T) {
	dir := put(t, map[string][]byte{sid + ".json": []byte(`{"date_start":"2024/04/23 17:15:07 +0000"}`), sid + ".replay.gz": gz(dump)})
	path := filepath.Join(dir, sid+".replay.gz")
	if r, err := OpenNamed(path); err != nil || r.Started().IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := Open(path); err != nil || !r.Started().IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}
