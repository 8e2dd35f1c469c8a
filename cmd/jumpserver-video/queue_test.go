package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
)

// put puts a small recording of an ended session on the volume.
func (l *fixture) put(id string) {
	l.t.Helper()
	day := filepath.Join(l.replay(), sessionDay)
	if err := os.MkdirAll(day, 0o755); err != nil {
		l.t.Fatal(err)
	}
	data, err := os.ReadFile(sample(l.t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(day, id+".replay.gz"), data, 0o644); err != nil {
		l.t.Fatal(err)
	}
	l.session(id)
}

// TestAnAgentWithoutItsSharedQueueLives: it sends heartbeats to core, the health endpoint has
// the reason, and the agent works once the queue can be reached.
func TestAnAgentWithoutItsSharedQueueLives(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	at, err := loopback.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	l.env["QUEUE_URL"] = "nats://" + at.HostPort(0)
	l.start()
	l.until("online", func() bool { c := l.core.Components(); return len(c) == 1 && c[0].Online })
	l.until("told", func() bool {
		status, body := l.get("/video-worker/health/", "", "")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the queue cannot be reached")
	})
	const id = "eeeeeeee-1111-4111-8111-111111111111"
	l.put(id)

	nats, err := server.NewServer(&server.Options{Host: at.Host, Port: at.Ports[0], NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	go nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	l.until("replaced", func() bool { return l.served(id) == "mp4" })
	l.until("healthy", func() bool { return l.health() == http.StatusOK })
	if code := l.stop(); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
}

// TestTheQueueIsDeletedWhileTheAgentRuns: the agent ends, so that the service manager restarts
// it. All recordings are then found again.
func TestTheQueueIsDeletedWhileTheAgentRuns(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	const before, after = "eeeeeeee-2222-4111-8111-111111111111", "eeeeeeee-3333-4111-8111-111111111111"
	l.put(before)
	l.start()
	l.until("replaced", func() bool { return l.served(before) == "mp4" })
	if err := os.RemoveAll(filepath.Join(l.dir, "data", "queue")); err != nil {
		t.Fatal(err)
	}
	l.put(after)
	l.until("ended", func() bool { return strings.Contains(l.agent.Log(), "the queue was removed") })
	if code := l.stop(); code != exitFailure {
		t.Errorf("the agent ended with %d", code)
	}
	l.start()
	l.until("replaced after the restart", func() bool { return l.served(after) == "mp4" && l.served(before) == "mp4" })
}
