package s3

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

// If a server accepts no bucket in the path, requests name the bucket in the host
// name.
func TestBucketInTheHostName(t *testing.T) {
	const domain = "cos.test"
	server := storagetest.S3(t, "--virtual-domain", domain)
	c := settings(server, &url.URL{Scheme: "http", Host: domain})
	c.Kind, c.Region = storage.KindCOS, server.Region
	s, err := Open(c, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names := &storagetest.ByName{
		Domain: domain, Server: server, Next: s.http.Transport, Refuse: storagetest.XMLError(http.StatusForbidden, "PathStyleDomainForbidden"),
	}
	s.http.Transport = names
	if err := s.connect(); err != nil {
		t.Fatal(err)
	}
	if err := storage.Publish(t.Context(), s, storagetest.MP4, storagetest.Body("the video")); err != nil {
		t.Fatal(err)
	}
	if err := s.Move(t.Context(), storagetest.MP4, "moved.mp4"); err != nil {
		t.Error(err)
	}
	if page, err := s.List(t.Context(), storage.Query{}); err != nil || len(page.Objects) != 1 || page.Objects[0].Key != "moved.mp4" {
		t.Errorf("%+v, %v", page, err)
	}
	// Another client finds the object in the same bucket.
	if _, err := open(t, settings(server, server.URL)).Stat(t.Context(), "moved.mp4"); err != nil {
		t.Error(err)
	}
	if names.Refused == 0 || names.Refused > 2 {
		t.Errorf("%d requests by path", names.Refused)
	}
}

// Without keys in the settings, those of the environment or of the machine's role
// are used.
func TestKeysOfTheEnvironment(t *testing.T) {
	server := storagetest.S3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", server.Access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.Secret)
	c := settings(server, server.URL)
	c.AccessKey, c.SecretKey = "", ""
	if err := storage.Publish(t.Context(), open(t, c), storagetest.MP4, storagetest.Body("x")); err != nil {
		t.Error(err)
	}
}

// noKeys removes every place where keys could be found.
func noKeys(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
}

func TestKeysOfTheRole(t *testing.T) {
	server := storagetest.S3(t)
	requests := 0
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`, server.Access, server.Secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer role.Close()
	noKeys(t)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.URL)
	c := settings(server, server.URL)
	c.AccessKey, c.SecretKey = "", ""
	s := open(t, c)
	for range 3 {
		if err := storage.Publish(t.Context(), s, storagetest.MP4, storagetest.Body("x")); err != nil {
			t.Fatal(err)
		}
	}
	if requests != 1 {
		t.Errorf("the role was asked for its keys %d times", requests)
	}
}

// If there are no keys anywhere, the error says so.
func TestNoKeysAnywhere(t *testing.T) {
	server := storagetest.S3(t)
	role := httptest.NewServer(http.NotFoundHandler())
	defer role.Close()
	noKeys(t)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.URL)
	c := settings(server, server.URL)
	c.AccessKey, c.SecretKey = "", ""
	_, err := open(t, c).List(t.Context(), storage.Query{})
	if err == nil || !strings.Contains(err.Error(), "names no keys") {
		t.Error(err)
	}
}
