package transcode_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// many is a JumpServer with many recordings, of which none can be converted now, and an
// agent.
type many struct {
	*jumpServer
	*agent
	want map[string]queue.Class
}

// sort returns the nth session, and the class with which its task ends.
func (m *many) sort(n int) (devcore.Session, queue.Class) {
	s := devcore.Session{
		ID: fmt.Sprintf("0b9d5f1e-6c1a-4f0e-8f3a-%012d", n), Protocol: "ssh", TerminalType: "koko", Start: start, End: start.Add(time.Minute), Finished: true,
	}
	switch n % 10 {
	case 7:
		s.Protocol, s.TerminalType, s.Finished, s.End = "rdp", "lion", false, time.Time{}
		return s, task.ClassSessionActive
	case 8:
		s.Protocol, s.TerminalType, s.Start = "rdp", "lion", start.AddDate(0, 0, -1)
		return s, task.ClassMisplaced
	case 9:
		return s, task.ClassSession // deleted in core
	case 6:
		s.Org, s.OrgName = "00000000-0000-4000-8000-0000000000aa", "Branch"
	}
	return s, task.ClassNotGraphical
}

func newMany(t *testing.T, n int) *many {
	t.Helper()
	m := &many{jumpServer: newJumpServer(t, "4.10.16", false), want: map[string]queue.Class{}}
	var err error
	m.agent, err = newAgent(t.Context(), agentOptions{coreURL: m.core.URL, replay: m.replay(), data: m.data(), log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.queue.Close() })
	for i := range n {
		s, class := m.sort(i)
		if class != task.ClassSession {
			m.core.AddSession(s)
		}
		m.want[s.ID] = class
		c := watcher.Candidate{Session: s.ID, Date: "2024-04-23", Path: "2024-04-23/" + s.ID + ".replay.gz", Size: 1234, ModTime: recorded}
		if err := m.pool.Found(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// judged runs the pool until every task has its class, and returns the number of requests
// for many sessions and for single ones.
func (m *many) judged(t *testing.T) (lists, singles int) {
	t.Helper()
	began := len(m.core.Requests())
	m.run(t, func() bool {
		tasks, err := m.queue.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range tasks {
			if item.Held() || item.Reason == "" {
				return false
			}
		}
		return true
	})
	for id, class := range m.want {
		if item, err := m.queue.Get(t.Context(), id); err != nil || item.Reason != class {
			t.Errorf("%s: %s %s, want %s; %v", id, item.State, item.Reason, class, err)
		}
	}
	for _, r := range m.core.Requests()[began:] {
		rest, ok := strings.CutPrefix(r.Path, "/api/v1/terminal/sessions/")
		switch {
		case !ok:
		case rest == "":
			lists++
		default:
			singles++
		}
		if r.Status == http.StatusTooManyRequests {
			t.Errorf("too many requests to core: %s", r.Path)
		}
		if n := len(r.Path) + len(r.Query); n > 4096 {
			t.Errorf("a request line of %d bytes", n)
		}
	}
	return lists, singles
}

// run runs the pool until a condition is true.
func (a *agent) run(t *testing.T, until func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- a.pool.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	waittest.Until(t, "what the pool runs for", until)
}

func TestCoreIsAskedAboutManySessionsAtOnce(t *testing.T) {
	const n = 250
	m := newMany(t, n)
	m.pool.Workers = 3
	// A hundred at a time, and the active sessions a second time.
	lists, singles := m.judged(t)
	if lists+singles > 6 {
		t.Errorf("%d lists and %d single requests for %d recordings", lists, singles, n)
	}
	t.Logf("%d lists and %d single requests for %d recordings", lists, singles, n)

	// A cached response is used once: a retried task requests its session again.
	gone := fmt.Sprintf("0b9d5f1e-6c1a-4f0e-8f3a-%012d", 9)
	s, _ := m.sort(1)
	s.ID = gone
	m.core.AddSession(s)
	if err := m.queue.Retry(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	m.want[gone] = task.ClassNotGraphical
	m.run(t, func() bool {
		item, err := m.queue.Get(t.Context(), gone)
		return err == nil && item.Reason == task.ClassNotGraphical
	})
}

// TestOneSessionThatCoreFailsAtHoldsNoOtherUp: if a request for many sessions fails, perhaps
// because of one of them, each is requested separately. So it is after a wrong response.
func TestOneSessionThatCoreFailsAtHoldsNoOtherUp(t *testing.T) {
	for name, fault := range map[string]devcore.Fault{
		"an error":       {Status: http.StatusNotFound, Body: `{"detail":"no"}`},
		"no page":        {Status: http.StatusOK, Body: `[]`},
		"other sessions": {Status: http.StatusOK, Body: `{"count":1,"next":null,"results":[{"id":"99999999-6c1a-4f0e-8f3a-2d1c0b9a8e7f"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMany(t, 20)
			fault.Path = regexp.MustCompile(`/sessions/$`)
			m.core.Fail(fault)
			if lists, singles := m.judged(t); lists != 1 || singles < 20 {
				t.Errorf("%d lists, %d single requests", lists, singles)
			}
		})
	}
}
