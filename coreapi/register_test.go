package coreapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const registered = `{"name":"w","service_account":{"access_key":{"id":"3f2b6c0e-8a47-4d0b-9f5e-1c2d3e4f5a6b",` +
	`"secret":"Zk3Qp9XwLr7TbN2vHs8JdY5mGc1FaE4uRt6K"}}}`

func TestRegisterSendsWhatCoreExpects(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/terminal/terminal-registrations/" || r.Header.Get("Authorization") != "BootstrapToken PleaseChangeMe" {
			t.Errorf("%s with %v", r.URL, r.Header)
		}
		want := map[string]any{"name": "w", "type": "video_worker", "comment": "video_worker"}
		if diff := cmp.Diff(want, decode(t, r.Body)); diff != "" {
			t.Error(diff)
		}
		reply(w, 201, registered)
	})
	if k, err := c.Register(t.Context(), "PleaseChangeMe", "w"); err != nil || k != testKey {
		t.Errorf("%#v, %v", k, err)
	}
}

func TestRefusalsOfRegistrationSayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name      string
		challenge string
		status    int
		body      string
		want      error
		advice    string
	}{
		{"v3.10 wrong token", "Bearer", 401, `{"detail":"x","code":"not_authenticated"}`, ErrBadToken, "config.txt"},
		{"v3.10 switched off", "", 400, `{"error":"service account registration disabled"}`, ErrRegistrationClosed, "SECURITY_SERVICE_ACCOUNT_REGISTRATION"},
		{"v4 wrong token or closed", `Signature realm="api"`, 401, `{"detail":"x","code":"not_authenticated"}`, ErrRegistrationRefused, "restart core"},
		{"name taken", "", 400, `{"name":["字段必须唯一"]}`, ErrNameTaken, "unset NAME"},
		{"unknown type", "", 400, `{"type":["\"video_worker\" is not a valid choice."]}`, ErrBadForm, "valid choice"},
		{"no key in the answer", "", 201, `{"name":"w"}`, ErrProtocol, "CORE_HOST"},
		{"a key that core would choke on", "", 201, `{"service_account":{"access_key":{"id":"1","secret":"s"}}}`, ErrProtocol, ""},
		{"core down", "", 502, ``, ErrUnavailable, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				w.Header().Set("WWW-Authenticate", tt.challenge)
				reply(w, tt.status, tt.body)
			})
			_, err := c.Register(t.Context(), "PleaseChangeMe", "worker-1")
			if !errors.Is(err, tt.want) || errors.Is(err, ErrUnauthorized) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), tt.advice) || !strings.Contains(err.Error(), "worker-1") {
				t.Errorf("message %q", err)
			}
			if strings.Contains(err.Error(), "PleaseChangeMe") {
				t.Errorf("token shown: %q", err)
			}
			if n.Load() != 1 {
				t.Errorf("%d requests", n.Load())
			}
		})
	}
}

func TestRegisterWithoutTokenAsksNobody(t *testing.T) {
	c := clientFor(t, "http://127.0.0.1:1")
	for _, token := range []string{"", "a\nb"} {
		if _, err := c.Register(t.Context(), token, "w"); !errors.Is(err, ErrBadToken) {
			t.Errorf("got %v", err)
		}
	}
}

func TestComponentNamesAreMadeLikeThoseOfOthers(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	t.Setenv("SERVER_HOSTNAME", "")
	want := regexp.MustCompile(`^\[VideoWorker\]-` + regexp.QuoteMeta(host) + `-[a-zA-Z]{7}$`)
	one, two := componentName(), componentName()
	if !want.MatchString(one) || one == two {
		t.Errorf("%s, %s", one, two)
	}
	t.Setenv("SERVER_HOSTNAME", "node7")
	if name := componentName(); !strings.HasPrefix(name, "[VideoWorker]-node7-"+host+"-") {
		t.Error(name)
	}
	t.Setenv("SERVER_HOSTNAME", strings.Repeat("ü", 200))
	name := componentName()
	if n := utf8.RuneCountInString(name); n != 127 {
		t.Errorf("%d characters", n)
	}
	if tail := name[len(name)-8:]; !regexp.MustCompile(`^-[a-zA-Z]{7}$`).MatchString(tail) || !strings.HasPrefix(name, "[VideoWorker]-ü") {
		t.Errorf("cut at an end: %s", name)
	}
}

// A proxy that breaks signatures must not cause ever more components in core.
func TestAKeyThatNeverWorksIsNotReplacedOverAndOver(t *testing.T) {
	var registrations, checks atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			registrations.Add(1)
			reply(w, 201, registered)
			return
		}
		checks.Add(1)
		reply(w, 401, `{"detail":"Invalid signature."}`)
	})
	var log logBuffer
	r := Registrar{
		Client: c, Keys: KeyFile{Dir: t.TempDir()}, Token: "x", Log: log.logger(),
		waits: waits{minimum: time.Millisecond, maximum: time.Millisecond, refused: time.Millisecond},
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.Failed = func(error) {
		if checks.Load() > 5 {
			cancel()
		}
	}
	if _, err := r.Ensure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if registrations.Load() != 1 {
		t.Errorf("registered %d times", registrations.Load())
	}
	if !strings.Contains(log.String(), "proxy") {
		t.Errorf("log:\n%s", &log)
	}
}

func TestNothingIsRegisteredThatCouldNotBeKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Symlink("nowhere/at/all", dir); err != nil {
		t.Fatal(err)
	}
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("core was asked") })
	ctx, cancel := context.WithCancel(t.Context())
	var log logBuffer
	r := Registrar{Client: c, Keys: KeyFile{Dir: dir}, Token: "x", Log: log.logger(), Failed: func(error) { cancel() }}
	if _, err := r.Ensure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), dir) {
		t.Errorf("the folder is not named:\n%s", &log)
	}
}

func TestAnHourWithoutCoreIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		c, err := New(Options{BaseURL: "http://core", Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") },
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		var tries []time.Duration
		r := Registrar{
			Client: c, Keys: KeyFile{Dir: t.TempDir()}, Token: "x", Log: log.logger(),
			Failed: func(error) { tries = append(tries, time.Since(start)) },
		}
		if _, err := r.Ensure(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		// The waits are 1, 2, 4, 8, 16 and from then on 30 s, each less up to a
		// third.
		for i, limit := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			limit *= time.Second
			if wait := tries[i+1] - tries[i]; wait > limit || wait < limit*2/3-1 {
				t.Errorf("wait %d: %v of %v", i, wait, limit)
			}
		}
		if n := len(tries); n < 3600/30 || n > 3600/20+10 {
			t.Errorf("%d tries", n)
		}
		if n := strings.Count(log.String(), "\n"); n < 5 || n > 7 {
			t.Errorf("%d lines of log", n)
		}
	})
}
