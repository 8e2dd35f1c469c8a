package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// TestALionOfV3OutlivesTheAgentsRestart: its cookie becomes invalid, because the agent creates
// a new secret. Its channel ends, and it logs in again.
func TestALionOfV3OutlivesTheAgentsRestart(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "3.10.9")
	l.startHealthy()
	lion := l.lion(liontest.Raw, func(o *liontest.Options) { o.Again = 50 * time.Millisecond })
	const before, meanwhile, after = "aaaaaaaa-4444-4111-8111-111111111111", "bbbbbbbb-4444-4111-8111-111111111111", "cccccccc-4444-4111-8111-111111111111"
	from := sample(t, "tiny/v3/*/*.replay.gz")
	for _, id := range []string{before, meanwhile, after} {
		l.recorded(lion, id, from)
	}
	l.ended(lion, before)
	logins := strings.Count(l.agent.Log(), "a component has logged in")
	l.stop()
	if out, err := lion.End(t.Context(), meanwhile, sessionDay); err != nil || out.Refused == nil {
		t.Fatalf("%+v %v", out, err)
	}
	l.start()
	l.until("healthy again", func() bool { return l.health() == http.StatusOK })
	l.until("logged in again", func() bool { return strings.Count(l.agent.Log(), "a component has logged in") > logins })
	l.ended(lion, after)
	for _, id := range []string{before, meanwhile, after} {
		l.until(id, func() bool { return l.served(id) == "mp4" && l.marked(id) })
	}
}

