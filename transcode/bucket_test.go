package transcode_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/s3"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// releases have different rules for finding a replay.
var releases = []string{"3.10.9", "4.2.0", "4.8.0", "4.10.13", "4.10.17"}

// location is where a recording is.
type location string

const (
	onVolume location = "volume"
	inBucket location = "bucket"
	inBoth   location = "both"  // in the bucket, with core's copy on the volume
	inSpool  location = "spool" // uploaded to the agent
)

// openBucket connects to a server's bucket as the agent does.
func openBucket(server, name string) (storage.Storage, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	return s3.Open(storage.Config{Kind: storage.KindS3, Bucket: name, Endpoint: &url.URL{Scheme: u.Scheme, Host: u.Host},
		AccessKey: u.User.Username(), SecretKey: storage.Secret(password)}, storage.Options{})
}

// bucketSite is a JumpServer whose core stores replays in a bucket.
type bucketSite struct {
	*jumpServer
	in     storage.Storage
	server string // URL with keys, for openBucket
	name   string
}

var buckets atomic.Int32

// newBucketSite creates a site with its recording at a location, and with its own bucket on
// the server.
func newBucketSite(t *testing.T, server *storagetest.Server, version string, parts bool, at location) *bucketSite {
	t.Helper()
	b := &bucketSite{
		name:   fmt.Sprintf("site-%04d", buckets.Add(1)),
		server: (&url.URL{Scheme: "http", Host: server.URL.Host, User: url.UserPassword(server.Access, server.Secret)}).String(),
	}
	client := server.Client(t)
	err := client.MakeBucket(t.Context(), b.name, minio.MakeBucketOptions{Region: server.Region})
	if err != nil {
		t.Fatal(err)
	}
	b.jumpServer = newJumpServer(t, version, parts, devcore.Storage{Name: "s3", External: devcore.S3Bucket{Client: client, Name: b.name}})
	if b.in, err = openBucket(b.server, b.name); err != nil {
		t.Fatal(err)
	}
	switch at {
	case onVolume:
		return b
	case inSpool:
		if err := os.MkdirAll(b.spool(), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(b.replay(), b.path), filepath.Join(b.spool(), path.Base(b.path))); err != nil {
			t.Fatal(err)
		}
		return b
	}
	b.intoBucket(at == inBoth)
	return b
}

