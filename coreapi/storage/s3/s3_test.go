package s3

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

func settings(server *storagetest.Server, at *url.URL) storage.Config {
	return storage.Config{
		Kind: storage.KindS3, Bucket: server.Bucket, Endpoint: at, AccessKey: server.Access, SecretKey: storage.Secret(server.Secret),
	}
}

func open(t *testing.T, c storage.Config) storage.Storage {
	t.Helper()
	s, err := Open(c, storage.Options{UserAgent: "jumpserver-video/test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	server := storagetest.S3(t)
	storagetest.Conformance(t, func(t *testing.T) storage.Storage { return open(t, settings(server, server.URL)) })
}

func TestFaults(t *testing.T) {
	server, readOnly := storagetest.ReadOnly(t)
	with := func(change func(*storage.Config)) storagetest.Opener {
		return func(t *testing.T) storage.Storage {
			c := settings(server, server.URL)
			change(&c)
			return open(t, c)
		}
	}
	method := func(m, query string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == m && strings.Contains(r.URL.RawQuery, query) }
	}
	storagetest.Faults(t, storagetest.Broken{
		Server:        server,
		Through:       func(t *testing.T, f *storagetest.Front) storage.Storage { return open(t, settings(server, f.URL)) },
		WrongKey:      with(func(c *storage.Config) { c.SecretKey = "wrong" }),
		NoBucket:      with(func(c *storage.Config) { c.Bucket = "no-such-bucket" }),
		ReadOnly:      with(func(c *storage.Config) { c.Endpoint = readOnly.URL }),
		Unreachable:   with(func(c *storage.Config) { c.Endpoint = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }),
		Archived:      http.Header{"X-Amz-Storage-Class": {"GLACIER"}},
		ArchivedCode:  storagetest.XMLError(http.StatusForbidden, "InvalidObjectState"),
		PartOf:        method(http.MethodPut, "partNumber="),
		CompletionOf:  method(http.MethodPost, "uploadId="),
		SmallUploadOf: method(http.MethodPut, ""),
		DownloadOf: func(r *http.Request) bool {
			return r.Method == http.MethodGet && !strings.Contains(r.URL.RawQuery, "prefix")
		},
	})
}

func TestUnknownAccessKey(t *testing.T) {
	server := storagetest.S3(t)
	c := settings(server, server.URL)
	c.AccessKey = "AKIDNOBODY"
	if _, err := open(t, c).Stat(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), storage.ErrCredentials.Error()) {
		t.Error(err)
	}
}

// If the server refuses a guessed region, its own region is used.
func TestRegion(t *testing.T) {
	for _, region := range []string{"us-east-1", "cn-odd-7"} {
		server := storagetest.S3In(t, region)
		c := settings(server, server.URL) // the guess is "0"
		s := open(t, c)
		for range 2 {
			if err := storage.Publish(t.Context(), s, storagetest.MP4, storagetest.Body("x")); err != nil {
				t.Errorf("%s: %v", region, err)
			}
		}
		fixed, err := Open(c, storage.Options{Region: region})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fixed.Stat(t.Context(), storagetest.MP4); err != nil || fixed.Usage().Requests != 1 {
			t.Errorf("%s: %v after %d requests", region, err, fixed.Usage().Requests)
		}
		wrong, err := Open(c, storage.Options{Region: "wrong"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wrong.List(t.Context(), storage.Query{}); err == nil || !strings.Contains(err.Error(), storage.ErrRegion.Error()) {
			t.Errorf("what the administrator names is not changed: %v", err)
		}
	}
}
