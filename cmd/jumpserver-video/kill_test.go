package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/watcher/upload"
)

// slow is a slow network, so that requests are interrupted in the middle.
type slow struct{ http.RoundTripper }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = &slowBody{r.Body}
	}
	return s.RoundTripper.RoundTrip(r)
}

type slowBody struct{ io.ReadCloser }

func (s *slowBody) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond) // a slow upload
	return s.ReadCloser.Read(p[:min(len(p), 4<<10)])
}

// TestKilledWhileUploading kills the agent repeatedly with SIGKILL while Lions upload
// recordings. A Lion deletes a recording when the worker confirms it. Each session must
// finally have an MP4.
func TestKilledWhileUploading(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()

	transport := &http.Transport{DisableKeepAlives: true}
	lions := map[liontest.Era]*liontest.Lion{}
	for _, era := range []liontest.Era{liontest.Signed, liontest.Parts} {
		lion, err := liontest.Start(t.Context(), era, liontest.Options{
			Core: l.core.URL, Worker: l.agent.URL(), Token: "boot-secret", Name: era.String(),
			Dir: filepath.Join(l.dir, era.String()), Transport: slow{transport},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(lion.Close)
		lions[era] = lion
	}
	sessions := 8 // per era
	if testing.Short() {
		sessions = 4
	}
	small, parts := sample(t, "tiny/v3/*/*.replay.gz"), sample(t, "multipart/v4/*/*")
	var group sync.WaitGroup
	var mu sync.Mutex
	taken, refused := 0, 0
	var ids []string
	for era, lion := range lions {
		for i := range sessions {
			id := fmt.Sprintf("%08x-%04x-4111-8111-111111111111", i, int(era))
			ids = append(ids, id)
			from := small
			if era == liontest.Parts && i%4 == 0 {
				from = parts
			}
			l.recorded(lion, id, from)
			group.Go(func() {
				time.Sleep(time.Duration(i) * 400 * time.Millisecond) // they end one after the other
				out, err := lion.End(t.Context(), id, sessionDay)
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if out.Task != "" {
					taken++
				} else {
					refused++
				}
			})
		}
	}
	over, stop := context.WithCancel(t.Context())
	go func() { group.Wait(); stop() }()
	kills := 0
	l.until("one is taken", func() bool { mu.Lock(); defer mu.Unlock(); return taken > 0 || over.Err() != nil })
	for over.Err() == nil {
		l.until("it takes uploads again", func() bool { return over.Err() != nil || l.health() == http.StatusOK })
		select {
		case <-over.Done():
		case <-time.After(time.Duration(100+rand.IntN(900)) * time.Millisecond):
			l.kill()
			kills++
			l.start()
		}
	}
	t.Logf("%d kills, %d recordings taken, %d refused", kills, taken, refused)
	if kills == 0 || taken == 0 {
		t.Error("nothing was tried")
	}
	for _, id := range ids {
		l.until(id, func() bool { return l.served(id) == "mp4" && l.marked(id) })
	}
	spool := &upload.Spool{Dir: filepath.Join(l.dir, "data", "spool")}
	l.until("all uploads done with", func() bool { left, err := spool.Complete(); return err == nil && len(left) == 0 })
	l.kill()
	l.left(spool.Dir)
}

// left checks that nothing unfinished stays in the spool after a restart.
func (l *fixture) left(dir string) {
	l.t.Helper()
	spool := &upload.Spool{Dir: dir}
	if _, err := spool.Recover(time.Now()); err != nil {
		l.t.Error(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".writing-") {
			err = errors.New(path + " is left")
		}
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
}

// lost is a network that loses the response to the last part.
type lost struct {
	http.RoundTripper
	of string // suffix of the path whose response is lost
}

func (n lost) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, n.of) {
		resp.Body.Close()
		return nil, errors.New("the connection was reset")
	}
	return resp, err
}

// TestTheLastAnswerIsLost: the worker has the recording. Lion does not know that, and puts the
// recording into core's storage as well.
func TestTheLastAnswerIsLost(t *testing.T) {
	t.Parallel()
	for era, end := range map[liontest.Era]string{liontest.Signed: "/task/", liontest.Parts: "/task/upload/2"} {
		t.Run(era.String(), func(t *testing.T) {
			t.Parallel()
			l := newFixture(t, "4.10.13")
			l.startHealthy()
			transport := &http.Transport{DisableKeepAlives: true}
			lion, err := liontest.Start(t.Context(), era, liontest.Options{
				Core: l.core.URL, Worker: l.agent.URL(), Token: "boot-secret", Name: "lossy",
				Dir: filepath.Join(l.dir, "lion"), Transport: lost{transport, end},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(lion.Close)
			id, from := "cccccccc-1111-4111-8111-111111111111", sample(t, "tiny/v3/*/*.replay.gz")
			if era == liontest.Parts {
				from = sample(t, "multipart/v4/*/*")
			}
			l.recorded(lion, id, from)
			out, err := lion.End(t.Context(), id, sessionDay)
			if err != nil || out.Refused == nil {
				t.Fatalf("%+v %v", out, err)
			}
			l.until("served", func() bool { return l.served(id) == "mp4" && l.marked(id) })
			day := filepath.Join(l.replay(), sessionDay)
			l.until("nothing else there", func() bool {
				entries, err := os.ReadDir(day)
				return err == nil && len(entries) == 1 && entries[0].Name() == id+".replay.mp4"
			})
			spool := &upload.Spool{Dir: filepath.Join(l.dir, "data", "spool")}
			l.until("the spool done with", func() bool { left, err := spool.Complete(); return err == nil && len(left) == 0 })
		})
	}
}

// TestTwoUploadsOfOneSession: the same recording twice becomes one MP4. Another recording of
// the session waits for an operator, and does no harm.
func TestTwoUploadsOfOneSession(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.startHealthy()
	first, second := l.lion(liontest.Signed), l.lion(liontest.Keeps)
	id, from := "dddddddd-1111-4111-8111-111111111111", sample(t, "tiny/v3/*/*.replay.gz")
	l.recorded(first, id, from)
	l.recorded(second, id, from)
	l.ended(first, id)
	l.ended(second, id)
	spool := &upload.Spool{Dir: filepath.Join(l.dir, "data", "spool")}
	l.until("both done with", func() bool { left, err := spool.Complete(); return err == nil && len(left) == 0 })
	if l.served(id) != "mp4" {
		t.Error(l.served(id))
	}
	before, err := os.ReadFile(filepath.Join(l.replay(), sessionDay, id+".replay.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	l.recorded(first, id, sample(t, "tiny_jpeg/v3/*/*.replay.gz"))
	l.ended(first, id)
	l.until("failed", func() bool {
		out, _ := l.command("tasks", "--json")
		return strings.Contains(out, `"differs"`)
	})
	after, err := os.ReadFile(filepath.Join(l.replay(), sessionDay, id+".replay.mp4"))
	if err != nil || string(after) != string(before) || l.served(id) != "mp4" {
		t.Errorf("the MP4 was changed: %v, served %s", err, l.served(id))
	}
	if left, err := spool.Complete(); err != nil || len(left) != 1 {
		t.Errorf("the other recording is not kept: %v %v", left, err)
	}
}
