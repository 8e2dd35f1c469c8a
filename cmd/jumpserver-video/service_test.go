package main

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// manager collects the agent's notifications to the service manager.
type manager struct {
	mu   sync.Mutex
	told []string
}

// newManager starts a manager that the fixture's agent notifies.
func newManager(t *testing.T, l *fixture) *manager {
	t.Helper()
	path := filepath.Join(l.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	l.env["NOTIFY_SOCKET"], l.env["WATCHDOG_USEC"], l.env["WATCHDOG_PID"] = path, "900000", ""
	m := &manager{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.told = append(m.told, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	return m
}

// count returns the number of messages that contain a text.
func (m *manager) count(text string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, told := range m.told {
		if strings.Contains(told, text) {
			n++
		}
	}
	return n
}

func TestTheServiceManagerIsToldHowTheAgentFares(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	m := newManager(t, l)
	repair := l.core.Fail(devcore.Fault{Status: http.StatusBadGateway}) // core refuses all requests
	l.start()
	l.until("ready without core", func() bool { return m.count("READY=1") == 1 })
	if l.health() != http.StatusServiceUnavailable {
		t.Error("ready, but not listening, or healthy without core")
	}
	l.until("told of core", func() bool { return m.count("STATUS=waiting for core") > 0 })
	l.until("fed", func() bool { return m.count("WATCHDOG=1") >= 2 })

	repair()
	const id = "eeeeeeee-1111-4111-8111-111111111111"
	l.put(id)
	l.until("told of work", func() bool { return m.count(" rendering") > 0 })
	l.until("served", func() bool { return l.served(id) == "mp4" })
	l.until("told of what is done", func() bool { return m.count(" done") > 0 })

	if code := l.stop(); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
	l.until("told of stopping", func() bool { return m.count("STOPPING=1") == 1 })
	if n := m.count("READY=1"); n != 1 {
		t.Errorf("ready %d times", n)
	}
	fed := m.count("WATCHDOG=1")
	waittest.During(t, time.Second, "the watchdog is not fed after the agent has stopped", func() bool { return m.count("WATCHDOG=1") == fed })
}
