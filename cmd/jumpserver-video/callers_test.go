package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// TestWhoMayUpload: components may upload if core confirms them. Each other response makes
// Lion keep its recording.
func TestWhoMayUpload(t *testing.T) {
	for _, version := range []string{"3.10.9", "4.2.0", "4.10.13", "4.10.16"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			core, err := devcore.Start(devcore.Options{Version: version, MediaDir: t.TempDir(), BootstrapToken: "boot-secret"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = core.Close() })
			client, err := coreapi.New(coreapi.Options{BaseURL: core.URL})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			auth, err := upload.NewAuth(checkAt(client), "")
			if err != nil {
				t.Fatal(err)
			}
			worker := httptest.NewServer((&upload.Server{
				Spool: &upload.Spool{Dir: t.TempDir()}, Auth: auth, Log: slog.New(slog.DiscardHandler),
			}).Handler())
			t.Cleanup(worker.Close)

			key := func(u devcore.User) coreapi.Key {
				id, secret, err := core.AddUser(u)
				if err != nil {
					t.Fatal(err)
				}
				return coreapi.Key{ID: id, Secret: secret}
			}
			ask := func(what string, key coreapi.Key, want int) {
				t.Helper()
				virtual, err := http.NewRequestWithContext(t.Context(), http.MethodGet, core.URL+"/api/v1/users/profile/", nil)
				if err != nil {
					t.Fatal(err)
				}
				key.Sign(virtual)
				const session = "5f946840-ca17-47b4-9b3a-67b7ba28ad0f"
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, worker.URL+"/api/v2/replay/sessions/"+session+"/task/",
					strings.NewReader(`{"meta":{"id":"`+session+`","files":[{"name":"`+session+`.0.part.gz"}]}}`))
				if err != nil {
					t.Fatal(err)
				}
				r.Header = virtual.Header.Clone()
				r.Header.Set("X-JMS-ORG", "ROOT")
				r.Header.Set("Content-Type", "application/json")
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if body, _ := io.ReadAll(resp.Body); resp.StatusCode != want || resp.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: %s: %s", what, resp.Status, body)
				}
			}
			lion := key(devcore.User{Username: "lion", Service: true})
			ask("a component", lion, http.StatusOK)
			ask("a wrong secret", coreapi.Key{ID: lion.ID, Secret: "guessed"}, http.StatusUnauthorized)
			ask("an unknown key", coreapi.Key{ID: "5f946840-ca17-47b4-9b3a-67b7ba28ad0f", Secret: "x"}, http.StatusUnauthorized)
			ask("a person", key(devcore.User{Username: "lee"}), http.StatusForbidden)
			ask("an administrator", key(devcore.User{Username: "root", Admin: true}), http.StatusForbidden)
			revoked := key(devcore.User{Username: "old", Service: true})
			if err := core.RevokeKey("old"); err != nil {
				t.Fatal(err)
			}
			ask("a revoked key", revoked, http.StatusUnauthorized)
			disabled := http.StatusForbidden
			if version == "4.10.13" || version == "4.10.16" {
				disabled = http.StatusUnauthorized // core's response since v4.10.8
			}
			ask("a disabled component", key(devcore.User{Username: "off", Service: true, Disabled: true}), disabled)

			profile := regexp.MustCompile("^/api/v1/users/profile/$")
			late := key(devcore.User{Username: "late", Service: true})
			repair := core.Fail(devcore.Fault{Path: profile, Status: http.StatusBadGateway})
			ask("while core fails", late, http.StatusServiceUnavailable)
			repair()
			ask("when it is back", late, http.StatusOK)
			repair = core.Fail(devcore.Fault{Path: profile, Cut: true})
			ask("while core is away", key(devcore.User{Username: "later", Service: true}), http.StatusServiceUnavailable)
			repair()
			ask("a component that is known", lion, http.StatusOK)
		})
	}
}
