package transcode_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// life is a session's recording during crashes and other events.
type life struct {
	*jumpServer
	content   []byte   // of the recording's file, or of its index
	source    []byte   // the recording's SHA-256 in the mark of its MP4; nil until there was one
	forgetful bool     // the queue was lost, and with it which events core has got
	broken    error    // the first invariant that was violated
	uploads   []string // paths in the spool of other recordings that were uploaded for the session
	film      []byte   // an MP4 that claims to be made from the recording

	release chan struct{} // closed at the end, so that crashed goroutines return
}

// always checks the invariants. at is the current event, for the error.
func (l *life) always(at string) {
	if l.broken != nil {
		return
	}
	inPlace := bytes.Equal(l.read(l.path), l.content)
	video := l.read(mp4)
	_, mark, made := bytes.Cut(video, []byte("source=sha256:"))
	made = made && render.Sealed(l.t.Context(), filepath.Join(l.replay(), mp4), testKey) == nil
	if !bytes.Equal(l.read(victim), victimContent) {
		l.broken = fmt.Errorf("at %q another session's recording has changed", at)
	}
	switch {
	case made && len(mark) >= 64 && l.source == nil:
		l.source = bytes.Clone(mark[:64])
	case made && (len(mark) < 64 || !bytes.Equal(mark[:64], l.source)):
		l.broken = fmt.Errorf("at %q another MP4 is in place", at)
	}
	trashed := 0
	for _, name := range l.files() {
		if strings.HasPrefix(name, cleanup.TrashName) && bytes.Equal(l.read(name), l.content) {
			trashed++
		}
	}
	switch {
	case !inPlace && !made:
		l.broken = fmt.Errorf("at %q the session has neither its recording nor an MP4", at)
	case !inPlace && trashed != 1 || inPlace && trashed != 0:
		l.broken = fmt.Errorf("at %q the recording is in place: %v; in the trash: %d times", at, inPlace, trashed)
	}
	told := map[string]int{}
	for _, name := range l.events() {
		if told[name]++; told[name] > 1 && !l.forgetful {
			l.broken = fmt.Errorf("at %q core was told of %s twice", at, name)
		}
	}
}

func (l *life) read(rel string) []byte {
	data, _ := os.ReadFile(filepath.Join(l.replay(), filepath.FromSlash(rel))) // nil, if it does not exist
	return data
}

