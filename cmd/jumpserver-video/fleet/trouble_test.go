package fleet

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// trouble causes faults for a time, and then repairs all of them. It returns their numbers.
func (c *deployment) trouble(ctx context.Context, random *rand.Rand, length time.Duration) map[string]int {
	kinds := []string{"agent killed", "agent stopped", "server killed", "agent cut off", "server cut off", "network stalled"}
	counts := map[string]int{}
	var busy sync.Map // agents and servers that have a fault
	var group sync.WaitGroup
	end := time.Now().Add(length)
	for n := 0; time.Now().Before(end) || n < len(kinds); n++ {
		kind := kinds[n%len(kinds)]
		if n >= len(kinds) { // first, one of each kind
			kind = kinds[random.IntN(len(kinds))]
		}
		i := random.IntN(agents)
		who, short := "agent"+strconv.Itoa(i), time.Duration(random.IntN(3000))*time.Millisecond
		if kind == "server killed" || kind == "server cut off" {
			who = "node" + strconv.Itoa(i)
		}
		long := *lease + time.Second + 2*short // long enough for a lease to expire
		if _, already := busy.LoadOrStore(who, true); already {
			n--
		} else {
			counts[kind]++
			c.log.add(event{What: troubled, Agent: who, Note: kind})
			group.Go(func() {
				defer busy.Delete(who)
				c.injectFault(ctx, kind, i, short, long)
				c.log.add(event{What: troubled, Agent: who, Note: "no longer " + kind})
			})
		}
		agenttest.Pause(ctx, time.Duration(300+random.IntN(1200))*time.Millisecond)
	}
	group.Wait()
	return counts
}

// injectFault causes one fault of an agent or server, and repairs it.
func (c *deployment) injectFault(ctx context.Context, kind string, i int, short, long time.Duration) {
	agent, node := c.agents[i], c.nodes[i]
	var err error
	switch kind {
	case "agent killed":
		if err = agent.Kill(); err == nil {
			agenttest.Pause(ctx, short)
			err = agent.Start()
		}
	case "server killed":
		if err = node.Kill(); err == nil {
			agenttest.Pause(ctx, short)
			err = node.Start()
		}
	case "agent stopped":
		if err = agent.Signal(syscall.SIGSTOP); err == nil {
			agenttest.Pause(ctx, long)
			err = agent.Signal(syscall.SIGCONT)
		}
	case "agent cut off", "network stalled":
		is := cut
		if kind == "network stalled" {
			is = stalled
		}
		for _, way := range c.ways[i] {
			way.set(is)
		}
		agenttest.Pause(ctx, long)
		for _, way := range c.ways[i] {
			way.set(up)
		}
	case "server cut off":
		c.cluster.isolate(i, cut)
		agenttest.Pause(ctx, long)
		c.cluster.isolate(i, up)
	}
	if err != nil {
		c.t.Errorf("%s: %v", kind, err)
	}
}
