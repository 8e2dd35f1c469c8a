package fleet

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// deployment is the agents and NATS servers of a fleet.
type deployment struct {
	*jumpServer
	cluster *cluster
	nodes   [nodes]*agenttest.Process
	agents  [agents]*agenttest.Agent // only the first, if an agent is alone
	ways    [agents][nodes]*link     // links from agents to servers
}

func newDeployment(t *testing.T, s *jumpServer) *deployment {
	t.Helper()
	c := &deployment{jumpServer: s, cluster: newCluster(t, s.dir)}
	for i := range c.nodes {
		name := c.cluster.config[i].Name
		c.nodes[i] = &agenttest.Process{
			Name: name, Output: filepath.Join(s.dir, name+".log"), Prepare: func() *exec.Cmd { return c.cluster.command(i) },
		}
		if err := c.nodes[i].Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.nodes[i].Kill() })
	}
	for i := range c.agents {
		var urls []string
		for k := range c.nodes {
			c.ways[i][k] = newLink(t, c.cluster.at.HostPort(2*k))
			urls = append(urls, "nats://"+c.ways[i][k].addr())
		}
		c.agents[i] = s.agent("agent"+strconv.Itoa(i), strings.Join(urls, ","))
		c.agents[i].Check(t, c.agents[i].Start())
	}
	return c
}

// views returns all tasks, from the first agent that responds.
func (c *deployment) views(ctx context.Context) map[string]task.View {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, a := range c.agents {
		if a == nil {
			continue
		}
		if views, err := a.Tasks(ctx); err == nil {
			return views
		}
	}
	return nil
}

// unexpectedExits returns unexpected exits of processes.
func (c *deployment) unexpectedExits() (all []string) {
	for i, a := range c.agents {
		all = append(all, slices.Concat(a.Strays(), c.nodes[i].Strays())...)
	}
	return all
}
