package storagetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
)

// Server is a running storage server.
type Server struct {
	URL            *url.URL
	Access, Secret string
	Region, Bucket string
}

// Keys of the servers in the tests. They are not secret.
const (
	access = "AKIDJUMPSERVERVIDEO1"
	secret = "not-a-secret-but-a-key-of-tests-0001"
	bucket = "replays"
	// region is odd on purpose: core's clients derive it from host names such as
	// "127.0.83.201", as the third label from the right.
	region = "0"
)

// S3 starts a VersityGW, an S3 server that stores objects in a folder.
func S3(t testing.TB, args ...string) *Server {
	t.Helper()
	return s3(t, region, t.TempDir(), args...)
}

// S3In starts an S3 server whose buckets belong to another region.
func S3In(t testing.TB, region string) *Server {
	t.Helper()
	return s3(t, region, t.TempDir())
}

// ReadOnly starts a second server with the data of the first one that permits no
// writing.
func ReadOnly(t testing.TB) (writable, readOnly *Server) {
	t.Helper()
	root := t.TempDir()
	return s3(t, region, root), s3(t, region, root, "--readonly")
}

func s3(t testing.TB, region, root string, args ...string) *Server {
	t.Helper()
	program := find(t, "versitygw", "make test-storage")
	data, meta := filepath.Join(root, "data"), filepath.Join(root, "meta")
	for _, dir := range []string{data, meta} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	addr := freeAddr(t)
	args = append([]string{"--port", addr, "--access", access, "--secret", secret, "--region", region, "--quiet"}, args...)
	start(t, addr, program, append(args, "posix", "--sidecar", meta, data)...)
	s := &Server{URL: &url.URL{Scheme: "http", Host: addr}, Access: access, Secret: secret, Region: region, Bucket: bucket}
	if _, err := os.Stat(filepath.Join(data, bucket)); err == nil {
		return s
	}
	err := s.Client(t).MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Client returns a client of an S3 server that shares no code with ours.
func (s *Server) Client(t testing.TB) *minio.Client {
	t.Helper()
	c, err := minio.New(s.URL.Host, &minio.Options{Creds: credentials.NewStaticV4(s.Access, s.Secret, ""), Region: s.Region, BucketLookup: minio.BucketLookupPath})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Azure starts Azurite, Microsoft's emulator of Azure Blob Storage. It uses the
// account and key from Microsoft's public documentation.
func Azure(t testing.TB) *Server {
	t.Helper()
	program := find(t, "azurite-blob", "make test-storage")
	addr := freeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	start(t, addr, program, "--blobHost", host, "--blobPort", port, "--location", t.TempDir(), "--silent", "--disableTelemetry", "--skipApiVersionCheck")
	return &Server{
		URL: &url.URL{Scheme: "http", Host: addr, Path: "/devstoreaccount1"}, Access: "devstoreaccount1", Bucket: bucket,
		Secret: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
	}
}

// Container returns a client of an Azure server that shares no code with ours. The
// container exists when it returns.
func (s *Server) Container(t testing.TB) *container.Client {
	t.Helper()
	key, err := container.NewSharedKeyCredential(s.Access, s.Secret)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(s.URL.JoinPath(s.Bucket).String(), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatal(err)
	}
	return c
}

// find looks for a server's program where make installs it, then in PATH.
func find(t testing.TB, name, how string) string {
	t.Helper()
	for dir, err := os.Getwd(); err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		for _, rel := range []string{".cache/bin/" + name, ".cache/azurite/node_modules/.bin/" + name} {
			if path := filepath.Join(dir, rel); executable(path) {
				return path
			}
		}
		break
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if All() {
		t.Fatalf("%s is not installed: %s", name, how)
	}
	t.Skipf("%s is not installed: %s", name, how)
	return ""
}

// All reports whether the test runs under `make test-storage`, where no test may be
// skipped.
func All() bool { return os.Getenv("STORAGE_TESTS") == "all" }

// Heavy skips tests that take many seconds.
func Heavy(t testing.TB) {
	t.Helper()
	if !All() {
		t.Skip("takes long: make test-storage")
	}
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// freeAddr returns an address with host and port that is reserved until the test
// ends.
func freeAddr(t testing.TB) string {
	t.Helper()
	at, err := loopback.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := at.Close(); err != nil {
			t.Error(err)
		}
	})
	return at.HostPort(0)
}

// start runs a server until the test ends, and waits until it listens.
func start(t testing.TB, addr, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...) //nolint:noctx // the clean-up ends its whole group
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended //nolint:errcheck // it was killed
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultTransport.RoundTrip(r); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s: %v: %s", filepath.Base(program), err, out.String())
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("%s does not listen: %w", filepath.Base(program), ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
