package storage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/s3"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

// TestObserved: each call is reported once, with its result.
func TestObserved(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodGet && r.URL.Path == "/replays/":
			fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`)
		case r.Method == http.MethodPut:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<Error><Code>AccessDenied</Code></Error>`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<Error><Code>NoSuchKey</Code></Error>`)
		}
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := s3.Open(storage.Config{Kind: storage.KindS3, Bucket: "replays", Endpoint: at, AccessKey: "a", SecretKey: "s"}, storage.Options{Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	var reported []string
	s := storage.Observed(bucket, func(call, outcome string, took time.Duration) {
		if took <= 0 {
			t.Errorf("%s took %s", call, took)
		}
		reported = append(reported, call+" "+outcome)
	})
	ctx := t.Context()
	_ = s.Put(ctx, storagetest.MP4, storagetest.Body("an MP4"))
	_, _ = s.Stat(ctx, storagetest.MP4)
	if r, err := s.Get(ctx, storagetest.MP4, 0); err == nil {
		r.Close()
	}
	_, _ = s.List(ctx, storage.Query{})
	_ = s.Delete(ctx, storagetest.MP4)
	_ = s.Move(ctx, storagetest.Gz, storagetest.MP4)
	want := []string{"put forbidden", "stat not_found", "get not_found", "list ok", "delete ok", "move not_found"}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Error(diff)
	}
	// Calls that are not observed go to the storage itself.
	if s.Place() != bucket.Place() || s.Usage() != bucket.Usage() || s.Usage().Requests == 0 {
		t.Errorf("%s, %+v", s.Place(), s.Usage())
	}
}

// TestEveryKindHasItsOutcome: no failure of a known kind is reported as "error".
func TestEveryKindHasItsOutcome(t *testing.T) {
	seen := map[string]error{}
	for _, kind := range []error{
		storage.ErrNotFound, storage.ErrNoBucket, storage.ErrCredentials, storage.ErrForbidden, storage.ErrClock, storage.ErrUnavailable,
		storage.ErrDamaged, storage.ErrArchived, storage.ErrFull, storage.ErrRegion, storage.ErrCertificate, storage.ErrConfig, storage.ErrRefused,
	} {
		word := storage.Outcome(&storage.Error{Op: "put", Kind: kind})
		if word == "error" || word == "ok" || seen[word] != nil {
			t.Errorf("%v: %q, as of %v", kind, word, seen[word])
		}
		seen[word] = kind
	}
}
