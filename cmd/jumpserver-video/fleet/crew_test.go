package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// process is an agent or a server that is killed and started again.
type process struct {
	name    string
	command func() *exec.Cmd
	log     *os.File

	mu    sync.Mutex
	cmd   *exec.Cmd     // guarded by mu
	ended chan struct{} // closed when cmd has; guarded by mu
	fatal bool          // its end is wanted; guarded by mu
	own   []string      // ends that nobody wanted; guarded by mu
}

func newProcess(t *testing.T, dir, name string, command func() *exec.Cmd) *process {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, command: command, log: f}
	t.Cleanup(func() { _ = p.end(syscall.SIGKILL); f.Close() })
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) start() error {
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.ended, p.fatal = cmd, ended, false
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		if !p.fatal {
			p.own = append(p.own, fmt.Sprintf("%s ended by itself: %v", p.name, err))
		}
		p.mu.Unlock()
		close(ended)
	}()
	return nil
}

func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(sig)
}

// end sends a signal and waits until the process is gone.
func (p *process) end(sig syscall.Signal) error {
	p.mu.Lock()
	p.fatal = true
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		return fmt.Errorf("%s has not ended a minute after %s", p.name, sig)
	}
}

// crew is the agents and servers.
type crew struct {
	site    *site
	cluster *cluster
	nodes   [nodes]*process
	agents  [agents]*process
	ways    [agents][nodes]*link // of agents to servers
	tasks   [agents]*taskapi.Client
}

func newCrew(t *testing.T, s *site) *crew {
	t.Helper()
	c := &crew{site: s, cluster: newCluster(t, s.dir)}
	for i := range c.nodes {
		c.nodes[i] = newProcess(t, s.dir, c.cluster.config[i].Name, func() *exec.Cmd { return c.cluster.command(i) })
	}
	for i, port := range freePorts(t, agents) {
		name := "agent" + strconv.Itoa(i)
		var urls []string
		for k := range c.nodes {
			c.ways[i][k] = newLink(t, "127.0.0.1:"+strconv.Itoa(c.cluster.config[k].Port))
			urls = append(urls, "nats://"+c.ways[i][k].addr())
		}
		front := s.front(name)
		home := filepath.Join(s.dir, name)
		c.tasks[i] = taskapi.Local("127.0.0.1", port, "", "")
		for _, sub := range []string{"tmp", "data"} {
			if err := os.MkdirAll(filepath.Join(home, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		c.agents[i] = newProcess(t, s.dir, name, func() *exec.Cmd { return s.agent(name, home, front, port, strings.Join(urls, ",")) })
	}
	return c
}

// views are all tasks, as the first agent that knows shows them.
func (c *crew) views(ctx context.Context) map[string]task.View {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, client := range c.tasks {
		if client == nil {
			continue
		}
		views, err := client.Tasks(ctx)
		if err != nil {
			continue
		}
		all := map[string]task.View{}
		for _, v := range views {
			all[v.ID] = v
		}
		return all
	}
	return nil
}

// own are the ends of processes that nobody wanted.
func (c *crew) own() (all []string) {
	for _, p := range append(c.nodes[:], c.agents[:]...) {
		p.mu.Lock()
		all = append(all, p.own...)
		p.mu.Unlock()
	}
	return all
}
