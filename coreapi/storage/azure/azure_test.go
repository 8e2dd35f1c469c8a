package azure

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

func settings(server *storagetest.Server) storage.Config {
	return storage.Config{
		Kind: storage.KindAzure, Container: server.Bucket, Account: server.Access, AccountKey: storage.Secret(server.Secret), Suffix: "core.windows.net",
	}
}

func connect(t *testing.T, c storage.Config, at *url.URL) *Container {
	t.Helper()
	s, err := OpenAt(c, storage.Options{UserAgent: "jumpserver-video/a-version-too-long-for-azure"}, at.JoinPath(c.Container).String())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t *testing.T) *storagetest.Server {
	t.Helper()
	server := storagetest.Azure(t)
	server.Container(t)
	return server
}

func TestConformance(t *testing.T) {
	server := start(t)
	storagetest.Conformance(t, func(t *testing.T) storage.Storage { return connect(t, settings(server), server.URL) })
}

func TestFaults(t *testing.T) {
	server := start(t)
	with := func(change func(*storage.Config)) storagetest.Opener {
		return func(t *testing.T) storage.Storage {
			c := settings(server)
			change(&c)
			return connect(t, c, server.URL)
		}
	}
	method := func(m, query string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == m && strings.Contains(r.URL.RawQuery, query) }
	}
	clock := storagetest.XMLError(http.StatusForbidden, "AuthenticationFailed")
	clock.Body = strings.Replace(clock.Body, "said by the test", "Request date header too old", 1)
	storagetest.Faults(t, storagetest.Broken{
		Server:   server,
		Through:  func(t *testing.T, f *storagetest.Front) storage.Storage { return connect(t, settings(server), f.URL) },
		WrongKey: with(func(c *storage.Config) { c.AccountKey = "d3Jvbmc=" }),
		NoBucket: with(func(c *storage.Config) { c.Container = "no-such-container" }),
		Unreachable: func(t *testing.T) storage.Storage {
			return connect(t, settings(server), &url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		},
		ClockCode:     clock,
		Archived:      http.Header{"X-Ms-Access-Tier": {"Archive"}},
		ArchivedCode:  storagetest.XMLError(http.StatusConflict, "BlobArchived"),
		PartOf:        method(http.MethodPut, "comp=block&"),
		CompletionOf:  method(http.MethodPut, "comp=blocklist"),
		SmallUploadOf: method(http.MethodPut, ""),
		DownloadOf: func(r *http.Request) bool {
			return r.Method == http.MethodGet && !strings.Contains(r.URL.RawQuery, "comp=list")
		},
	})
}

func TestKeyThatIsNoBase64(t *testing.T) {
	c := storage.Config{Kind: storage.KindAzure, Container: "c", Account: "a", AccountKey: "not base64!", Suffix: "core.windows.net"}
	_, err := Open(c, storage.Options{})
	if err == nil || strings.Contains(err.Error(), "not base64!") || !strings.Contains(err.Error(), "ACCOUNT_KEY") {
		t.Error(err)
	}
}
