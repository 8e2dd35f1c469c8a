package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// bucketFixture is a fixture in which core keeps replays in a bucket of a real server.
type bucketFixture struct {
	*fixture
	server *storagetest.Server
	client *minio.Client
	bucket string
	front  *storagetest.Front // proxy between the agent and the server
}

// newBucketFixture creates a fixture with a bucket of the server.
func newBucketFixture(t *testing.T, server *storagetest.Server, version string) *bucketFixture {
	t.Helper()
	b := &bucketFixture{
		server: server, client: server.Client(t), front: storagetest.NewFront(t, server.URL),
		bucket: "lab-" + strings.ReplaceAll(version, ".", "-") + fmt.Sprint("-", time.Now().UnixNano()),
	}
	if err := b.client.MakeBucket(t.Context(), b.bucket, minio.MakeBucketOptions{Region: server.Region}); err != nil {
		t.Fatal(err)
	}
	b.fixture = newFixture(t, version, func(o *devcore.Options) {
		o.ReplayStorage = b.settings()
		o.External = []devcore.Storage{{Name: "bucket", External: devcore.S3Bucket{Client: b.client, Name: b.bucket}}}
	})
	for name, value := range map[string]string{
		"STORAGE_SCAN_INTERVAL": "300ms", "STORAGE_SWEEP_INTERVAL": "1s", "STORAGE_MAX_REQUESTS": "1000000", "TEST_REFRESH": "300ms",
	} {
		b.env[name] = value
	}
	t.Cleanup(func() { b.stop() })
	return b
}

// settings returns core's settings of the storage.
func (b *bucketFixture) settings() map[string]any {
	return map[string]any{"TYPE": "s3", "BUCKET": b.bucket, "ACCESS_KEY": b.server.Access, "SECRET_KEY": b.server.Secret, "ENDPOINT": b.front.URL.String()}
}

// set changes core's settings of the agent's storage at run time.
func (b *bucketFixture) set(settings map[string]any) {
	b.t.Helper()
	for _, c := range b.core.Components() {
		if c.Type != "video_worker" {
			continue
		}
		if err := b.core.SetReplayStorage(c.Name, settings); err != nil {
			b.t.Fatal(err)
		}
	}
}

// but returns the settings with one other value.
func (b *bucketFixture) but(name, value string) map[string]any {
	s := b.settings()
	s[name] = value
	return s
}

// move moves all files of the folder into the bucket.
func (b *bucketFixture) move(dir string) {
	b.t.Helper()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		if _, err := b.client.FPutObject(b.t.Context(), b.bucket, filepath.ToSlash(rel), file, minio.PutObjectOptions{}); err != nil {
			return err
		}
		return os.Remove(file)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// keys returns the keys of all objects in the bucket, except those in the trash.
func (b *bucketFixture) keys() (all []string) {
	b.t.Helper()
	for o := range b.client.ListObjects(b.t.Context(), b.bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			b.t.Fatal(o.Err)
		}
		if !storage.InTrash(o.Key) {
			all = append(all, o.Key)
		}
	}
	return all
}

// task returns a session's task.
func (b *bucketFixture) task(id string) (v task.View) {
	out, code := b.command("tasks", "show", id, "--json")
	if code != 0 {
		return v
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
	return v
}

// published waits until the session's task is done. It checks that the UI plays the MP4 in
// the bucket.
func (b *bucketFixture) published(what, id, day string) {
	b.t.Helper()
	b.until(what, func() bool { return b.marked(id) && b.task(id).State == queue.StateDone })
	key := day + "/" + id + ".replay.mp4"
	o, err := b.client.GetObject(b.t.Context(), b.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer o.Close()
	want, err := io.ReadAll(o)
	if err != nil {
		b.t.Errorf("%s: %v", what, err)
	}
	r, err := b.core.Served(b.t.Context(), id)
	if err != nil || r.Type != "mp4" || r.Denied || !r.Downloaded {
		b.t.Errorf("%s: core serves %+v, %v", what, r, err)
		return
	}
	if got, err := os.ReadFile(r.Path); err != nil || !bytes.Equal(got, want) {
		b.t.Errorf("%s: core serves other bytes than the bucket has, %v", what, err)
	}
	for _, k := range b.keys() {
		if strings.Contains(k, id) && k != key {
			b.t.Errorf("%s: %s is in the bucket", what, k)
		}
	}
}

const flatRecording = "tiny/v3/*/*.replay.gz"

// send has a Lion upload a recording of a session.
func (b *bucketFixture) send(lion *liontest.Lion, id string) {
	b.t.Helper()
	b.recorded(lion, id, sample(b.t, flatRecording))
	b.ended(lion, id)
}
