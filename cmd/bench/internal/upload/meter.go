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

// meter looks at the agent from outside.
type meter struct {
	agent *agenttest.Agent

	mu      sync.Mutex
	answers []time.Duration // of health
	ill     map[string]int  // answers other than 200
	memory  uint64          // most, bytes, without ffmpeg
	load    []float64       // of the host, percent, a second each
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

// health asks ten times a second, each time on a connection of its own.
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
			m.ill["no answer"]++
		default:
			m.ill[fmt.Sprintf("%d %s", status, http.StatusText(status))]++
		}
		m.mu.Unlock()
		_ = agenttest.Pause(ctx, 100*time.Millisecond)
	}
}

func (m *meter) print(began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := sorted(m.answers)
	fmt.Printf("health               %d answers, median %s, p99 %s, longest %s; not 200: %v\n", len(all),
		percentile(all, .5).Round(100*time.Microsecond), percentile(all, .99).Round(100*time.Microsecond), percentile(all, 1).Round(100*time.Microsecond), m.ill)
	fmt.Printf("heartbeats           never more than %.0f s apart\n", m.agent.Core.Silence(began).Seconds())
	fmt.Printf("agent's memory       %d MB at most (RSS, without ffmpeg)\n", m.memory>>20)
	fmt.Printf("host's CPU           %.0f %% on average\n", m.average())
}

// average is the host's CPU, without the first seconds, in which the governor
// has not measured yet; m.mu is held.
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

// mostMemory is what the agent may take without ffmpeg, in bytes: far less than
// what is on its way.
const mostMemory = 200 << 20

// verdict is what was not as it must be.
func (m *meter) verdict(began time.Time, target int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.ill) > 0:
		return fmt.Errorf("health was not green all the time: %v", m.ill)
	case percentile(sorted(m.answers), .99) > time.Second:
		return fmt.Errorf("health took longer than a second")
	case m.agent.Core.Silence(began) > 60*time.Second:
		return fmt.Errorf("no heartbeat for more than a minute")
	case m.memory > mostMemory:
		return fmt.Errorf("the agent took %d MB", m.memory>>20)
	case m.average() > float64(target)+10:
		fmt.Println("The host was above CPU_TARGET: the Lions and this program count, too.")
	}
	return nil
}
