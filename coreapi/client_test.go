package coreapi

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
)

const profileJSON = `{"id":"u1","name":"w","username":"w","is_service_account":true,"is_valid":true}`

func TestNewRefusesAddressesThatCannotBeCores(t *testing.T) {
	for _, bad := range []string{"", "core:8080", "ftp://core", "http://", "http://a b", "/x"} {
		if _, err := New(Options{BaseURL: bad}); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestCallsAreSignedForTheRootOrganization(t *testing.T) {
	var got http.Header
	var uri string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, uri = r.Header, r.RequestURI
		reply(w, 200, profileJSON)
	})
	p, err := c.Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (Profile{ID: "u1", Name: "w", Username: "w", IsServiceAccount: true, IsValid: true}); p != want {
		t.Errorf("profile %+v", p)
	}
	if uri != "/api/v1/users/profile/" {
		t.Errorf("request for %s", uri)
	}
	if !strings.HasPrefix(got.Get("Authorization"), `Signature keyId="`+testKey.ID) || got.Get("X-JMS-ORG") != "ROOT" {
		t.Errorf("headers %v", got)
	}
}

func TestACallWithoutKeyIsNotSent(t *testing.T) {
	c := clientFor(t, "http://127.0.0.1:1")
	if _, err := c.Profile(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
}

func TestFailuresHaveTheirKind(t *testing.T) {
	session := func(c *Client, ctx context.Context) error { _, err := c.Session(ctx, testSession); return err }
	for _, tt := range []struct {
		name    string
		status  int
		body    string
		call    func(*Client, context.Context) error
		want    error
		message string
	}{
		{"unknown session", 404, `{"detail":"Not found.","code":"object_does_not_exist"}`, session, ErrNotFound, "Not found."},
		{"bad signature", 401, `{"detail":"Invalid signature.","code":"authentication_failed"}`, session, ErrUnauthorized, "Invalid signature."},
		{"missing permission", 403, `{"detail":"No","code":"permission_denied"}`, session, ErrForbidden, "No"},
		{"bad value", 400, `{"error_reason":["\"x\" is not a valid choice."]}`, session, ErrBadForm, "valid choice"},
		{"method missing", 405, `{"detail":"Method not allowed."}`, session, ErrUnsupported, ""},
		{"body too large", 413, "<html>nginx</html>", session, ErrTooLarge, ""},
		{"core broken", 500, "<html>", session, ErrUnavailable, ""},
		{"core away", 502, "", session, ErrUnavailable, ""},
		{"throttled", 429, `{"detail":"throttled"}`, session, ErrUnavailable, "throttled"},
		{"not core", 200, "<html>welcome", session, ErrProtocol, ""},
		{"session without id", 200, `{}`, session, ErrProtocol, "without id"},
		{"profile without id", 200, `{"id":""}`, func(c *Client, ctx context.Context) error {
			_, err := c.Profile(ctx)
			return err
		}, ErrProtocol, "without id"},
		{"config without storage", 200, `{}`, func(c *Client, ctx context.Context) error {
			_, err := c.TerminalConfig(ctx)
			return err
		}, ErrProtocol, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, tt.status, tt.body) })
			err := tt.call(c, t.Context())
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Status != tt.status {
				t.Errorf("status of %+v", e)
			}
			if !strings.Contains(err.Error(), tt.message) || strings.Contains(err.Error(), "<html>") {
				t.Errorf("message %q", err)
			}
		})
	}
}

func TestACoreThatRecoversIsAskedAgain(t *testing.T) {
	for name, trouble := range map[string]func(*testing.T, http.ResponseWriter){
		"500":            func(_ *testing.T, w http.ResponseWriter) { reply(w, 500, "") },
		"503":            func(_ *testing.T, w http.ResponseWriter) { reply(w, 503, "") },
		"connection cut": cut,
		"answer cut": func(t *testing.T, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusOK)
			io.WriteString(w, `{"id":`)
			http.NewResponseController(w).Flush()
			cut(t, w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) <= 2 {
					trouble(t, w)
					return
				}
				reply(w, 200, profileJSON)
			})
			if _, err := c.Profile(t.Context()); err != nil {
				t.Error(err)
			}
			if n.Load() != 3 {
				t.Errorf("%d requests", n.Load())
			}
		})
	}
}

func TestRefusalsAreNotRepeated(t *testing.T) {
	for _, status := range []int{301, 400, 401, 403, 404, 413, 501} {
		var n atomic.Int32
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); reply(w, status, "{}") })
		if _, err := c.Profile(t.Context()); err == nil {
			t.Errorf("%d: no error", status)
		}
		if n.Load() != 1 {
			t.Errorf("%d: %d requests", status, n.Load())
		}
	}
}

func TestRetryAfterIsWaitedOut(t *testing.T) {
	var times []time.Time
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		times = append(times, time.Now())
		if len(times) == 1 {
			w.Header().Set("Retry-After", "1")
			reply(w, 429, "{}")
			return
		}
		reply(w, 200, profileJSON)
	})
	if _, err := c.Profile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(times) != 2 || times[1].Sub(times[0]) < time.Second {
		t.Errorf("requests at %v", times)
	}
}

