package transcode_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// put puts an object into the bucket.
func (b *bucketSite) put(key string, data []byte) {
	b.t.Helper()
	if err := b.in.Put(b.t.Context(), key, storagetest.Body(string(data))); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bucketSite) trashed() []string {
	return slices.DeleteFunc(b.keys(), func(key string) bool { return !storage.InTrash(key) })
}

func TestBucketPoliciesOfOriginals(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	for _, tc := range []struct {
		policy        cleanup.Policy
		parts         bool
		left, trashed bool
		served        string
	}{
		{cleanup.PolicyTrash, false, false, true, "mp4"},
		{cleanup.PolicyTrash, true, false, true, "mp4"},
		{cleanup.PolicyDelete, false, false, false, "mp4"},
		{cleanup.PolicyDelete, true, false, false, "mp4"},
		{cleanup.PolicyKeep, false, true, false, "guacamole"}, // core prefers the .gz to the MP4
		{cleanup.PolicyKeep, true, true, false, "mp4"},        // core prefers the MP4 to parts
	} {
		t.Run(string(tc.policy)+map[bool]string{true: " parts"}[tc.parts], func(t *testing.T) {
			t.Parallel()
			b := newBucketSite(t, server, "4.10.13", tc.parts, inBucket)
			v := b.work(tc.policy)
			if v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			if left := slices.Contains(b.keys(), b.path); left != tc.left {
				t.Errorf("original in place: %v", left)
			}
			if got := b.trashed(); len(got) > 0 != tc.trashed {
				t.Errorf("in the trash: %v", got)
			}
			if got := b.served(); got != tc.served {
				t.Errorf("core serves %s", got)
			}
			if tc.policy != cleanup.PolicyKeep {
				return
			}
			// An original that is kept beside its MP4 is not converted again.
			v = b.work(tc.policy)
			if v.State != queue.StateDone || v.Attempt != 0 {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestBucketLateOriginalIsNotConvertedAgain, neither in the bucket nor on the
// volume.
func TestBucketLateOriginalIsNotConvertedAgain(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	for _, at := range []location{inBucket, onVolume} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			b := newBucketSite(t, server, "4.10.17", false, onVolume)
			original, err := os.ReadFile(filepath.Join(b.replay(), b.path))
			if err != nil {
				t.Fatal(err)
			}
			if v := b.work(cleanup.PolicyDelete); v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			before, err := b.in.Stat(t.Context(), mp4)
			if err != nil {
				t.Fatal(err)
			}
			events := b.events()
			if at == inBucket {
				b.put(b.path, original)
			} else {
				b.write(b.path, original)
				later := recorded.AddDate(0, 0, 2)
				if err := os.Chtimes(filepath.Join(b.replay(), b.path), later, later); err != nil {
					t.Fatal(err)
				}
			}
			if v := b.work(cleanup.PolicyDelete); v.State != queue.StateDone {
				t.Fatalf("%+v", v)
			}
			after, err := b.in.Stat(t.Context(), mp4)
			if err != nil || after.ETag != before.ETag || !after.ModTime.Equal(before.ModTime) {
				t.Errorf("the MP4 was uploaded again: %+v, %+v, %v", before, after, err)
			}
			if d := cmp.Diff(events, b.events()); d != "" {
				t.Errorf("events were sent again: %s", d)
			}
			if d := cmp.Diff([]string{mp4}, b.keys()); d != "" {
				t.Error(d)
			}
			if got := b.served(); got != "mp4" {
				t.Errorf("core serves %s", got)
			}
		})
	}
}

// TestBucketWhatStandsBeforeTheMP4: another recording of the session fails the task, and
// another MP4 is replaced.
func TestBucketWhatStandsBeforeTheMP4(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	cast, gzip := strings.Replace(mp4, ".replay.mp4", ".cast.gz", 1), strings.Replace(mp4, ".replay.mp4", ".replay.gz", 1)
	for _, tc := range []struct {
		name  string
		parts bool
		at    location
		put   func(*bucketSite)
		state queue.State
		class queue.Class
	}{
		{"another recording on the volume", false, inBucket, func(b *bucketSite) { b.write(gzip, gz(t, dump(77, 9000, 4))) }, queue.StateFailed, task.ClassShadowed},
		{"another recording in the bucket", false, onVolume, func(b *bucketSite) { b.put(gzip, gz(t, dump(77, 9000, 4))) }, queue.StateFailed, task.ClassShadowed},
		{"another recording beside parts", true, inBucket, func(b *bucketSite) { b.write(gzip, gz(t, dump(77, 9000, 4))) }, queue.StateFailed, task.ClassShadowed},
		{"a terminal recording", false, inBucket, func(b *bucketSite) { b.put(cast, []byte("{}")) }, queue.StateFailed, task.ClassShadowed},
		{"a terminal recording on the volume", false, inBucket, func(b *bucketSite) { b.write(cast, []byte("{}")) }, queue.StateFailed, task.ClassShadowed},
		{"a legacy recording", false, inBucket, func(b *bucketSite) { b.write("../"+strings.Replace(mp4, ".replay.mp4", ".gz", 1), []byte("old")) }, queue.StateFailed, task.ClassShadowed},
		{"a stale MP4 in the bucket", false, inBucket, func(b *bucketSite) { b.put(mp4, []byte("half an MP4")) }, queue.StateDone, ""},
		{"a stale MP4 on the volume", false, inBucket, func(b *bucketSite) { b.write(mp4, []byte("half an MP4")) }, queue.StateDone, ""},
		{"a copy that lacks a part", true, inBoth, func(*bucketSite) {}, queue.StateDone, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBucketSite(t, server, "4.10.13", tc.parts, tc.at)
			before := b.path
			tc.put(b)
			b.path = before
			v := b.workOnly(cleanup.PolicyTrash, tc.at)
			if v.State != tc.state || v.Reason != tc.class {
				t.Fatalf("%s (%s): %s", v.State, v.Reason, v.Error)
			}
			if tc.state == queue.StateDone {
				if got := b.served(); got != "mp4" {
					t.Errorf("core serves %s", got)
				}
				return
			}
			if at := filepath.Join(b.replay(), b.path); tc.at == onVolume {
				if _, err := os.Stat(at); err != nil {
					t.Errorf("the original is lost: %v", err)
				}
			} else if !slices.Contains(b.keys(), b.path) {
				t.Errorf("the original is lost: %v", b.keys())
			}
			if got := b.trashed(); len(got) > 0 {
				t.Errorf("in the trash: %v", got)
			}
		})
	}
}

// workOnly is work that offers only the recording at one place.
func (b *bucketSite) workOnly(policy cleanup.Policy, at location) task.View {
	b.t.Helper()
	ctx := b.t.Context()
	a, err := newAgent(ctx, agentOptions{
		coreURL: b.core.URL, replay: b.replay(), data: b.data(), path: b.path, originals: policy, log: b.t.Output(),
		storage: func() (storage.Storage, error) { return b.in, nil },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	defer a.queue.Close()
	if at == onVolume {
		err = a.offer(ctx)
	} else {
		err = a.offerBucket(ctx, b.in)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	v, err := a.settle(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// TestBucketAndTheMountVanishes right before the original on it is retired: an empty mount
// point does not prove that the original was retired before.
func TestBucketAndTheMountVanishes(t *testing.T) {
	t.Parallel()
	b := newBucketSite(t, storagetest.S3(t), "4.10.13", false, onVolume)
	away := b.replay() + ".away"
	var once sync.Once
	v := b.work(cleanup.PolicyTrash, func(o *agentOptions) {
		o.boundary = func(name string) {
			if name != "retiring" {
				return
			}
			once.Do(func() {
				if err := errors.Join(os.Rename(b.replay(), away), os.Mkdir(b.replay(), 0o755)); err != nil {
					t.Error(err)
				}
				time.AfterFunc(2*time.Second, func() {
					if err := errors.Join(os.Remove(b.replay()), os.Rename(away, b.replay())); err != nil {
						t.Error(err)
					}
				})
			})
		}
	})
	if v.State != queue.StateDone || len(v.Originals) != 1 || b.exists(b.path) {
		t.Errorf("%s, originals %v: %v", v.State, v.Originals, b.files())
	}
	b.checkPublished(onVolume)
}

// TestBucketObjectsThatChangeMeanwhile stay, and are converted again.
func TestBucketObjectsThatChangeMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBucketSite(t, storagetest.S3(t), "4.10.13", false, inBucket)
	longer := gz(t, dump(1, 1000, 9))
	changed := false
	v := b.work(cleanup.PolicyDelete, func(o *agentOptions) {
		o.boundary = func(name string) {
			if name == "retiring" && !changed {
				changed = true
				b.put(b.path, longer)
			}
		}
	})
	// The change is found before retiring: otherwise, a recording that was not converted
	// would be removed.
	if v.State != queue.StateSettling || v.Reason != task.ClassChanged || !slices.Contains(b.keys(), b.path) {
		t.Fatalf("%s (%s): %s; %v", v.State, v.Reason, v.Error, b.keys())
	}
	before := v.Duration
	if v = b.work(cleanup.PolicyDelete); v.State != queue.StateDone || v.Duration <= before {
		t.Errorf("%+v", v)
	}
	if d := cmp.Diff([]string{mp4}, slices.DeleteFunc(b.keys(), storage.InTrash)); d != "" {
		t.Error(d)
	}
	b.checkMarked()
}

// TestBucketSettingsChangeInMidTask: the MP4 goes to core's new storage. If the original was
// retired already, the MP4 stays where it is.
func TestBucketSettingsChangeInMidTask(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	for _, tc := range []struct {
		at                 string
		inBucket, onVolume bool
	}{
		{"uploading", false, true}, {"confirming", true, true}, {"retiring", true, true},
		{"retired " + session + ".replay.gz", true, false}, // the original was moved
	} {
		t.Run(tc.at, func(t *testing.T) {
			t.Parallel()
			b := newBucketSite(t, server, "4.10.13", false, onVolume)
			ctx := t.Context()
			met := false
			var a *agent
			now := b.in
			var err error
			a, err = newAgent(ctx, agentOptions{
				coreURL: b.core.URL, replay: b.replay(), data: b.data(), path: b.path, originals: cleanup.PolicyTrash, log: t.Output(),
				storage: func() (storage.Storage, error) { return now, nil },
				boundary: func(name string) {
					if name == tc.at && !met {
						met, now = true, nil
						panic("the step is interrupted here") // the task is then retried
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.queue.Close()
			if err := a.offer(ctx); err != nil {
				t.Fatal(err)
			}
			v, err := a.settle(ctx)
			if err != nil || v.State != queue.StateDone || !met {
				t.Fatalf("%+v, %v; met %v", v, err, met)
			}
			if in := slices.Contains(b.keys(), mp4); in != tc.inBucket {
				t.Errorf("in the bucket: %v", b.keys())
			}
			if on := b.exists(mp4); on != tc.onVolume {
				t.Errorf("on the volume: %v", on)
			}
			if got := b.served(); got != "mp4" {
				t.Errorf("core serves %s", got)
			}
			b.checkMarked()
		})
	}
}

// TestBucketThatFails during a task: the task waits, nothing is lost, and it is done when the
// storage works again.
func TestBucketThatFails(t *testing.T) {
	t.Parallel()
	server := storagetest.S3(t)
	for name, tc := range map[string]struct {
		spoil func(*http.Request) storagetest.Fault
		class queue.Class
	}{
		"when the MP4 is put": {func(r *http.Request) storagetest.Fault {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".mp4") {
				return storagetest.XMLError(http.StatusForbidden, "AccessDenied")
			}
			return storagetest.Fault{}
		}, task.ClassStorageKeys},
		"when the original is moved": {func(r *http.Request) storagetest.Fault {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "trash") {
				return storagetest.XMLError(http.StatusInsufficientStorage, "QuotaExceeded")
			}
			return storagetest.Fault{}
		}, task.ClassStorageFull},
		"when the original is deleted": {func(r *http.Request) storagetest.Fault {
			if r.Method == http.MethodDelete {
				return storagetest.XMLError(http.StatusForbidden, "AccessDenied")
			}
			return storagetest.Fault{}
		}, task.ClassStorageKeys},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucketSite(t, server, "4.10.13", false, inBucket)
			front := storagetest.NewFront(t, server.URL)
			front.Spoil(tc.spoil)
			in, err := openBucket((&url.URL{Scheme: "http", Host: front.URL.Host, User: url.UserPassword(server.Access, server.Secret)}).String(), b.name)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			a, err := newAgent(ctx, agentOptions{
				coreURL: b.core.URL, replay: b.replay(), data: b.data(), path: b.path, originals: cleanup.PolicyTrash, log: t.Output(),
				storage: func() (storage.Storage, error) { return in, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.offerBucket(ctx, in); err != nil {
				t.Fatal(err)
			}
			stopped := make(chan struct{})
			go func() { _ = a.pool.Run(ctx); close(stopped) }()
			t.Cleanup(func() { cancel(); <-stopped; a.queue.Close() })
			item := func() queue.Task {
				item, err := a.queue.Get(t.Context(), session)
				if err != nil {
					t.Fatal(err)
				}
				return item
			}
			waittest.Until(t, "it waits for a retry", func() bool { return item().State == queue.StateRetrying })
			if got := item(); got.Reason != tc.class {
				t.Errorf("%s: %s", got.Reason, got.Error)
			}
			if !slices.Contains(b.keys(), b.path) {
				t.Errorf("the original is lost: %v", b.keys())
			}
			front.Spoil(nil)
			if err := a.pool.StorageChanged(ctx); err != nil { // as if someone had fixed the settings
				t.Fatal(err)
			}
			waittest.Until(t, "done", func() bool { item := item(); return item.State == queue.StateDone && !item.Held() })
			b.checkPublished(inBucket)
		})
	}
}
