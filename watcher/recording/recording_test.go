package recording

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	sid     = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	day     = "2024-04-23"
	bundled = "../../testdata/recordings"
	dump    = "4.size,1.0,3.640,3.480;4.sync,4.1000;4.sync,4.2000;"
)

func TestParseName(t *testing.T) {
	for rel, want := range map[string]Name{
		day + "/" + sid + ".guac":                           {ClassDump, day, sid, 0},
		day + "/" + sid:                                     {ClassDump, day, sid, 0},
		day + "/" + sid + ".replay.gz":                      {ClassOriginal, day, sid, 0},
		day + "/" + sid + ".replay.mp4":                     {ClassVideo, day, sid, 0},
		day + "/" + sid + ".cast.gz":                        {ClassCast, day, sid, 0},
		day + "/" + sid + ".json":                           {ClassDownload, day, sid, 0},
		day + "/" + sid + ".tar":                            {ClassDownload, day, sid, 0},
		day + "/" + sid + "/" + sid + ".tar":                {ClassDownload, day, sid, 0},
		day + "/" + sid + "/" + sid + ".replay.json":        {ClassIndex, day, sid, 0},
		day + "/" + sid + "/" + sid + ".12.part.gz":         {ClassPart, day, sid, 12},
		day + "/" + sid + "/" + sid + ".0.part.mp4":         {ClassPartVideo, day, sid, 0},
		day + "/" + sid + "/" + sid + ".3.part.meta":        {ClassPartMeta, day, sid, 3},
		day + "/" + sid + "/" + sid + ".3.part":             {ClassLeftover, day, sid, 3},
		day + "/" + sid + "/" + sid + ".json":               {ClassLeftover, day, sid, 0},
		day + "/" + sid + "/upload/" + sid + ".3.part.gz":   {ClassLeftover, day, sid, 3},
		day + "/" + sid + "/upload/" + sid + ".replay.json": {ClassLeftover, day, sid, 0},
		day + "/" + sid + "/upload/other.0.part.gz":         {},
		day + "/" + sid + "/other/" + sid + ".0.part.gz":    {},
		day + "/" + sid + ".replay_aB3dE5g.gz":              {ClassCollision, day, sid, 0},
		day + "/" + sid + ".replay_aB3dE5g.mp4":             {ClassCollision, day, sid, 0},
		day + "/" + sid + ".cast_aB3dE5g.gz":                {ClassCollision, day, sid, 0},
		day + "/" + sid + ".replay.gz.6eF3a19b":             {ClassInProgress, day, sid, 0},
		day + "/" + sid + "/" + sid + ".0.part.gz.tmp17139": {ClassInProgress, day, sid, 0},
		".jumpserver-video-trash/x/" + sid + ".replay.gz":   {Class: ClassHidden},
		day + "/.nfs000001":                                 {Class: ClassHidden},
		day + "/" + strings.ToUpper(sid) + ".replay.gz":     {},
		"2024-13-45/" + sid + ".replay.gz":                  {},
		sid + ".replay.gz":                                  {},
		day + "/" + sid + "/other.0.part.gz":                {},
		day + "/x/" + sid + ".0.part.gz":                    {},
		day + "/a/b/" + sid + ".replay.gz":                  {},
		day + "/notes.txt":                                  {},
		day + "/" + sid + ".\x01.gz.6eF3a19b":               {},
		day + "/" + sid + ".replay.gz\n":                    {},
	} {
		if got := ParseName(rel); got != want {
			t.Errorf("%s: %v, want %v", rel, got, want)
		}
	}
}

func gz(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.Bytes()
}