func TestALongRetryAfterIsTheCallers(t *testing.T) {
	var n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		reply(w, 429, "{}")
	})
	_, err := c.Profile(t.Context())
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrUnavailable) || e.RetryAfter != time.Hour || n.Load() != 1 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
}

func TestRedirectsAreNotFollowedButExplained(t *testing.T) {
	var n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		http.Redirect(w, r, "https://core.example/api/", http.StatusMovedPermanently)
	})
	for _, err := range []error{
		func() error { _, err := c.Profile(t.Context()); return err }(),
		c.Lifecycle(t.Context(), testSession, ConvertStart, ""),
	} {
		if !errors.Is(err, ErrRedirected) || !strings.Contains(err.Error(), "https://core.example/api/") {
			t.Errorf("got %v", err)
		}
	}
	if n.Load() != 2 {
		t.Errorf("%d requests", n.Load())
	}
}

func TestCertificatesAreVerifiedUnlessToldOtherwise(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, profileJSON) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	c := clientFor(t, srv.URL)
	c.SetKey(testKey)
	if _, err := c.Profile(t.Context()); !errors.Is(err, ErrCertificate) {
		t.Errorf("got %v", err)
	}
	c = clientFor(t, srv.URL, func(o *Options) { o.Insecure = true })
	c.SetKey(testKey)
	if _, err := c.Profile(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnUnreachableCoreIsUnavailable(t *testing.T) {
	at, err := loopback.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	c := clientFor(t, "http://"+at.HostPort(0))
	c.SetKey(testKey)
	_, err = c.Profile(t.Context())
	var op *net.OpError
	if !errors.Is(err, ErrUnavailable) || !errors.As(err, &op) {
		t.Errorf("got %v", err)
	}
}

func TestASilentCoreIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, func(http.ResponseWriter, *http.Request) { <-release }, func(o *Options) {
		o.Idle, o.RetryMax = 20*time.Millisecond, 1
	})
	defer close(release)
	_, err := c.Profile(t.Context())
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errStalled) {
		t.Errorf("got %v", err)
	}
}

func TestAnEndedContextIsNotCoresFault(t *testing.T) {
	// The response and the end of the context come in either order.
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { cancel(); reply(w, 503, "") }, func(o *Options) {
			o.RetryWaitMin, o.RetryWaitMax = time.Minute, time.Minute
		})
		_, err := c.Profile(ctx)
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestForwardProfilePassesTheCallersHeadersOn(t *testing.T) {
	var got http.Header
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header; reply(w, 200, profileJSON) })
	if _, err := c.ForwardProfile(t.Context(), "Signature x", "yesterday", "ROOT"); err != nil {
		t.Fatal(err)
	}
	if got.Get("Authorization") != "Signature x" || got.Get("Date") != "yesterday" || got.Get("X-JMS-ORG") != "ROOT" {
		t.Errorf("headers %v", got)
	}
}

func TestForwardProfileRefusesWhatCannotBeASignature(t *testing.T) {
	c := clientFor(t, "http://127.0.0.1:1")
	for _, h := range [][3]string{{"", "d", ""}, {"a", "", ""}, {"a\r\nX: y", "d", ""}, {"a", "d", "o\n"}} {
		if _, err := c.ForwardProfile(t.Context(), h[0], h[1], h[2]); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("%q: %v", h, err)
		}
	}
}

func TestACallersBadSignatureIsNotOurs(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 401, "{}") })
	if _, err := c.ForwardProfile(t.Context(), "a", "d", ""); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
	if len(c.rejected) != 0 {
		t.Error("taken for a refusal of our own key")
	}
	if _, err := c.Profile(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
	if len(c.rejected) != 1 {
		t.Error("the refusal of our own key went unnoticed")
	}
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	var log logBuffer
	var n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 1 {
			reply(w, 503, "{}")
			return
		}
		reply(w, 200, `{"id":"u1","TERMINAL_REPLAY_STORAGE":{"TYPE":"s3","SECRET_KEY":"hush"}}`)
	}, func(o *Options) { o.Log = log.logger() })
	if _, err := c.Profile(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg, err := c.TerminalConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.log.Info("config", "config", cfg, "client", c)
	if !strings.Contains(log.String(), "retrying") {
		t.Errorf("retries are not logged:\n%s", &log)
	}
	for _, secret := range []string{testKey.Secret, "hush", "signature="} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q logged:\n%s", secret, &log)
		}
	}
}

func TestReachKnowsCoreAndItsClock(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   error
	}{
		{"core", 401, `{"detail":"x","code":"not_authenticated"}`, nil},
		{"another server that wants a password", 401, "<html>", ErrProtocol},
		{"another server", 200, "<html>", ErrProtocol},
		{"no such page", 404, "<html>", ErrNotFound},
		{"core down", 502, "", ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("signed")
				}
				w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				reply(w, tt.status, tt.body)
			})
			ahead, err := c.Reach(t.Context())
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if err == nil && (ahead < 50*time.Minute || ahead > 70*time.Minute) {
				t.Errorf("%v ahead", ahead)
			}
		})
	}
}
