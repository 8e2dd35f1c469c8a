package transcode_test

import (
	"fmt"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/azure"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/obs"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/oss"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// maker creates a JumpServer whose core stores replays in a bucket of some kind.
type maker func(t *testing.T, version string, parts bool) *bucketSite

// dialect returns a maker with the recording in a bucket that the agent reaches over another
// protocol than core.
func dialect(t *testing.T, d storagetest.Dialect, kind storage.Kind) maker {
	t.Helper()
	server := storagetest.S3(t)
	gateway := storagetest.Gateway(t, d, server)
	return func(t *testing.T, version string, parts bool) *bucketSite {
		t.Helper()
		b := newBucketSite(t, server, version, parts, inBoth)
		c := storage.Config{Kind: kind, Bucket: b.name, Endpoint: gateway.URL, AccessKey: server.Access, SecretKey: storage.Secret(server.Secret)}
		var err error
		if kind == storage.KindOSS {
			b.in, err = oss.Open(c, storage.Options{})
		} else {
			b.in, err = obs.Open(c, storage.Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func inAzure(t *testing.T) maker {
	t.Helper()
	all := storagetest.Azure(t)
	return func(t *testing.T, version string, parts bool) *bucketSite {
		t.Helper()
		server := *all
		server.Bucket = fmt.Sprintf("site-%04d", buckets.Add(1))
		client := server.Container(t)
		b := &bucketSite{jumpServer: newJumpServer(t, version, parts, devcore.Storage{Name: "azure", External: devcore.AzureContainer{Client: client}})}
		var err error
		b.in, err = azure.OpenAt(storage.Config{
			Kind: storage.KindAzure, Account: server.Access, AccountKey: storage.Secret(server.Secret), Container: server.Bucket,
		}, storage.Options{}, client.URL())
		if err != nil {
			t.Fatal(err)
		}
		b.intoBucket(true)
		return b
	}
}

// TestBucketOfEachKind: over each protocol, a recording that someone has watched is replaced
// in the bucket, and the UI plays the MP4. On Azure, core takes any object whose name begins
// like the original's for the original.
func TestBucketOfEachKind(t *testing.T) {
	for kind, start := range map[string]func(*testing.T) maker{
		"oss":   func(t *testing.T) maker { return dialect(t, storagetest.OSS, storage.KindOSS) },
		"obs":   func(t *testing.T) maker { return dialect(t, storagetest.OBS, storage.KindOBS) },
		"azure": inAzure,
	} {
		t.Run(kind, func(t *testing.T) { eachRelease(t, start(t)) })
	}
}

func eachRelease(t *testing.T, site maker) {
	for _, version := range releases {
		if version != "4.10.17" && !storagetest.All() {
			continue
		}
		for _, parts := range []bool{false, true} {
			if parts && version == releases[0] {
				continue // that release has no recordings in parts
			}
			t.Run(fmt.Sprint(version, " ", parts), func(t *testing.T) {
				b := site(t, version, parts)
				if v := b.work(cleanup.PolicyTrash); v.State != queue.StateDone || v.After == 0 || len(v.Originals) == 0 {
					t.Fatalf("%+v", v)
				}
				b.checkPublished(inBucket)
			})
		}
	}
}
