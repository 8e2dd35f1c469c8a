package transcode_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// sharedQueue starts a NATS server for the queue of several agents, and returns its URL.
func sharedQueue(t *testing.T) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

// TestAnAgentThatWakesTooLateTakesNothingAway: an agent is stopped for longer than its lease
// time, right before it publishes its MP4 or moves a stale one. Another agent replaces the
// recording meanwhile. Then the first agent continues.
func TestAnAgentThatWakesTooLateTakesNothingAway(t *testing.T) {
	for _, tc := range []struct {
		version, asleep string
		stale           bool
	}{
		{"3.10.9", "after event replay_upload_start", false},
		{"3.10.9", "stale found", true},
		{"4.10.13", "after event replay_upload_start", false},
		{"4.10.13", "stale found", true},
	} {
		t.Run(tc.version+" "+tc.asleep, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, tc.version, false)
			if tc.stale {
				s.write(mp4, []byte("half an MP4 of an earlier attempt"))
			}
			shared := "TEST_AGENT_QUEUE=" + sharedQueue(t)

			var log bytes.Buffer
			sleeper := s.process(shared, "TEST_AGENT_DATA="+t.TempDir(), "TEST_AGENT_STOP_AT="+tc.asleep)
			sleeper.Stderr = &log
			if err := sleeper.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = sleeper.Process.Kill() })
			limit := time.AfterFunc(5*time.Minute, func() { _ = sleeper.Process.Kill() })
			defer limit.Stop()
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(sleeper.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
				t.Fatalf("the agent did not stop: %v, %v\n%s", status, err, log.String())
			}
			s.runProcess("", shared)
			s.checkReplaced()

			if err := sleeper.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := sleeper.Wait(); err != nil {
				t.Fatalf("the agent that woke: %v\n%s", err, log.String())
			}
			s.checkReplaced()
		})
	}
}

// TestAnUploadThatEndsTooLateLeavesNothingBehind: an agent is stopped for longer than its
// lease time while core receives its MP4, and another agent publishes the same one meanwhile.
// Core then stores the late MP4 over the other one, with another time, or beside it.
func TestAnUploadThatEndsTooLateLeavesNothingBehind(t *testing.T) {
	for _, version := range []string{"3.10.9", "4.10.13"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newJumpServer(t, version, false)
			uploading, store, stored := make(chan struct{}), make(chan struct{}), make(chan struct{})
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.Contains(r.URL.Path, "/replay/") {
					s.core.ServeHTTP(w, r)
					return
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				close(uploading)
				<-store
				r.Body = io.NopCloser(bytes.NewReader(body))
				s.core.ServeHTTP(w, r)
				close(stored)
			}))
			t.Cleanup(front.Close)
			shared := "TEST_AGENT_QUEUE=" + sharedQueue(t)

			var log bytes.Buffer
			sleeper := s.process(shared, "TEST_AGENT_DATA="+t.TempDir(), "TEST_AGENT_CORE="+front.URL)
			sleeper.Stderr = &log
			if err := sleeper.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = sleeper.Process.Kill() })
			select {
			case <-uploading:
			case <-time.After(time.Minute):
				t.Fatal("nothing is uploaded")
			}
			if err := sleeper.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			s.runProcess("", shared)
			s.checkReplaced()
			close(store)
			<-stored
			if err := sleeper.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := sleeper.Wait(); err != nil {
				t.Fatalf("the agent that woke: %v\n%s", err, log.String())
			}
			s.checkReplaced()
		})
	}
}
