package oss

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

func open(t *testing.T, server *storagetest.Server, at *url.URL, change ...func(*storage.Config)) storage.Storage {
	t.Helper()
	c := storage.Config{
		Kind: storage.KindOSS, Bucket: server.Bucket, Endpoint: at, AccessKey: server.Access, SecretKey: storage.Secret(server.Secret),
	}
	for _, f := range change {
		f(&c)
	}
	s, err := Open(c, storage.Options{UserAgent: "jumpserver-video/test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	server := storagetest.Gateway(t, storagetest.OSS, storagetest.S3(t))
	storagetest.Conformance(t, func(t *testing.T) storage.Storage { return open(t, server, server.URL) })
}

// If the endpoint is a name, as with the provider, the bucket is part of the host
// name.
func TestBucketInTheHostName(t *testing.T) {
	server := storagetest.Gateway(t, storagetest.OSS, storagetest.S3(t))
	storagetest.Conformance(t, func(t *testing.T) storage.Storage {
		s, ok := open(t, server, &url.URL{Scheme: "http", Host: "oss.test"}).(*Bucket)
		if !ok {
			t.Fatal("no bucket")
		}
		s.http.Transport = &storagetest.ByName{
			Domain: "oss.test", Server: server, Next: s.http.Transport, Refuse: storagetest.XMLError(http.StatusForbidden, "PathStyleDomainForbidden"),
		}
		return s
	})
}

func TestFaults(t *testing.T) {
	s3, s3ReadOnly := storagetest.ReadOnly(t)
	server, readOnly := storagetest.Gateway(t, storagetest.OSS, s3), storagetest.Gateway(t, storagetest.OSS, s3ReadOnly)
	with := func(change func(*storage.Config)) storagetest.Opener {
		return func(t *testing.T) storage.Storage { return open(t, server, server.URL, change) }
	}
	method := func(m, query string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == m && strings.Contains(r.URL.RawQuery, query) }
	}
	storagetest.Faults(t, storagetest.Broken{
		Server:        server,
		Through:       func(t *testing.T, f *storagetest.Front) storage.Storage { return open(t, server, f.URL) },
		WrongKey:      with(func(c *storage.Config) { c.SecretKey = "wrong" }),
		NoBucket:      with(func(c *storage.Config) { c.Bucket = "no-such-bucket" }),
		ReadOnly:      func(t *testing.T) storage.Storage { return open(t, readOnly, readOnly.URL) },
		Unreachable:   with(func(c *storage.Config) { c.Endpoint = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }),
		Archived:      http.Header{"X-Oss-Storage-Class": {"Archive"}},
		ArchivedCode:  storagetest.XMLError(http.StatusForbidden, "InvalidObjectState"),
		PartOf:        method(http.MethodPut, "partNumber="),
		CompletionOf:  method(http.MethodPost, "uploadId="),
		SmallUploadOf: method(http.MethodPut, ""),
		DownloadOf:    func(r *http.Request) bool { return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".gz") },
	})
}
