package fleet

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// TestAlone: an agent with its own queue is killed repeatedly, and every recording is
// replaced once.
func TestAlone(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, t.TempDir())
	s.alone(t, *kills, func(_ int, agent *agenttest.Agent) error { return agent.Kill() })
}

// TestAloneWithoutItsQueue: also, the queue's folder is deleted, sometimes while the agent
// runs. Only the queue knows which events core has got; nothing else depends on it.
func TestAloneWithoutItsQueue(t *testing.T) {
	t.Parallel()
	s := newJumpServer(t, t.TempDir())
	s.forgetful = true
	s.alone(t, max(*kills/10, 2), func(n int, agent *agenttest.Agent) error {
		if n%2 == 0 {
			if err := agent.Kill(); err != nil {
				return err
			}
			return os.RemoveAll(agent.Data("queue"))
		}
		if err := os.RemoveAll(agent.Data("queue")); err != nil {
			return err
		}
		return agent.WaitEnd() // the service manager then restarts it
	})
}

// alone runs one agent, which fault ends the given number of times, and judges the
// result.
func (s *jumpServer) alone(t *testing.T, times int, fault func(n int, agent *agenttest.Agent) error) {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, 3))
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(times)*10*time.Second+5*time.Minute)
	defer cancel()
	s.arrive(newID(0), random)
	agent := s.agent("agent", "")
	agent.Check(t, agent.Start())
	c := &deployment{jumpServer: s}
	c.agents[0] = agent
	for n := range times {
		agent.Check(t, agent.Until(t.Context(), "the agent works", func() bool { return c.views(ctx) != nil }))
		s.arrive(newID(n+1), random)
		agenttest.Pause(ctx, time.Duration(random.IntN(4000))*time.Millisecond)
		if err := fault(n, agent); err != nil {
			t.Fatal(err)
		}
		agent.Check(t, agent.Start())
	}
	c.waitUntilDone(ctx)
	tasks := c.views(ctx)
	if err := agent.Stop(); err != nil {
		t.Error(err)
	}
	s.recordCoreEvents()
	events, ends := s.log.all(), s.ends(ctx, tasks)
	for _, what := range append(check(events, ends), agent.Strays()...) {
		t.Error(what)
	}
	t.Logf("ended %d times; %s", times, summary(events, len(ends)))
}

// agent returns an agent that is not started yet, with its own queue unless there is a URL.
func (s *jumpServer) agent(name, queue string) *agenttest.Agent {
	s.t.Helper()
	return agenttest.InTest(s.t, agenttest.Options{Binary: binary, Name: name, Dir: filepath.Join(s.dir, name), Flags: []string{"--lease", lease.String()}, Env: map[string]string{
		"NAME": name, "CORE_HOST": s.front(name), "BOOTSTRAP_TOKEN": token, "REPLAY_DIR": s.volume.Point(), "QUEUE_URL": queue,
		"VIDEO_WORKER_SECRET_KEY": "of-this-fleet-32-characters-long", // records are sealed
		"SETTLE_TIME":             "1s", "SCAN_INTERVAL": "1s", "CPU_TARGET": "100", "VIDEO_WORKER_COUNT": "2", "LOG_LEVEL": "DEBUG",
	}})
}
