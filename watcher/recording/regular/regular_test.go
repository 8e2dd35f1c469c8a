package regular

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOnlyRegularFilesAreOpened: anything else returns an error that says so,
// without blocking.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("file"), []byte("content"), 0o600))
	must(os.Mkdir(path("folder"), 0o700))
	must(syscall.Mkfifo(path("fifo"), 0o600))
	must(os.Symlink("file", path("link")))
	must(os.Symlink("fifo", path("link to a FIFO")))
	must(os.Symlink("loop", path("loop")))
	socket, err := net.Listen("unix", path("socket"))
	must(err)
	defer socket.Close()
	for _, tc := range []struct {
		name   string
		open   func(string) (*os.File, error)
		reason string // empty: the file can be read
	}{
		{"file", Open, ""},
		{"file", Follow, ""},
		{"link", Follow, ""},
		{"link", Open, "symbolic link"},
		{"loop", Open, "symbolic link"},
		{"folder", Open, "a folder"},
		{"folder", Follow, "a folder"},
		{"fifo", Open, "a FIFO"},
		{"fifo", Follow, "a FIFO"},
		{"link to a FIFO", Open, "symbolic link"},
		{"link to a FIFO", Follow, "a FIFO"},
		{"socket", Open, "a socket"},
		{"/dev/null", Open, "a device"},
		{"/dev/zero", Follow, "a device"},
	} {
		name := tc.name
		if !filepath.IsAbs(name) {
			name = path(name)
		}
		start := time.Now()
		f, err := tc.open(name)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: after %s", tc.name, took)
		}
		if tc.reason == "" {
			must(err)
			if data, err := io.ReadAll(f); err != nil || string(data) != "content" {
				t.Errorf("%s: %q, %v", tc.name, data, err)
			}
			f.Close()
			continue
		}
		var pe *fs.PathError
		if !errors.Is(err, ErrNotRegular) || !errors.As(err, &pe) || pe.Path != name || !strings.Contains(err.Error(), tc.reason) {
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
	if _, err := Open(path("none")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotRegular) {
		t.Errorf("got %v", err)
	}
}
