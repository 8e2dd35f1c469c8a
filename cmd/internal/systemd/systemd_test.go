package systemd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manager returns the socket of a service manager.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

// heard returns what the manager is notified about within a time, until a message
// contains want ("" means all of that time).
func heard(t *testing.T, conn *net.UnixConn, want string, within time.Duration) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(within))
	var all strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			if want != "" {
				t.Fatalf("the manager did not get %q, but %q", want, all.String())
			}
			return all.String()
		}
		all.WriteString(string(buf[:n]) + "|")
		if want != "" && strings.Contains(string(buf[:n]), want) {
			return all.String()
		}
	}
}

func TestTheWatchdogIsFedOnlyWhileTheCheckPasses(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "300000")
	t.Setenv("WATCHDOG_PID", "")
	var broken atomic.Bool
	ready := make(chan struct{})
	service := &Service{
		Ready: ready, Status: func() string { return "one\nREADY=0" }, Log: slog.New(slog.DiscardHandler),
		Check: func(context.Context) error {
			if broken.Load() {
				return errors.New("hangs")
			}
			return nil
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()

	if early := heard(t, conn, "", 200*time.Millisecond); strings.Contains(early, "READY") || strings.Contains(early, "WATCHDOG") {
		t.Errorf("notified before it serves: %s", early)
	}
	close(ready)
	if first := heard(t, conn, "READY=1", 5*time.Second); !strings.Contains(first, "STATUS=one READY=0") {
		t.Errorf("status: %s", first)
	}
	heard(t, conn, "WATCHDOG=1", 5*time.Second)
	heard(t, conn, "WATCHDOG=1", 5*time.Second)
	broken.Store(true)
	heard(t, conn, "", 200*time.Millisecond) // notifications that were already sent
	if more := heard(t, conn, "", 500*time.Millisecond); strings.Contains(more, "WATCHDOG") {
		t.Errorf("fed although the check fails: %s", more)
	}
	broken.Store(false)
	heard(t, conn, "WATCHDOG=1", 5*time.Second)
	cancel()
	heard(t, conn, "STOPPING=1", 5*time.Second)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	service := &Service{Log: slog.New(slog.DiscardHandler)}
	if err := service.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOneCheckThatHangsFailsAll(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	hang := make(chan struct{})
	defer close(hang)
	well := func(context.Context) error { return nil }
	if err := All(well, func(context.Context) error { <-hang; return nil })(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging: %v", err)
	}
	if err := All(well, well)(t.Context()); err != nil {
		t.Errorf("checks that pass: %v", err)
	}
	late := Moving("loop", time.Minute, func() time.Time { return time.Now().Add(-time.Hour) })
	if err := All(well, late)(t.Context()); err == nil || !strings.Contains(err.Error(), "loop") {
		t.Errorf("a loop that hangs: %v", err)
	}
	if err := Moving("loop", time.Minute, time.Now)(t.Context()); err != nil {
		t.Errorf("a loop that runs: %v", err)
	}
}

// TestAStatusIsOneLineOfText: a status may contain text from core or a volume, and
// systemctl prints it on terminals unchanged.
func TestAStatusIsOneLineOfText(t *testing.T) {
	for s, want := range map[string]string{
		"3 rendering, 2 queued":                 "3 rendering, 2 queued",
		"core: gone\nMAINPID=1\r\tX":            "core: gone MAINPID=1  X",
		"core: \x1b]0;pwned\x07\u009b2J\u202e!": `core: \u001b]0;pwned\u0007\u009b2J\u202e!`,
	} {
		if got := line(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