// run runs an agent until the task ends or waits, and returns the task's state. At the given
// number of boundaries between steps, the agent crashes instead, and run returns "".
func (l *life) run(ctx context.Context, boundaries int) (state queue.State, err error) {
	crashed := make(chan struct{})
	n := 0
	a, err := newAgent(ctx, agentOptions{
		coreURL: l.core.URL, replay: l.replay(), data: l.data(), path: l.path, originals: cleanup.PolicyTrash,
		boundary: func(name string) {
			l.always(name)
			if n++; n == boundaries {
				close(crashed)
				<-l.release
				runtime.Goexit()
			}
		},
	})
	if err != nil {
		return "", err
	}
	if err := a.offer(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, watcher.ErrInWork) {
		return "", err
	}
	for _, place := range l.uploads {
		if err := a.pool.Upload(ctx, session, place); err != nil && !errors.Is(err, watcher.ErrInWork) {
			return "", err
		}
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := a.queue.Retry(ctx, session); err != nil && !errors.Is(err, queue.ErrNotFound) && !errors.Is(err, queue.ErrActive) {
		return "", err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(work) }()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		item, err := a.queue.Get(ctx, session)
		switch {
		case errors.Is(err, queue.ErrNotFound): // the task was done before the queue was lost
			state = queue.StateDone
		case err != nil:
			return "", err
		case !item.Held() && item.Reason == task.ClassDiffers && task.SourceOf(item).Spooled():
			state = queue.StateDone // the upload stays in the spool; only the other recording matters here
		case !item.Held() && strings.Contains(item.Error, destination.ErrForeign.Error()) && !l.exists(l.path):
			state = queue.StateDone // the original was retired before the record was forged; this is like a lost queue
		case !item.Held() && (item.State.Final() || item.State == queue.StateRetrying):
			state = item.State
		case time.Now().After(deadline):
			return "", fmt.Errorf("the task stays %s", item.State)
		}
		if state != "" {
			cancel()
			<-stopped
			return state, a.queue.Close()
		}
		select {
		case <-crashed:
			return "", a.queue.Close() // ends the renewal of the lease, too
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// happenings are events between two runs of an agent.
var happenings = map[string]func(l *life) error{
	"nothing": func(*life) error { return nil },
	"core fails a few times": func(l *life) error {
		l.core.Fail(devcore.Fault{Status: 500, Times: 3})
		return nil
	},
	"an answer of core is lost": func(l *life) error {
		l.core.Fail(devcore.Fault{After: true, Cut: true, Times: 1})
		return nil
	},
	"core is upgraded":        func(l *life) error { return l.core.SetVersion("4.10.13") },
	"unfinished work is lost": func(l *life) error { return os.RemoveAll(filepath.Join(l.data(), "work")) },
	"the queue is lost": func(l *life) error {
		l.forgetful = true
		return os.RemoveAll(filepath.Join(l.data(), "queue"))
	},
	"another recording is uploaded": func(l *life) error {
		id := fmt.Sprintf("6ba7b81%x-9dad-41d1-80b4-00c04fd430ff", len(l.uploads)%16)
		l.uploads = append(l.uploads, l.upload(id, gz(l.t, dump(77, 1000, 2+5*len(l.uploads)))))
		return nil
	},
	"a forged MP4 turns up": func(l *life) error {
		if bytes.Equal(l.read(l.path), l.content) { // otherwise core would have had to refuse it
			l.write(mp4, l.film)
		}
		return nil
	},
	"a record of the queue is forged": func(l *life) error {
		q, err := queue.Open(l.t.Context(), queue.Options{Dir: filepath.Join(l.data(), "queue"), Owner: "somebody", Lease: 5 * time.Second})
		if err != nil {
			return err
		}
		st, err := os.Stat(filepath.Join(l.replay(), victim))
		if err != nil {
			return err
		}
		if _, err := q.Get(l.t.Context(), session); err == nil {
			l.forgetful = true // the record had which events core has got
			forgeRecord(l.t, q, func(record *queue.Task) {
				source := task.Source{Path: victim, Size: st.Size(), ModTime: st.ModTime()}
				record.Source, record.Fingerprint = task.Encode(source), source.Fingerprint()
			})
		}
		return q.Close()
	},
	"half an MP4 turns up": func(l *life) error {
		if !l.exists(mp4) {
			l.write(mp4, []byte("half of a foreign MP4"))
		}
		return nil
	},
}

// victim is another session's recording, which the task must not touch.
const victim = "2024-04-23/11111111-6c1a-4f0e-8f3a-2d1c0b9a8e7f.replay.gz"

var victimContent = []byte("another session's recording")

// TestWhateverHappensNothingIsLost: the agent crashes at random boundaries, with random events
// in between. At any time, the session has its recording or the MP4 of it. In the end, the
// state is the same as without crashes and events.
func TestWhateverHappensNothingIsLost(t *testing.T) {
	few(t, 4)
	names := slices.Sorted(maps.Keys(happenings))
	rapid.Check(t, func(rt *rapid.T) {
		l := &life{release: make(chan struct{})}
		l.jumpServer = newJumpServer(t, rapid.SampledFrom([]string{"3.10.9", "4.8.0", "4.10.13"}).Draw(rt, "version"), rapid.Bool().Draw(rt, "in parts"))
		defer close(l.release)
		l.content = l.read(l.path)
		l.film = l.jumpServer.film(3, l.claim())
		l.write(victim, victimContent)
		for i := range rapid.IntRange(1, 4).Draw(rt, "crashes") {
			at := rapid.IntRange(1, 18).Draw(rt, fmt.Sprint("boundary ", i))
			if _, err := l.run(t.Context(), at); err != nil {
				rt.Fatal(err)
			}
			l.always("the crash")
			what := rapid.SampledFrom(names).Draw(rt, fmt.Sprint("then ", i))
			if err := happenings[what](l); err != nil {
				rt.Fatal(err)
			}
			l.always(what)
		}
		var state queue.State
		for tries := 0; state != queue.StateDone && tries < 5; tries++ { // core may fail a few times
			var err error
			if state, err = l.run(t.Context(), 0); err != nil {
				rt.Fatal(err)
			}
		}
		l.always("the end")
		replay, err := l.core.Served(t.Context(), session)
		got, _ := l.core.Session(session)
		switch {
		case l.broken != nil:
			rt.Fatal(l.broken)
		case state != queue.StateDone:
			rt.Fatalf("the task is %s", state)
		case err != nil || replay.Type != "mp4" || l.exists(l.path):
			rt.Fatalf("core serves %+v, %v; files: %v", replay, err, l.files())
		case !got.HasReplay && !l.forgetful:
			rt.Fatal("core does not know that the session has a replay")
		}
		for _, name := range l.files() {
			if name != mp4 && name != victim && !strings.HasPrefix(name, ".") {
				rt.Fatalf("left over: %s", name)
			}
		}
	})
}

// few limits the number of runs, unless a flag has set it.
func few(t *testing.T, n int) {
	t.Helper()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if asked {
		return
	}
	checks := flag.Lookup("rapid.checks")
	was := checks.Value.String()
	if err := checks.Value.Set(fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(was) })
}
