package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// TestTheKeyIsRevokedWhileConverting: the agent registers again, its tasks continue, and core
// gets no event twice.
func TestTheKeyIsRevokedWhileConverting(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13", func(o *devcore.Options) { o.Registration = devcore.RegistrationOn })
	seeds := planted(t, l)
	var once sync.Once
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() { // as soon as core has got the first event
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			for _, s := range seeds {
				if len(l.core.Events(s.id)) > 0 {
					once.Do(func() {
						if err := l.core.DeleteComponent(l.core.Components()[0].Name); err != nil {
							t.Error(err)
						}
					})
					return
				}
			}
		}
	}()
	l.start()
	l.allReplaced(seeds)
	if n := strings.Count(l.agent.Log(), "registered with core"); n != 2 || len(l.core.Components()) != 1 {
		t.Errorf("registered %d times: %+v", n, l.core.Components())
	}
	l.toldOnce(seeds)
}

// TestCoreGoesAwayAndComesBack: all tasks that wait for core continue as soon as it is back,
// long before their next retry. Until then, core gets few requests.
func TestCoreGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["TEST_BEAT"] = "500ms"
	seeds := planted(t, l)
	throttled := devcore.Fault{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "3600"}}
	throttled.Path = regexp.MustCompile("/sessions/|/status/$")
	remove := l.core.Fail(throttled)
	l.start()
	l.until("given up for a while", func() bool { return strings.Contains(l.agent.Log(), "core is not available; starting no task") })
	time.Sleep(5 * time.Second) // in which core could get many requests
	asked := 0
	for _, r := range l.core.Requests() {
		if strings.Contains(r.Path, "/sessions/") {
			asked++
		}
	}
	if asked > 6 {
		t.Errorf("core got %d requests about sessions while it was away", asked)
	}
	if l.health() == 0 {
		t.Error("the agent does not respond")
	}
	remove()
	l.allReplaced(seeds)
	if !strings.Contains(l.agent.Log(), "core is back") {
		t.Error("the agent has not noticed that core is back")
	}
	l.toldOnce(seeds)
}

// planted returns those of the demo's recordings that become MP4s.
func planted(t *testing.T, l *fixture) (converted []seed) {
	t.Helper()
	seeds, err := plant("../../testdata/recordings", l.replay(), l.core)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seeds {
		if strings.HasPrefix(s.from, "tiny") {
			converted = append(converted, s)
			continue
		}
		left, err := filepath.Glob(filepath.Join(l.replay(), s.date, s.id+"*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	return converted
}

func (l *fixture) allReplaced(seeds []seed) {
	l.t.Helper()
	for _, s := range seeds {
		l.until(s.what, func() bool { return l.served(s.id) == "mp4" })
	}
	l.until("all done", func() bool {
		out, _ := l.command("tasks", "--state", "done", "--json")
		return strings.Count(out, `"state": "done"`) == len(seeds)
	})
}

// toldOnce checks that core got each event of each session once.
func (l *fixture) toldOnce(seeds []seed) {
	l.t.Helper()
	for _, s := range seeds {
		seen := map[string]int{}
		for _, e := range l.core.Events(s.id) {
			seen[e.Name]++
		}
		if fmt.Sprint(seen) != "map[replay_convert_start:1 replay_convert_success:1 replay_upload_start:1 replay_upload_success:1]" {
			l.t.Errorf("%s: %v", s.what, seen)
		}
	}
}
