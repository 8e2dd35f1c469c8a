package upload

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/process"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// meter measures the agent from outside.
type meter struct {
	agent *agenttest.Agent

	mu      sync.Mutex
	answers []time.Duration // response times of health requests
	ill     map[string]int  // health requests without status 200, by what happened
	memory  uint64          // peak RSS in bytes, without ffmpeg
	load    []float64       // CPU use of the host in percent, one value per second
}

func newMeter(a *agenttest.Agent) *meter { return &meter{agent: a, ill: map[string]int{}} }

// run measures until ctx ends.
func (m *meter) run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { m.health(ctx) })
	group.Go(func() {
		p := process.Process{Pid: int32(m.agent.PID())}
		for ctx.Err() == nil {
			if info, err := p.MemoryInfo(); err == nil {
				m.mu.Lock()
				m.memory = max(m.memory, info.RSS)
				m.mu.Unlock()
			}
			_ = agenttest.Pause(ctx, 50*time.Millisecond)
		}
	})
	group.Go(func() {
		for ctx.Err() == nil {
			if percent, err := cpu.PercentWithContext(ctx, time.Second, false); err == nil && len(percent) > 0 {
				m.mu.Lock()
				m.load = append(m.load, percent[0])
				m.mu.Unlock()
			}
		}
	})
	group.Wait()
}

// health requests the health about ten times per second until ctx ends, each time on a
// new connection.
func (m *meter) health(ctx context.Context) {
	for ctx.Err() == nil {
		status, took := m.agent.Health(ctx)
		if ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		m.answers = append(m.answers, took)
		switch status {
		case http.StatusOK:
		case 0:
			m.ill["no response"]++
		default:
			m.ill[fmt.Sprintf("%d %s", status, http.StatusText(status))]++
		}
		m.mu.Unlock()
		_ = agenttest.Pause(ctx, 100*time.Millisecond)
	}
}

// print prints what was measured since began.
func (m *meter) print(began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := sorted(m.answers)
	fmt.Printf("health               %d responses, median %s, p99 %s, longest %s; not 200: %v\n", len(all),
		percentile(all, .5).Round(100*time.Microsecond), percentile(all, .99).Round(100*time.Microsecond), percentile(all, 1).Round(100*time.Microsecond), m.ill)
	fmt.Printf("heartbeats           at most %.0f s apart\n", m.agent.Core.Silence(began).Seconds())
	fmt.Printf("agent's memory       %d MB at most (RSS, without ffmpeg)\n", m.memory>>20)
	fmt.Printf("host's CPU           %.0f %% on average\n", m.average())
}

// average returns the average CPU use of the host in percent. It ignores the first five
// seconds, in which the agent's governor has no measurements yet. The caller must hold
// mu.
func (m *meter) average() float64 {
	const settle = 5
	if len(m.load) <= settle {
		return 0
	}
	sum := 0.0
	for _, v := range m.load[settle:] {
		sum += v
	}
	return sum / float64(len(m.load)-settle)
}

// mostMemory is the highest permitted RSS of the agent in bytes, without ffmpeg. The
// large recording of `make load` is far larger.
const mostMemory = 200 << 20

// verdict returns an error for the first limit that was exceeded. A host above
// CPU_TARGET is only reported, because this program also uses CPU time.
func (m *meter) verdict(began time.Time, target int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.ill) > 0:
		return fmt.Errorf("the agent's health was not good all the time: %v", m.ill)
	case percentile(sorted(m.answers), .99) > time.Second:
		return fmt.Errorf("the p99 of the health requests was longer than a second")
	case m.agent.Core.Silence(began) > 60*time.Second:
		return fmt.Errorf("core got no heartbeat for more than a minute")
	case m.memory > mostMemory:
		return fmt.Errorf("the agent used %d MB of memory, more than %d MB", m.memory>>20, mostMemory>>20)
	case m.average() > float64(target)+10:
		fmt.Println("The host's CPU use was above CPU_TARGET. It includes this program, which simulates Lion and core.")
	}
	return nil
}