// intoBucket moves the recording from the volume into the bucket. If viewed, core then copies
// it to the volume, as for a viewer.
func (b *bucketSite) intoBucket(viewed bool) {
	b.t.Helper()
	for _, rel := range b.files() {
		data, err := os.ReadFile(filepath.Join(b.replay(), rel))
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.in.Put(b.t.Context(), rel, storagetest.Body(string(data))); err != nil {
			b.t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(b.replay(), rel)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(b.replay(), "2024-04-23")); err != nil {
		b.t.Fatal(err)
	}
	if !viewed {
		return
	}
	if r, err := b.core.Served(b.t.Context(), session); err != nil || !r.Downloaded {
		b.t.Fatalf("core does not fetch the recording: %+v, %v", r, err)
	}
}

// spooled is the upload's folder in the spool.
const spooled = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

func (s *jumpServer) spool() string { return filepath.Join(s.data(), "spool", spooled) }

// offerBucket offers the recording in the bucket to the pool, as the bucket's watcher does
// when it has settled.
func (a *agent) offerBucket(ctx context.Context, in storage.Storage) error {
	return bucket.Day(ctx, in, "2024-04-23", "", func(s *bucket.Session, _ string) error {
		if s.Entry() == nil {
			return nil
		}
		c := bucket.Candidate{Storage: in, Session: s.ID, Date: s.Date, Key: s.Entry().Key, Objects: s.Objects(), HasVideo: s.Video != nil}
		for _, o := range c.Objects {
			c.Size += o.Size
			if o.ModTime.After(c.ModTime) {
				c.ModTime = o.ModTime
			}
		}
		return a.pool.InBucket(ctx, c)
	}, ctx.Err)
}

// keys returns the keys of all objects in the bucket.
func (b *bucketSite) keys() (all []string) {
	b.t.Helper()
	page, err := b.in.List(b.t.Context(), storage.Query{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, o := range page.Objects {
		all = append(all, o.Key)
	}
	return all
}

// work offers the recording from all locations and runs the agent until the task has ended.
func (b *bucketSite) work(policy cleanup.Policy, change ...func(*agentOptions)) task.View {
	b.t.Helper()
	ctx := b.t.Context()
	o := agentOptions{
		coreURL: b.core.URL, replay: b.replay(), data: b.data(), path: b.path, originals: policy, log: b.t.Output(),
		storage: func() (storage.Storage, error) { return b.in, nil },
	}
	for _, f := range change {
		f(&o)
	}
	a, err := newAgent(ctx, o)
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.queue.Close()
	if err := errors.Join(a.offerAll(ctx, b.in), a.offerSpool(ctx)); err != nil {
		b.t.Fatal(err)
	}
	v, err := a.settle(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// offerAll offers what is on the volume, then what is in the bucket.
func (a *agent) offerAll(ctx context.Context, in storage.Storage) error {
	if err := a.offer(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return a.offerBucket(ctx, in)
}

// offerSpool offers the upload to the pool, as the intake does when the upload is complete.
func (a *agent) offerSpool(ctx context.Context) error {
	place := spooled + "/" + path.Base(a.path)
	if _, err := os.Stat(filepath.Join(a.pool.SpoolDir, place)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return a.pool.Upload(ctx, session, place)
}

// checkPublished asserts the only correct final state. The original is then in the trash of
// the bucket or of the volume.
func (b *bucketSite) checkPublished(at location) {
	b.t.Helper()
	var visible []string
	for _, name := range b.files() {
		if !strings.HasPrefix(name, ".") {
			visible = append(visible, name)
		}
	}
	if len(visible) > 0 {
		b.t.Errorf("on the volume: %v", visible)
	}
	var objects, trashed []string
	for _, key := range b.keys() {
		if storage.InTrash(key) {
			trashed = append(trashed, path.Base(key))
		} else {
			objects = append(objects, key)
		}
	}
	if d := cmp.Diff([]string{mp4}, objects); d != "" {
		b.t.Errorf("in the bucket: %s", d)
	}
	if at == onVolume {
		trashed = b.files()
		for i, name := range trashed {
			trashed[i] = path.Base(name)
		}
	}
	if at == inSpool {
		if _, err := os.Stat(b.spool()); err != nil {
			b.t.Errorf("the pool has removed the upload: %v", err)
		}
	} else if !slices.Contains(trashed, path.Base(b.path)) {
		b.t.Errorf("the original is not in the trash: %v", trashed)
	}
	// Core's lookup is last, because it downloads what it serves.
	r, err := b.core.Served(b.t.Context(), session)
	if err != nil || r.Type != "mp4" || r.Denied {
		b.t.Fatalf("core serves %+v, %v", r, err)
	}
	if data, err := os.ReadFile(r.Path); err != nil || len(data) < 1000 || string(data[4:8]) != "ftyp" {
		b.t.Errorf("core serves %d bytes, %v", len(data), err)
	}
	b.checkMarked()
	if left, _ := os.ReadDir(filepath.Join(b.data(), "work")); len(left) != 0 {
		b.t.Errorf("work folder: %v", left)
	}
}

// TestBucketFromEverywhere: for each release and each location of the recording, the MP4 is in
// the bucket and the UI plays it.
func TestBucketFromEverywhere(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	for _, version := range releases {
		if version != "4.10.17" && !storagetest.All() {
			continue
		}
		for _, parts := range []bool{false, true} {
			for _, at := range []location{onVolume, inBucket, inBoth, inSpool} {
				if parts && (version == releases[0] || at == inSpool) {
					continue // the first release has no recordings in parts; uploads of them are tested in cmd
				}
				t.Run(fmt.Sprint(version, " ", at, " ", parts), func(t *testing.T) {
					t.Parallel()
					b := newBucketSite(t, server, version, parts, at)
					if v := b.work(cleanup.PolicyTrash); v.State != queue.StateDone || v.After == 0 || len(v.Originals) == 0 && at != inSpool {
						t.Fatalf("%+v", v)
					} else if told := slices.Sorted(slices.Values(v.Originals)); len(slices.Compact(told)) != len(v.Originals) {
						t.Errorf("listed twice: %v", v.Originals)
					}
					b.checkPublished(at)
				})
			}
		}
	}
}

// TestBucketTakesABareDumpFromTheVolume: an uncompressed dump has the name of the folder of a
// recording in parts.
func TestBucketTakesABareDumpFromTheVolume(t *testing.T) {
	t.Parallel()
	b := newBucketSite(t, storagetest.S3(t), "4.10.17", false, onVolume)
	if err := os.Remove(filepath.Join(b.replay(), b.path)); err != nil {
		t.Fatal(err)
	}
	b.path = "2024-04-23/" + session
	b.write(b.path, dump(1, 1000, 4))
	if v := b.work(cleanup.PolicyTrash); v.State != queue.StateDone || v.After == 0 {
		t.Fatalf("%+v", v)
	}
	b.checkPublished(onVolume)
}
