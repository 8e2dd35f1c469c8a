package fleet

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

var (
	recordings = flag.Int("recordings", 9, "number of recordings")
	trouble    = flag.Duration("trouble", 6*time.Second, "how long there are faults; each occurs at least once")
	lease      = flag.Duration("lease", 4*time.Second, "lease time of the agents")
	kills      = flag.Int("kills", 5, "kills of an agent that is alone; a tenth as often its queue is deleted")
	seed       = flag.Uint64("seed", 1, "seed of the random faults; 0 = another one each time")
	keep       = flag.String("dir", "", "folder to run in; nothing in it is removed")
	binary     string
)

func TestMain(m *testing.M) {
	if config := os.Getenv(nodeEnv); config != "" {
		if err := runNode(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	os.Exit(func() int {
		var remove func()
		var err error
		if binary, remove, err = agenttest.Build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer remove()
		return m.Run()
	}())
}

// TestFleet: whatever happens to agents, servers and the network between them, every
// recording is replaced once.
func TestFleet(t *testing.T) {
	t.Parallel()
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 10**trouble+5*time.Minute)
	defer cancel()
	s := newJumpServer(t, dir)
	c := newDeployment(t, s)
	first := c.agents[0]
	first.Check(t, first.Until(t.Context(), "the queue is reached", func() bool { return c.views(ctx) != nil }))

	began := time.Now()
	var group sync.WaitGroup
	var counts map[string]int
	group.Go(func() { counts = c.trouble(ctx, rand.New(rand.NewPCG(*seed, 2)), *trouble) })
	for n := range *recordings { // one half is there from the start
		s.arrive(newID(n), random)
		if n >= *recordings/2 {
			agenttest.Pause(ctx, *trouble*3/2/time.Duration(*recordings))
		}
	}
	group.Wait()
	t.Logf("after %s the faults have ended: %v", time.Since(began).Round(time.Second), counts)
	c.waitUntilDone(ctx)
	t.Logf("all is done after %s", time.Since(began).Round(time.Second))
	tasks := c.views(ctx)
	for _, a := range c.agents {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	s.recordCoreEvents()
	ends := s.ends(ctx, tasks)
	wrong := append(check(s.log.all(), ends), c.unexpectedExits()...)
	for _, what := range wrong {
		t.Error(what)
	}
	t.Log(summary(s.log.all(), len(ends)))
}

// newID returns a session's id, which depends only on the seed.
func newID(n int) string {
	return uuid.Must(uuid.NewRandomFromReader(rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(*seed)}))).String()
}

// summary counts the events in the log.
func summary(events []event, sessions int) string {
	uploads, taken, tellings, away := 0, map[string]int{}, 0, 0
	for _, e := range events {
		switch e.What {
		case sent:
			uploads++
			taken[e.Agent]++
		case told:
			tellings++
		case pushed:
			away++
		}
	}
	return fmt.Sprintf("%d recordings, %d MP4s sent (%v), %d MP4s moved away, core told of %d events of %d", sessions, uploads, taken, away, tellings, 4*sessions)
}

// waitUntilDone waits until nothing is left to do. It retries failed tasks at once, and not at the
// time of their next retry.
func (c *deployment) waitUntilDone(ctx context.Context) {
	for said := time.Now(); ; agenttest.Pause(ctx, 500*time.Millisecond) {
		tasks := c.views(ctx)
		open := 0
		for id := range c.marks {
			v, known := tasks[id]
			if known && v.State == queue.StateRetrying {
				_ = c.agents[0].API.Retry(ctx, id, "") // an agent may just have leased it
			}
			if !known && c.forgetful {
				_, err := os.Stat(filepath.Join(c.coreReplay(), c.original(id)))
				known = err != nil
				v.State = queue.StateDone
			}
			if !known || !v.State.Final() {
				open++
			}
		}
		if open == 0 {
			return
		}
		if time.Since(said) > 30*time.Second {
			said = time.Now()
			c.t.Logf("%d recordings are not done yet", open)
		}
		if ctx.Err() != nil {
			c.t.Errorf("%d recordings were not done in time", open)
			return
		}
	}
}
