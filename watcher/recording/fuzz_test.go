package recording

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzIndex parses bytes as a .replay.json. An accepted index names only parts of
// the folder, and its session is a UUID.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"id":"` + sid + `","type":"guacamole","date_start":"2024-04-23 17:15:07 +0000","files":[{"name":"` + partZero + `"}]}`))
	f.Add([]byte(`{"id":"` + strings.ToUpper(sid) + `","files":[{"name":"` + sid + `.10.part.gz"},{"name":"` + sid + `.2.part.gz"}]}`))
	f.Add([]byte(`{"id":1,"files":[{"name":"../x"}]}`))
	f.Add([]byte(`{"files":[{}]}`))
	f.Add([]byte(strings.Repeat("[", 20_000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := ParseIndex(bytes.NewReader(data))
		if err != nil {
			return
		}
		if index.Session != "" && !isUUID(index.Session) {
			t.Errorf("session %q", index.Session)
		}
		if len(index.Files) == 0 || len(index.Files) > maxParts {
			t.Errorf("%d parts", len(index.Files))
		}
		for _, name := range index.Files {
			if filepath.Base(name) != name || parsePart(name) == nil {
				t.Errorf("part %q", name)
			}
		}
		if !json.Valid(data) {
			t.Error("that is no JSON")
		}
	})
}

// FuzzTar reads bytes as the .tar of JumpServer's download. No part reaches beyond
// the file, and none is larger than it.
func FuzzTar(f *testing.F) {
	add := func(headers ...tar.Header) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			body := gz(dump)
			if strings.HasSuffix(h.Name, ".json") {
				body = []byte(`{"id":"` + sid + `","files":[{"name":"` + partZero + `"}]}`)
			}
			h.Size, h.Mode = int64(len(body)), 0o600
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
			_, _ = w.Write(body)
		}
		_ = w.Close()
		f.Add(b.Bytes())
	}
	add(tar.Header{Name: sid + ".replay.gz"}, tar.Header{Name: sid + ".json"})
	add(tar.Header{Name: sid + "/" + sid + ".replay.json"}, tar.Header{Name: sid + "/" + partZero})
	add(tar.Header{Name: "../../" + sid + ".replay.gz", Format: tar.FormatPAX, PAXRecords: map[string]string{"GNU.sparse.realsize": "9000000000"}})
	path := filepath.Join(f.TempDir(), "x.tar")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			return
		}
		var size int64
		for _, p := range r.Parts {
			size += p.Size
			if p.Name != filepath.Base(p.Name) || p.Size < 0 || p.Size > int64(len(data)) {
				t.Errorf("part %q of %d bytes", p.Name, p.Size)
			}
			in, err := p.Open()
			if err != nil {
				continue
			}
			if _, err := io.CopyN(io.Discard, in, 1<<20); err != nil && !errors.Is(err, io.EOF) && !Damaged(err) {
				t.Errorf("part %q: %v", p.Name, err)
			}
			in.Close()
		}
		if r.Session != "" && !isUUID(r.Session) || r.Size < size {
			t.Errorf("session %q, %d bytes, parts %d", r.Session, r.Size, size)
		}
	})
}

// FuzzNames parses text as a name below the replay folder. A name with a class is
// in the place of that class, and its session is a UUID.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		day + "/" + sid + ".replay.gz", day + "/" + sid + "/" + sid + ".12.part.gz", day + "/" + sid + "/" + sid + ".replay.json", day + "/" + sid,
		day + "/" + sid + ".replay_aB3dE5g.gz", day + "/" + sid + ".replay.gz.6eF3a19b", day + "/../" + sid + ".replay.gz", ".x/" + sid, day + "/" + sid + ".replay.gz\n",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		n := ParseName(name)
		if n.Class == ClassForeign || n.Class == ClassHidden {
			return
		}
		elements := strings.Split(name, "/")
		if !isUUID(n.Session) || n.Date != elements[0] || !isDate(n.Date) || !strings.HasPrefix(elements[1], n.Session) {
			t.Errorf("%q: %v", name, n)
		}
		if clean := filepath.Clean(name); clean != name || filepath.IsAbs(name) || strings.ContainsAny(name, "\x00\n\r") {
			t.Errorf("%q is %s", name, n.Class)
		}
		if inner := n.Class == ClassPart || n.Class == ClassIndex || n.Class == ClassPartVideo || n.Class == ClassPartMeta; inner && elements[1] != n.Session {
			t.Errorf("%q: %v", name, n)
		}
		if session := SessionOf(name); session != "" && !isUUID(session) {
			t.Errorf("%q: session %q", name, session)
		}
	})
}
