package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// TestOfWhichSessionsRecordingsAreTaken: recordings are accepted if core knows the session
// and the component records pictures, also before the session has ended. While core cannot
// be reached, none are accepted.
func TestOfWhichSessionsRecordingsAreTaken(t *testing.T) {
	for _, version := range []string{"3.10.9", "4.2.0", "4.10.13", "4.10.16"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			core, err := devcore.Start(devcore.Options{Version: version, MediaDir: t.TempDir(), BootstrapToken: "boot-secret"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = core.Close() })
			client, err := coreapi.New(coreapi.Options{BaseURL: core.URL, RetryWaitMin: time.Millisecond, RetryWaitMax: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			key, err := client.Register(t.Context(), "boot-secret", "worker")
			if err != nil {
				t.Fatal(err)
			}
			client.SetKey(key)
			auth, err := upload.NewAuth(checkAt(client), "")
			if err != nil {
				t.Fatal(err)
			}
			worker := httptest.NewServer((&upload.Server{
				Spool: &upload.Spool{Dir: t.TempDir()}, Auth: auth, Log: slog.New(slog.DiscardHandler), Admit: admitAt(client),
			}).Handler())
			t.Cleanup(worker.Close)
			keyID, secret, err := core.AddUser(devcore.User{Username: "lion", Service: true})
			if err != nil {
				t.Fatal(err)
			}
			lion := coreapi.Key{ID: keyID, Secret: secret}
			begin := func(session string) (int, string) {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, core.URL+"/api/v1/users/profile/", nil)
				if err != nil {
					t.Fatal(err)
				}
				lion.Sign(r)
				signed := r.Header
				r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, worker.URL+"/api/v2/replay/sessions/"+session+"/task/",
					strings.NewReader(`{"meta":{"id":"`+session+`","files":[{"name":"`+session+`.0.part.gz"}]}}`))
				if err != nil {
					t.Fatal(err)
				}
				r.Header = signed
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				return resp.StatusCode, string(body)
			}
			n := 0
			check := func(terminal, protocol string, want int, change ...func(*devcore.Session)) {
				t.Helper()
				n++
				s := devcore.Session{ID: fmt.Sprintf("%08d-7777-4111-8111-111111111111", n), User: "a(a)", Asset: "win", Account: "b(b)",
					Protocol: protocol, TerminalType: terminal, Start: sessionStart, End: sessionStart.Add(time.Hour), Finished: true}
				for _, f := range change {
					f(&s)
				}
				core.AddSession(s)
				if status, body := begin(s.ID); status != want {
					t.Errorf("%q %s: %d %s", terminal, protocol, status, body)
				}
			}
			for _, terminal := range []string{"lion", "razor", "guacamole", "xrdp"} {
				for _, protocol := range []string{"rdp", "vnc", "mysql", "http", "ssh"} { // remote applications have their own protocols
					check(terminal, protocol, http.StatusOK)
				}
			}
			for _, terminal := range []string{"koko", "omnidb", "magnus", "chen", "kael", "core", "celery", "tinker", "video_worker"} {
				for _, protocol := range []string{"ssh", "mysql", "rdp"} {
					check(terminal, protocol, http.StatusForbidden)
				}
			}
			for _, unknown := range []string{"nec", "panda", "of-2027", ""} { // unknown or deleted: core's own rule applies
				check(unknown, "vnc", http.StatusOK)
				check(unknown, "ssh", http.StatusForbidden)
			}
			check("lion", "rdp", http.StatusOK, func(s *devcore.Session) { s.Finished, s.End = false, time.Time{} })
			check("lion", "rdp", http.StatusOK, func(s *devcore.Session) { s.Org = "0b9d5f1e-6c1a-4f0e-8f3a-00000000000a" })

			const gone = "99999999-7777-4111-8111-111111111111"
			if status, body := begin(gone); status != http.StatusNotFound || !strings.Contains(body, "core does not know the session") {
				t.Error(status, body)
			}
			for _, fault := range []devcore.Fault{{Status: http.StatusBadGateway}, {Status: http.StatusForbidden}, {Cut: true}} {
				fault.Path = regexp.MustCompile("^/api/v1/terminal/sessions/")
				repair := core.Fail(fault)
				check("lion", "rdp", http.StatusServiceUnavailable)
				if status, body := begin(gone); status != http.StatusServiceUnavailable {
					t.Error("unknown, while core fails:", status, body)
				}
				repair()
			}
		})
	}
}

