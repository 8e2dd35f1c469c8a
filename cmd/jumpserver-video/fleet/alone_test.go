package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// TestAlone: an agent with a queue of its own is killed again and again, and
// every recording is replaced once.
func TestAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.alone(t, *kills, func(_ int, agent *process) error { return agent.end(syscall.SIGKILL) })
}

// TestAloneWithoutItsQueue: the queue's folder is deleted, too, now while the
// agent runs and now while it does not. The queue alone knows what core has
// been told; nothing else depends on it.
func TestAloneWithoutItsQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	queue := filepath.Join(s.dir, "agent", "data", "queue")
	s.forgetful = true
	s.alone(t, max(*kills/10, 2), func(n int, agent *process) error {
		if n%2 == 0 {
			if err := agent.end(syscall.SIGKILL); err != nil {
				return err
			}
			return os.RemoveAll(queue)
		}
		if err := os.RemoveAll(queue); err != nil {
			return err
		}
		return agent.ends(time.Minute) // for the service manager to start it again
	})
}

// alone has one agent work while misfortunes end it, so many times, and judges
// what comes of it.
func (s *site) alone(t *testing.T, times int, misfortune func(n int, agent *process) error) {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, 3))
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(times)*10*time.Second+5*time.Minute)
	defer cancel()
	port := freePorts(t, 1)[0]
	home, front := filepath.Join(s.dir, "agent"), s.front("agent")
	for _, sub := range []string{"tmp", "data"} {
		if err := os.MkdirAll(filepath.Join(home, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.arrive(newID(0), random)
	agent := newProcess(t, s.dir, "agent", func() *exec.Cmd { return s.agent("agent", home, front, port, "") })
	c := &crew{site: s}
	c.tasks[0] = taskapi.Local("127.0.0.1", port, "", "")
	for n := range times {
		until(ctx, t, "the agent works", func() bool { return c.views(ctx) != nil })
		s.arrive(newID(n+1), random)
		pause(ctx, time.Duration(random.IntN(4000))*time.Millisecond)
		if err := misfortune(n, agent); err != nil {
			t.Fatal(err)
		}
		if err := agent.start(); err != nil {
			t.Fatal(err)
		}
	}
	c.dusk(ctx)
	tasks := c.views(ctx)
	if err := agent.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	s.notebook()
	events, ends := s.log.all(), s.ends(ctx, tasks)
	for _, what := range append(verdict(events, ends), agent.own...) {
		t.Error(what)
	}
	t.Logf("ended %d times; %s", times, summary(events, len(ends)))
}

// agent is the command of one, on a queue of its own unless there is a URL.
func (s *site) agent(name, home, front string, port int, queue string) *exec.Cmd {
	cmd := exec.Command(binary, "agent") //nolint:noctx // ended by kill or stop
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + filepath.Join(home, "tmp"), "NO_COLOR=1",
		"NAME=" + name, "CORE_HOST=" + front, "BOOTSTRAP_TOKEN=" + token, "BIND_HOST=127.0.0.1", "HTTPD_PORT=" + strconv.Itoa(port),
		"REPLAY_DIR=" + s.volume.Point(), "DATA_DIR=" + filepath.Join(home, "data"), "SETTLE_TIME=1s", "SCAN_INTERVAL=1s",
		"CPU_TARGET=100", "VIDEO_WORKER_COUNT=2", "LOG_LEVEL=DEBUG", "QUEUE_URL=" + queue,
		"VIDEO_WORKER_SECRET_KEY=of-this-fleet-32-characters-long", // records are sealed
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	return cmd
}

// ends waits for a process to end by itself.
func (p *process) ends(within time.Duration) error {
	p.mu.Lock()
	p.fatal = true
	ended := p.ended
	p.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-time.After(within):
		return fmt.Errorf("%s goes on", p.name)
	}
}
