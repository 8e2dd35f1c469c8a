package transcode_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/bucket"
)

// objects returns the contents of all objects in the bucket, by key.
func (b *bucketSite) objects() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	for _, key := range b.keys() {
		file := filepath.Join(b.t.TempDir(), "object")
		if _, err := storage.Download(b.t.Context(), b.in, key, file, 0); err != nil {
			b.t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			b.t.Fatal(err)
		}
		all[key] = string(data)
	}
	return all
}

// TestBucketAnUploadHidesNothing is TestAnUploadHidesNothing with core's replays in a bucket.
func TestBucketAnUploadHidesNothing(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	const part = "2024-04-23/" + session + "/" + session
	for has, plant := range map[string]func(b *bucketSite){
		"a recording":   func(b *bucketSite) { b.put(flat, gz(t, dump(7, 1000, 4))) },
		"a foreign MP4": func(b *bucketSite) { b.put(mp4, b.film(4, "made by Video-Worker")) },
		"parts": func(b *bucketSite) {
			b.put(part+".0.part.gz", gz(t, dump(7, 1000, 4)))
			b.put(part+".replay.json", []byte(`{"id":"`+session+`","files":[{"name":"`+session+`.0.part.gz"}]}`))
		},
		"a copy on the volume": func(b *bucketSite) { b.write(flat, gz(t, dump(7, 1000, 4))) },
	} {
		for what, data := range map[string][]byte{"whole": dump(1, 1000, 4), "not to be converted": []byte("4.sync,1.1;4.sync,1.2;")} {
			t.Run(has+", "+what, func(t *testing.T) {
				t.Parallel()
				b := newBucketSite(t, server, "4.10.17", false, inSpool)
				b.upload(spooled, gz(t, data))
				plant(b)
				objects, files := b.objects(), b.content()
				if v := b.workUpload(cleanup.PolicyDelete); v.State != queue.StateFailed || v.Reason != task.ClassDiffers {
					t.Errorf("%+v", v)
				}
				if !maps.Equal(objects, b.objects()) || !maps.Equal(files, b.content()) {
					t.Errorf("changed: %v, %v", b.keys(), b.files())
				}
			})
		}
	}
	t.Run("the same", func(t *testing.T) { // Lion did not get the last response, and has stored its copy itself
		t.Parallel()
		b := newBucketSite(t, server, "4.10.17", false, inSpool)
		entries, err := os.ReadDir(b.spool())
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 1 { // an upload has all its files
			t.Fatalf("%v", entries)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(b.spool(), e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			b.put("2024-04-23/"+e.Name(), data)
		}
		if v := b.workUpload(cleanup.PolicyTrash); v.State != queue.StateDone || !slices.Contains(b.keys(), mp4) {
			t.Errorf("%+v, %v", v, b.keys())
		}
	})
}

// workUpload is work that offers only the upload in the spool.
func (b *bucketSite) workUpload(policy cleanup.Policy) task.View {
	b.t.Helper()
	a, err := newAgent(b.t.Context(), agentOptions{
		coreURL: b.core.URL, replay: b.replay(), data: b.data(), path: b.path, originals: policy, log: b.t.Output(),
		storage: func() (storage.Storage, error) { return b.in, nil },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.queue.Close()
	return a.uploaded(b.t, spooled+"/"+filepath.Base(b.path))
}

// TestBucketWhatWasNotDrawnIsNotDestroyed: the original is moved to the part of the bucket's
// trash that does not expire.
func TestBucketWhatWasNotDrawnIsNotDestroyed(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	b := newBucketSite(t, server, "4.10.13", false, onVolume)
	data := gz(t, []byte(strings.Replace(string(dump(1, 1000, 4)), "4.sync,4.2000;", "4.h264,1.0,4.AAAA;4.sync,4.2000;", 1)))
	b.write(b.path, data)
	b.intoBucket(false)
	if v := b.work(cleanup.PolicyDelete); v.State != queue.StateDone || len(v.Incomplete) == 0 {
		t.Errorf("%+v", v)
	}
	late := storage.Trash{Storage: b.in, Now: func() time.Time { return time.Now().AddDate(10, 0, 0) }}
	if _, _, err := late.Expire(t.Context(), 1); err != nil {
		t.Error(err)
	}
	var kept []string
	for key, content := range b.objects() {
		if content == string(data) {
			kept = append(kept, key)
		}
	}
	if len(kept) != 1 || !strings.HasPrefix(kept[0], ".jumpserver-video-trash/kept/") {
		t.Errorf("%v in %v", kept, b.keys())
	}
}

// TestBucketAForeignMP4IsKept in the trash when the MP4 of a recording replaces it.
func TestBucketAForeignMP4IsKept(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	b := newBucketSite(t, server, "4.10.13", false, inBucket)
	film := b.film(4, "made by Video-Worker")
	b.put(mp4, film)
	if v := b.work(cleanup.PolicyTrash); v.State != queue.StateDone {
		t.Errorf("%+v", v)
	}
	objects := b.objects()
	found := ""
	for key, content := range objects {
		if content == string(film) {
			found = key
		}
	}
	if !strings.HasPrefix(found, ".jumpserver-video-trash/kept/") || objects[mp4] == string(film) {
		t.Errorf("the foreign MP4 is %q; %v", found, b.keys())
	}
}

// TestBucketCopiesForViewers: core copies an original from a storage that the agent does not
// see to the volume, for each viewer. The copy is converted once, and retired when its
// address for viewers has expired. If it appears repeatedly, it stays.
func TestBucketCopiesForViewers(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	b := newBucketSite(t, server, "4.10.16", false, onVolume)
	copied, err := os.ReadFile(filepath.Join(b.replay(), b.path))
	if err != nil {
		t.Fatal(err)
	}
	play := func(ago time.Duration) {
		b.write(b.path, copied)
		at := time.Now().Add(-ago)
		if err := os.Chtimes(filepath.Join(b.replay(), b.path), at, at); err != nil {
			t.Fatal(err)
		}
	}
	cached := func(o *agentOptions) { o.playCache = 10 * time.Minute }
	play(time.Minute)
	if v := b.work(cleanup.PolicyTrash, cached); v.State != queue.StateSettling || v.Reason != task.ClassWatched || !b.exists(b.path) {
		t.Errorf("%+v, %v", v, b.files())
	}
	play(11 * time.Minute)
	if v := b.work(cleanup.PolicyTrash, cached); v.State != queue.StateDone || b.exists(b.path) {
		t.Errorf("%+v, %v", v, b.files())
	}
	play(time.Hour) // a client that uploads its stored copy has the same effect, once
	if v := b.work(cleanup.PolicyTrash, cached); v.State != queue.StateDone || b.exists(b.path) {
		t.Errorf("%+v, %v", v, b.files())
	}
	trash, events := b.inTrash(false), len(b.core.Events(session))
	for i := range 3 {
		play(time.Hour * time.Duration(i+2))
		if v := b.work(cleanup.PolicyTrash, cached); v.State != queue.StateSkipped || v.Reason != task.ClassElsewhere || !b.exists(b.path) {
			t.Errorf("%+v, %v", v, b.files())
		}
	}
	if d := cmp.Diff(trash, b.inTrash(false)); d != "" || len(b.core.Events(session)) != events {
		t.Errorf("trash: %s; core got the events %v", d, b.core.Events(session))
	}
}

// TestBucketListedBeforeItsCopyWasDone: core's copy for a viewer is converted first, and its
// task removes the original from the bucket. The watcher of the bucket has listed the
// original before that, and offers it late.
func TestBucketListedBeforeItsCopyWasDone(t *testing.T) {
	t.Parallel()
	b := newBucketSite(t, storagetest.S3(t), "4.10.16", false, inBoth)
	object, err := b.in.Stat(t.Context(), b.path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAgent(t.Context(), agentOptions{
		coreURL: b.core.URL, replay: b.replay(), data: b.data(), path: b.path, originals: cleanup.PolicyTrash, log: t.Output(),
		storage: func() (storage.Storage, error) { return b.in, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.queue.Close()
	if err := a.offer(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := a.settle(t.Context())
	if err != nil || v.State != queue.StateDone || b.exists(b.path) || slices.Contains(b.keys(), b.path) {
		t.Fatalf("%+v, %v, %v, %v", v, err, b.files(), b.keys())
	}
	late := bucket.Candidate{
		Storage: b.in, Session: session, Date: path.Dir(b.path), Key: b.path, Size: object.Size, ModTime: object.ModTime,
		Objects: []storage.Object{object},
	}
	if err := a.pool.InBucket(t.Context(), late); err != nil {
		t.Error(err)
	}
	if v, err := a.settle(t.Context()); err != nil || v.State != queue.StateDone {
		t.Errorf("%+v, %v", v, err)
	}
}