// TestALionKeepsWhatTheAgentDoesNotTake is run with each release of Lion. Lion keeps a
// recording of a session that core does not know. It puts a recording of a session without
// pictures into its own storage. Neither of them stays in the spool.
func TestALionKeepsWhatTheAgentDoesNotTake(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	for i, era := range liontest.Eras {
		lion := l.lion(era)
		from := sample(t, "tiny/v3/*/*.replay.gz")
		unknown, text := fmt.Sprintf("%08x-aaaa-4111-8111-111111111111", i), fmt.Sprintf("%08x-bbbb-4111-8111-111111111111", i)
		l.core.AddSession(devcore.Session{ID: text, User: "a(a)", Asset: "linux", Account: "b(b)", Protocol: "ssh", TerminalType: "koko",
			Start: sessionStart, End: sessionStart.Add(time.Hour), Finished: true})
		for _, id := range []string{unknown, text} {
			if err := lion.Record(id, from); err != nil {
				t.Fatal(err)
			}
		}
		out, err := lion.End(t.Context(), unknown, sessionDay)
		if !errors.Is(err, liontest.ErrNowhere) || out.Refused == nil || !strings.Contains(out.Refused.Error(), "404") || !slices.Contains(lion.Left(), unknown) {
			t.Errorf("%v, unknown: %+v %v, it has %v", era, out, err, lion.Left())
		}
		out, err = lion.End(t.Context(), text, sessionDay)
		if err != nil || out.Refused == nil || !strings.Contains(out.Refused.Error(), "403") {
			t.Errorf("%v, koko's: %+v %v", era, out, err)
		}
		if stored, err := filepath.Glob(filepath.Join(l.replay(), sessionDay, text+"*")); err != nil || len(stored) == 0 {
			t.Errorf("%v, koko's: not in Lion's storage: %v %v", era, stored, err)
		}
		// When core knows the session, the recording that Lion has kept becomes its MP4.
		l.session(unknown)
		if err := lion.Restart(t.Context(), sessionDay); err != nil {
			t.Error(era, err)
		}
		l.until(unknown, func() bool { return l.served(unknown) == "mp4" })
	}
	l.until("nothing in the spool", func() bool {
		left, err := os.ReadDir(filepath.Join(l.dir, "data", "spool"))
		return err == nil && len(left) == 1 && left[0].Name() == "done" // the upload of the Lion that has retried
	})
	if said := l.agent.Log(); strings.Count(said, "upload refused") != 2*len(liontest.Eras) {
		t.Error("the log does not have each refusal")
	}
}

// TestALionMayHandOverBeforeItSaysThatTheSessionIsOver: the agent accepts the upload, and
// converts it when core knows that the session has ended.
func TestALionMayHandOverBeforeItSaysThatTheSessionIsOver(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	lions := map[string]*liontest.Lion{}
	for i, era := range liontest.Eras {
		id := fmt.Sprintf("%08x-cccc-4111-8111-111111111111", i)
		lions[id] = l.lion(era)
		l.core.AddSession(devcore.Session{ID: id, User: "a(a)", Asset: "win", Account: "b(b)", Protocol: "rdp", TerminalType: "lion", Start: sessionStart})
		if err := lions[id].Record(id, sample(t, "tiny/v3/*/*.replay.gz")); err != nil {
			t.Fatal(err)
		}
		l.ended(lions[id], id)
		l.session(id) // it has ended now
	}
	for id := range lions {
		l.until(id, func() bool { return l.served(id) == "mp4" && l.marked(id) })
	}
}

// TestALongHeadIsRefused: a request whose header is too large gets status 431. The agent
// reads the header before it knows the client, and must not use much memory for it.
func TestALongHeadIsRefused(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	for size, want := range map[int]string{16 << 10: "HTTP/1.1 200 OK", 100 << 10: "HTTP/1.1 431 "} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.agent.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = fmt.Fprintf(conn, "GET /video-worker/health/ HTTP/1.1\r\nHost: x\r\nX: %s\r\nConnection: close\r\n\r\n", strings.Repeat("x", size))
		if answer, err := io.ReadAll(conn); !strings.HasPrefix(string(answer), want) {
			t.Errorf("%d bytes: %.40s %v", size, answer, err)
		}
		conn.Close()
	}
}