func TestSniff(t *testing.T) {
	for _, tc := range []struct {
		name string
		data []byte
		want Kind
	}{
		{"dump", []byte(dump), KindGuacamole},
		{"compressed dump", gz(dump), KindGuacamole},
		{"koko JSON", gz(`{"0.1":"$ ls\r\n"}`), KindKokoJSON},
		{"asciicast", gz(`{"version": 2, "width": 80, "height": 24}` + "\n[0.1,\"o\",\"x\"]"), KindAsciicast},
		{"MP4", []byte("\x00\x00\x00\x20ftypisom...."), KindMP4},
		{"empty", nil, KindEmpty},
		{"compressed nothing", gz(""), KindEmpty},
		{"text", []byte("hello world"), KindUnknown},
		{"number with a dot", []byte("3.14 is pi"), KindUnknown},
		{"cut in the gzip header", gz(dump)[:5], KindUnknown},
		{"cut compressed dump", gz(strings.Repeat(dump, 1000))[:200], KindGuacamole},
	} {
		if got, err := Sniff(bytes.NewReader(tc.data)); err != nil || got != tc.want {
			t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.want)
		}
	}
}

// put writes files to a new folder.
func put(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, r *Recording) string {
	t.Helper()
	var all strings.Builder
	for _, p := range r.Parts {
		f, err := p.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return all.String()
}

func TestOpenFlatAndLooseFiles(t *testing.T) {
	dir := put(t, map[string][]byte{
		day + "/" + sid + ".replay.gz": gz(dump), "x.guac": []byte(dump), sid: []byte(dump), "rec.bin": []byte(dump),
	})
	for name, want := range map[string][2]string{
		day + "/" + sid + ".replay.gz": {sid, day}, "x.guac": {"", ""}, sid: {sid, ""}, "rec.bin": {"", ""},
	} {
		r, err := Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if r.Session != want[0] || r.Date != want[1] || read(t, r) != dump {
			t.Errorf("%s: session %q date %q", name, r.Session, r.Date)
		}
	}
}

func TestPartsAreOrderedByNumber(t *testing.T) {
	files := map[string][]byte{}
	var listed []string
	for _, n := range []string{"0", "10", "2"} { // as Lion lists them, with a gap
		name := sid + "." + n + ".part.gz"
		files[day+"/"+sid+"/"+name] = gz("3.nop;4.name,2." + ("0" + n)[len(n)-1:] + ";")
		listed = append(listed, `{"name":"`+name+`","start":1,"extra":[1]}`)
	}
	files[day+"/"+sid+"/"+sid+".replay.json"] = []byte(`{"id":"` + sid + `","data_start":"2024-04-23 17:15:07 +0000","files":[` + strings.Join(listed, ",") + `]}`)
	dir := put(t, files)
	for _, path := range []string{day + "/" + sid, day + "/" + sid + "/" + sid + ".replay.json"} {
		r, err := Open(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range r.Parts {
			names = append(names, strings.TrimPrefix(p.Name, sid))
		}
		if d := cmp.Diff([]string{".0.part.gz", ".2.part.gz", ".10.part.gz"}, names); d != "" {
			t.Error(d)
		}
		if r.Session != sid || r.Date != day || r.Started().Format("15:04:05") != "17:15:07" {
			t.Errorf("%+v", r)
		}
	}
}

func TestIndexesThatCannotBeUsed(t *testing.T) {
	part := sid + ".0.part.gz"
	for name, text := range map[string]string{
		"no JSON":        "{",
		"no parts":       `{"files":[]}`,
		"a path":         `{"files":[{"name":"../` + part + `"}]}`,
		"not a part":     `{"files":[{"name":"` + sid + `.replay.gz"}]}`,
		"the same twice": `{"files":[{"name":"` + part + `"},{"name":"` + part + `"}]}`,
	} {
		dir := put(t, map[string][]byte{sid + ".replay.json": []byte(text), part: gz(dump)})
		_, err := Open(filepath.Join(dir, sid+".replay.json"))
		var bad *IndexError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMissingPartIsNamed(t *testing.T) {
	part := sid + ".0.part.gz"
	dir := put(t, map[string][]byte{sid + ".replay.json": []byte(`{"files":[{"name":"` + part + `"}]}`)})
	_, err := Open(dir)
	var missing *MissingPartError
	if !errors.As(err, &missing) || missing.Part != part {
		t.Errorf("%v", err)
	}
}

func TestKindsThatAreNotRecordings(t *testing.T) {
	dir := put(t, map[string][]byte{
		"a.replay.gz": gz(`{"0.1":"x"}`), "b.cast.gz": gz(`{"version":2,"width":80}` + "\n"), "c": nil, "d.mp4": []byte("\x00\x00\x00\x20ftypisom"),
		"e.txt": []byte("hello"), "folder/readme": []byte("x"), "f.tar": []byte("not a tar"),
	})
	for name, want := range map[string]Kind{
		"a.replay.gz": KindKokoJSON, "b.cast.gz": KindAsciicast, "c": KindEmpty, "d.mp4": KindMP4, "e.txt": KindUnknown,
		"folder": KindUnknown, "f.tar": KindUnknown,
	} {
		_, err := Open(filepath.Join(dir, name))
		var kind *KindError
		if !errors.As(err, &kind) || kind.Kind != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := Open(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestCutGzipIsDeliveredUpToTheCut(t *testing.T) {
	whole := strings.Repeat(dump, 5000)
	data := gz(whole)
	for name, broken := range map[string][]byte{
		"cut": data[:len(data)-20], "checksum": append(append([]byte{}, data[:len(data)-8]...), 1, 2, 3, 4, 5, 6, 7, 8),
	} {
		dir := put(t, map[string][]byte{"x.replay.gz": broken})
		r, err := Open(filepath.Join(dir, "x.replay.gz"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.Parts[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		f.Close()
		if !Damaged(err) || len(got) == 0 || !strings.HasPrefix(whole, string(got)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func writeTar(t *testing.T, members map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "download.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for name, data := range members {
		w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write(data)
	}
	w.Close()
	f.Close()
	return path
}

func TestOpenTar(t *testing.T) {
	flat := writeTar(t, map[string][]byte{"./" + sid + ".json": []byte("{}"), "./" + sid + ".replay.gz": gz(dump)})
	r, err := Open(flat)
	if err != nil {
		t.Fatal(err)
	}
	if r.Session != sid || read(t, r) != dump {
		t.Errorf("%+v", r)
	}

	part := sid + ".0.part.gz"
	parts := writeTar(t, map[string][]byte{sid + ".replay.json": []byte(`{"id":"` + sid + `","files":[{"name":"` + part + `"}]}`), part: gz(dump)})
	if r, err = Open(parts); err != nil {
		t.Fatal(err)
	}
	if r.Session != sid || r.Index == nil || read(t, r) != dump {
		t.Errorf("%+v", r)
	}

	lacking := writeTar(t, map[string][]byte{sid + ".replay.json": []byte(`{"files":[{"name":"` + part + `"}]}`)})
	var missing *MissingPartError
	if _, err := Open(lacking); !errors.As(err, &missing) {
		t.Errorf("missing member: %v", err)
	}
	cast := writeTar(t, map[string][]byte{sid + ".cast.gz": gz(`{"version":2,"width":80}` + "\n"), sid + ".json": []byte("{}")})
	var kind *KindError
	if _, err := Open(cast); !errors.As(err, &kind) || kind.Kind != KindAsciicast {
		t.Errorf("asciicast download: %v", err)
	}
}

func TestBundledRecordingsOpen(t *testing.T) {
	for name, parts := range map[string]int{
		"tiny/v3/2026-11-22/1e39f45f-465b-4dd5-937d-5b4e2891d143.replay.gz": 1,
		"tiny/v4/2026-11-22/1e39f45f-465b-4dd5-937d-5b4e2891d143":           1,
		"multipart/v4/2026-11-22/3d2d98f7-857a-403b-b666-b45e9c48f9ae":      3,
	} {
		r, err := Open(filepath.Join(bundled, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Parts) != parts || r.Date != "2026-11-22" || r.Session == "" || len(read(t, r)) < 100_000 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
