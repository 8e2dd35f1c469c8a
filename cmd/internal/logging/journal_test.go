package logging

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

func TestRecordsBecomeJournalEntries(t *testing.T) {
	type entry struct {
		Message  string
		Priority journal.Priority
		Fields   map[string]string
	}
	var got []entry
	log := slog.New(&journalHandler{level: slog.LevelDebug, send: func(m string, p journal.Priority, f map[string]string) error {
		delete(f, "SYSLOG_IDENTIFIER")
		got = append(got, entry{m, p, f})
		return nil
	}})
	log.With("session", "s1").Info("rendered and verified", "size_mb", 1.5)
	log.WithGroup("core").With("try", 2).Error("gone", "error", errors.New("refused"))
	log.Warn("odd names", "message", "m", "2nd", 1, "größe", 2, slog.Group("g", "a", true))
	log.Debug("plain")
	want := []entry{
		{"rendered and verified session=s1 size_mb=1.5", journal.PriInfo, map[string]string{"SESSION": "s1", "SIZE_MB": "1.5"}},
		{"gone core.try=2 core.error=refused", journal.PriErr, map[string]string{"CORE_TRY": "2", "CORE_ERROR": "refused"}},
		{"odd names message=m 2nd=1 größe=2 g.a=true", journal.PriWarning, map[string]string{"JV_MESSAGE": "m", "JV_2ND": "1", "GR__E": "2", "G_A": "true"}},
		{"plain", journal.PriDebug, map[string]string{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNoMoreThanTheLevelAsksFor(t *testing.T) {
	log := slog.New(&journalHandler{level: slog.LevelWarn, send: func(m string, _ journal.Priority, _ map[string]string) error {
		t.Errorf("sent: %s", m)
		return nil
	}})
	log.Info("no")
	log.Debug("no")
}

// TestJournalSocket has a logger write to the journal's socket at its fixed path,
// in a mount namespace of the test.
func TestJournalSocket(t *testing.T) {
	if os.Getenv("JOURNAL_CHILD") != "" {
		journalChild(t)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("must be root to make a mount namespace")
	}
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespaces here: %s", out)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-m", "sh", "-c",
		`mount -t tmpfs none /run && mkdir -p /run/systemd/journal && exec "$0" -test.run '^TestJournalSocket$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "JOURNAL_CHILD=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestJournalSocket") {
		t.Errorf("%v\n%s", err, out)
	}
}

func journalChild(t *testing.T) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/run/systemd/journal/socket", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	st, err := os.Stderr.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", sys.Dev, sys.Ino))
	New(os.Stderr, slog.LevelInfo).Warn("two\nlines", "session", "s1")

	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	got := string(buf[:n])
	for _, want := range []string{"PRIORITY=4\n", "SESSION=s1\n", "SYSLOG_IDENTIFIER=jumpserver-video\n", "two"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if i := strings.Index(got, "MESSAGE\n"); i >= 0 { // the format of values with line breaks
		if size := binary.LittleEndian.Uint64(buf[i+8:]); int(size) > n {
			t.Errorf("message of %d bytes in an entry of %d", size, n)
		}
	}
}
