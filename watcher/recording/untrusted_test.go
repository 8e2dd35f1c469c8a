package recording

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

const partZero = sid + ".0.part.gz"

// TestWhatStandsInThePlaceOfAFileIsRefused: a link, a FIFO, a folder or a device
// instead of a recording, its index or a part is an error, without blocking.
func TestWhatStandsInThePlaceOfAFileIsRefused(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.gz")
	write(t, elsewhere, gz(dump))
	instead := map[string]func(path string) error{
		"a link":   func(path string) error { return os.Symlink(elsewhere, path) },
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a socket": func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) },
		"a device": func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) },
	}
	for what, create := range instead {
		for _, name := range []string{sid + ".replay.gz", sid + ".guac", sid + ".tar", sid + ".replay.json", partZero} {
			dir := t.TempDir()
			if err := create(filepath.Join(dir, name)); errors.Is(err, syscall.EPERM) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			if name == partZero {
				path = filepath.Join(dir, sid+".replay.json")
				write(t, path, []byte(`{"id":"`+sid+`","files":[{"name":"`+partZero+`"}]}`))
			}
			start := time.Now()
			_, err := Open(path)
			var kind *KindError
			if !errors.Is(err, regular.ErrNotRegular) && !errors.As(err, &kind) {
				t.Errorf("%s as %s: got %v", what, name, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s as %s: after %s", what, name, took)
			}
		}
	}
}

// TestAFileThatIsReplacedBeforeItIsReadIsRefused: the check is made when the file
// is opened, not before.
func TestAFileThatIsReplacedBeforeItIsReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), sid+".replay.gz")
	write(t, path, gz(dump))
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Parts[0].Open(); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("got %v", err)
	}
}

// TestLinksThatAPersonNamesAreFollowed, also to folders and tars; the link's name
// identifies the session.
func TestLinksThatAPersonNamesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "data.gz"), gz(dump))
	write(t, filepath.Join(dir, "parts", sid+".replay.json"), []byte(`{"id":"`+sid+`","files":[{"name":"`+partZero+`"}]}`))
	write(t, filepath.Join(dir, "parts", partZero), gz(dump))
	data, err := os.ReadFile(writeTar(t, map[string][]byte{sid + ".replay.gz": gz(dump)}))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "archive"), data)
	for link, to := range map[string]string{
		sid + ".replay.gz": "data.gz", "folder": "parts", sid + ".replay.json": "parts/" + sid + ".replay.json", "linked.tar": "archive",
	} {
		path := filepath.Join(dir, link)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		if link == sid+".replay.json" { // the parts are beside the link
			write(t, filepath.Join(dir, partZero), gz(dump))
		}
		r, err := OpenNamed(path)
		if err != nil {
			t.Fatalf("%s: %v", link, err)
		}
		if read(t, r) != dump || r.Session != sid {
			t.Errorf("%s: session %q", link, r.Session)
		}
		if _, err := Open(path); !errors.Is(err, regular.ErrNotRegular) {
			t.Errorf("%s: got %v", link, err)
		}
	}
}

// TestAnIndexNamesItsSessionByAUUIDOnly: any other text would be written into the
// MP4, and become an argument of ffmpeg.
func TestAnIndexNamesItsSessionByAUUIDOnly(t *testing.T) {
	for id, want := range map[string]string{
		sid:                         sid,
		strings.ToUpper(sid):        sid,
		"":                          "",
		"x":                         "",
		sid + "\\n":                 "",
		sid + "; source=sha256:1":   "",
		"{" + sid + "}":             "",
		"\\u0000" + sid:             "",
		strings.Repeat("a", 200000): "",
		"-y<script>":                "",
	} {
		index, err := ParseIndex(strings.NewReader(`{"id":"` + id + `","files":[{"name":"` + partZero + `"}]}`))
		if err != nil || index.Session != want {
			t.Errorf("%.60s: %v, %v", id, index, err)
		}
		// The folder's name has what the index lacks.
		dir := filepath.Join(t.TempDir(), sid)
		write(t, filepath.Join(dir, sid+".replay.json"), []byte(`{"id":"`+id+`","files":[{"name":"`+partZero+`"}]}`))
		write(t, filepath.Join(dir, partZero), gz(dump))
		if r, err := Open(dir); err != nil || r.Session != sid {
			t.Errorf("%.60s: %v, %v", id, r, err)
		}
	}
}

// TestATarClaimsNoMoreThanItHolds: the size of a recording limits how much work it
// may cause.
func TestATarClaimsNoMoreThanItHolds(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: sid + ".replay.gz", Typeflag: tar.TypeReg, Size: 1 << 50, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	b.Write(gz(dump))
	path := filepath.Join(t.TempDir(), "cut.tar")
	write(t, path, b.Bytes())
	r, err := Open(path)
	if err != nil {
		return // there is no size to check
	}
	if r.Size > int64(b.Len()) {
		t.Errorf("%d bytes of %d", r.Size, b.Len())
	}
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}