// TestAnUploadThatIsAbandonedIsDropped: an upload that Lion does not finish is deleted from
// the spool after a day, and not before. The session has an MP4 nevertheless, because Lion
// has put the recording into its own storage.
func TestAnUploadThatIsAbandonedIsDropped(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["TEST_EXPIRE"] = "100ms"
	if err := os.MkdirAll(l.replay(), 0o755); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.until("healthy", func() bool { return l.health() == http.StatusOK })
	lion := l.lion(liontest.Parts, func(o *liontest.Options) {
		o.Transport = lost{&http.Transport{DisableKeepAlives: true}, "/task/upload/1"} // one of 0, 1 and 2
	})
	spool := filepath.Join(l.dir, "data", "spool")
	folders := func() (all []string) {
		found, err := filepath.Glob(filepath.Join(spool, "*", "task.json"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for i, age := range []time.Duration{25 * time.Hour, 23 * time.Hour} {
		id := fmt.Sprintf("%08d-9999-4111-8111-111111111111", i)
		l.recorded(lion, id, sample(t, "multipart/v4/*/*"))
		if out, err := lion.End(t.Context(), id, sessionDay); err != nil || out.Refused == nil {
			t.Fatalf("%+v %v", out, err)
		}
		left := folders()
		if len(left) != 1 {
			t.Fatalf("in the spool: %v", left)
		}
		files, err := filepath.Glob(filepath.Join(filepath.Dir(left[0]), "*"))
		if err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-age)
		for _, file := range append(files, filepath.Dir(left[0])) {
			if err := os.Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
		}
		if age > 24*time.Hour {
			l.until("dropped", func() bool { return len(folders()) == 0 })
		}
		l.until("served all the same", func() bool { return l.served(id) == "mp4" })
	}
	if left := folders(); len(left) != 1 {
		t.Errorf("in the spool: %v", left)
	}
}

// TestManySessionsEndAtOnce: uploads are accepted while the agent works, or refused cleanly if
// the machine is too busy. The agent is healthy all the time. make load measures it.
func TestManySessionsEndAtOnce(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.16") // allows a component 300 calls per minute
	if err := os.MkdirAll(l.replay(), 0o755); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.until("healthy", func() bool { return l.health() == http.StatusOK })
	const sessions = 25 // of each kind
	lions := []*liontest.Lion{l.lion(liontest.Signed), l.lion(liontest.Parts)}
	var ids []string
	for i := range sessions * len(lions) {
		ids = append(ids, fmt.Sprintf("%08d-8888-4111-8111-111111111111", i))
		l.recorded(lions[i%len(lions)], ids[i], sample(t, flatRecording))
	}
	over, stop := context.WithCancel(t.Context())
	var watching, ending sync.WaitGroup
	watching.Go(func() {
		for over.Err() == nil {
			if got := l.health(); got != http.StatusOK {
				t.Errorf("health is %d", got)
			}
			time.Sleep(20 * time.Millisecond) // the pace of the checks
		}
	})
	var mu sync.Mutex
	var taken []string
	for i, id := range ids {
		ending.Go(func() {
			out, err := lions[i%len(lions)].End(t.Context(), id, sessionDay)
			mu.Lock()
			defer mu.Unlock()
			if out.Task != "" {
				taken = append(taken, id)
			} else if err != nil || !strings.Contains(out.Refused.Error(), ": 503 ") {
				t.Errorf("%s: %+v %v", id, out, err)
			}
		})
	}
	ending.Wait()
	stop()
	watching.Wait()
	if len(taken) < sessions {
		t.Errorf("%d of %d were taken", len(taken), len(ids))
	}
	l.until("all queued", func() bool {
		out, _ := l.command("tasks", "--json")
		return !slices.ContainsFunc(taken, func(id string) bool { return !strings.Contains(out, id) })
	})
	l.until("one served", func() bool { return slices.ContainsFunc(ids, func(id string) bool { return l.served(id) == "mp4" }) })
}

// TestRazorHandsOver: Guacamole dumps are accepted under any name. Other files are refused by
// name, and are not changed where Razor then puts them.
func TestRazorHandsOver(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "3.10.9")
	l.startHealthy()
	razor := l.lion(liontest.Signed, func(o *liontest.Options) { o.Component, o.FileType = "razor", "rdp" })
	const dump, images, late = "aaaaaaaa-5555-4111-8111-111111111111", "bbbbbbbb-5555-4111-8111-111111111111", "cccccccc-5555-4111-8111-111111111111"
	for _, id := range []string{dump, images, late} {
		l.core.AddSession(devcore.Session{ID: id, User: "a(a)", Asset: "win", Account: "b(b)", Protocol: "rdp", TerminalType: "razor",
			Start: sessionStart, Finished: true})
	}
	drawn := filepath.Join(t.TempDir(), "images")
	if err := os.WriteFile(drawn, gzipped(t, "\x89PNG\r\n\x1a\n"+longNops(1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, from := range map[string]string{dump: sample(t, "tiny/v3/*/*.replay.gz"), images: drawn} {
		if err := razor.Record(id, from); err != nil {
			t.Fatal(err)
		}
	}
	l.ended(razor, dump)
	out, err := razor.End(t.Context(), images, sessionDay)
	if err != nil || out.Refused == nil || !strings.Contains(out.Refused.Error(), "415") || !strings.Contains(out.Refused.Error(), "image/png") {
		t.Fatalf("%+v %v", out, err)
	}
	if said := l.agent.Log(); !strings.Contains(said, "from Razor") || !strings.Contains(said, "image/png") {
		t.Error("the log does not contain the refusal")
	}
	// A dump that Razor could not upload to the agent is found in its storage.
	if err := razor.Record(late, sample(t, "tiny/v3/*/*.replay.gz")); err != nil {
		t.Fatal(err)
	}
	if err := razor.Restart(t.Context(), sessionDay); err != nil { // sends what is left to core
		t.Fatal(err)
	}
	for _, id := range []string{dump, late} {
		l.until(id, func() bool { return l.served(id) == "mp4" && l.marked(id) })
	}
	l.until("skipped", func() bool {
		out, _ := l.command("tasks", "show", images)
		return strings.Contains(out, "not_guacamole")
	})
	kept, err := os.ReadFile(filepath.Join(l.replay(), sessionDay, images+".replay.gz"))
	sent, serr := os.ReadFile(drawn)
	if err != nil || serr != nil || string(kept) != string(sent) {
		t.Errorf("it was changed: %d of %d bytes, %v", len(kept), len(sent), err)
	}
}

// TestCoresCertificateIsCheckedUnlessToldOtherwise tests IGNORE_VERIFY_CERTS, from the
// registration to the MP4 of an upload.
func TestCoresCertificateIsCheckedUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	core, err := url.Parse(l.core.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(core)
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(front.Close)
	l.env["CORE_HOST"] = front.URL
	l.start()
	l.until("the certificate refused", func() bool {
		return l.health() == http.StatusServiceUnavailable && strings.Contains(l.agent.Log(), "IGNORE_VERIFY_CERTS")
	})
	l.stop()
	l.env["IGNORE_VERIFY_CERTS"] = "true"
	l.startHealthy()
	lion, id := l.lion(liontest.Parts), "aaaaaaaa-6666-4111-8111-111111111111"
	l.recorded(lion, id, sample(t, "multipart/v4/*/*"))
	l.ended(lion, id)
	l.until("served", func() bool { return l.served(id) == "mp4" && l.marked(id) })
}

// TestBucketTakesWhatLionSendsTwice: Lion's own storage is the bucket. It also puts recordings
// there that the agent has, because the last response was lost, or because it restarts.
func TestBucketTakesWhatLionSendsTwice(t *testing.T) {
	t.Parallel()
	b := newBucketFixture(t, storagetest.S3(t), "4.10.17")
	b.startHealthy()
	store := func(ctx context.Context, key, file string) error {
		_, err := b.client.FPutObject(ctx, b.bucket, key, file, minio.PutObjectOptions{})
		return err
	}
	sent := map[string]*liontest.Lion{}
	for era, end := range map[liontest.Era]string{liontest.Signed: "/task/", liontest.Parts: "/task/upload/2", liontest.Keeps: ""} {
		id := fmt.Sprintf("aaaaaaaa-7777-4111-8111-%012d", era)
		sent[id] = b.lion(era, func(o *liontest.Options) {
			o.Store = store
			if end != "" {
				o.Transport = lost{&http.Transport{DisableKeepAlives: true}, end}
			}
		})
		from := sample(t, flatRecording)
		if era == liontest.Parts {
			from = sample(t, "multipart/v4/*/*")
		}
		b.recorded(sent[id], id, from)
		if out, err := sent[id].End(t.Context(), id, sessionDay); err != nil || (out.Refused != nil) != (end != "") {
			t.Fatalf("%+v %v", out, err)
		}
	}
	alone := func(id string) bool {
		return !slices.ContainsFunc(b.keys(), func(key string) bool { return strings.Contains(key, id) && !strings.HasSuffix(key, ".mp4") })
	}
	for id, lion := range sent {
		b.until(id, func() bool { return b.marked(id) && alone(id) })
		b.published(id, id, sessionDay)
		if len(lion.Left()) == 0 {
			continue
		}
		if err := lion.Restart(t.Context(), sessionDay); err != nil {
			t.Fatal(err)
		}
		b.until("again "+id, func() bool { return b.trashed(id) && alone(id) && b.task(id).State == queue.StateDone })
		if got := b.served(id); got != "mp4" {
			t.Errorf("%s: core serves %s", id, got)
		}
	}
	spool := &upload.Spool{Dir: filepath.Join(b.dir, "data", "spool")}
	b.until("all uploads done with", func() bool { left, err := spool.Complete(); return err == nil && len(left) == 0 })
}

// trashed reports whether the bucket's trash contains an object of a session.
func (b *bucketFixture) trashed(id string) bool {
	for o := range b.client.ListObjects(b.t.Context(), b.bucket, minio.ListObjectsOptions{Recursive: true}) {
		if storage.InTrash(o.Key) && strings.Contains(o.Key, id) {
			return true
		}
	}
	return false
}
