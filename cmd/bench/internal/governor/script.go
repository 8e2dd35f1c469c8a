package governor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// beside runs the script beside an agent, and prints what was measured. It returns the
// phases, and the demands on the run as a whole.
func (t *trial) beside(ctx context.Context, half, cores int) (script []phase, demands []demand, err error) {
	if t.agent, err = agenttest.New(agenttest.Options{
		Binary: t.binary, Core: &devcore.Options{Version: "4.10.13"},
		Env: map[string]string{"CPU_TARGET": strconv.Itoa(t.target), "SETTLE_TIME": "1s", "SCAN_INTERVAL": "1s"},
	}); err != nil {
		return nil, nil, err
	}
	defer func() {
		err = errors.Join(err, t.agent.Close())
		t.agent, t.meter.agent = nil, 0
	}()
	if err := plant(t.agent, t.recording); err != nil {
		return nil, nil, err
	}
	if err := t.agent.Start(); err != nil {
		return nil, nil, err
	}
	if err := t.agent.Until(ctx, "a task begins", func() bool { return len(t.working(ctx)) > 0 }); err != nil {
		return nil, nil, err
	}
	t.meter.points = nil
	t.meter.agent = t.agent.PID()
	t.meter.read() // from now on, the agent's CPU time is counted

	script = []phase{
		{name: "no competitors", length: t.phase, settle: 10 * time.Second},
		{name: fmt.Sprintf("%d competing", half), competitors: half, length: t.phase, settle: 5 * time.Second},
		{name: fmt.Sprintf("%d competing", cores), competitors: cores, length: t.phase, settle: 5 * time.Second},
		{name: "competitors have left", length: t.phase, settle: 10 * time.Second},
	}
	began := time.Now()
	for i := range script {
		script[i], err = t.play(ctx, script[i])
		if err != nil {
			return nil, nil, err
		}
		if script[i].competitors == cores {
			t.held = t.working(ctx)
		}
	}
	for _, n := range slices.Compact([]int{half, cores}) {
		d, err := t.inTurns(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		demands = append(demands, d...)
	}
	table(os.Stdout, script, cores)
	plot(os.Stdout, t.meter.points, t.target, cores)
	silence := t.agent.Core.Silence(began)
	demands = append(demands, demand{what: "core got heartbeats all the time", held: silence < 35*time.Second,
		how: fmt.Sprintf("at most %s between two heartbeats; one is due every 30 s", silence.Round(time.Second))})
	how := fmt.Sprintf("%d tasks", len(t.held))
	unended := t.endHeld(ctx)
	if unended != nil {
		how = unended.Error()
	}
	demands = append(demands, demand{
		what: "tasks in progress while competitors used all processors have ended at the first attempt", held: unended == nil, how: how,
		noisy: script[len(script)-1].all.others > noise, // others still used the host
	})
	return script, demands, nil
}

// play runs one phase with its competitors, and measures it.
func (t *trial) play(ctx context.Context, p phase) (phase, error) {
	rivals, err := startRivals(p.competitors)
	if err != nil {
		return p, err
	}
	defer rivals.stop()
	p.from = len(t.meter.points)
	began := time.Now()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for time.Since(began) < p.length {
		select {
		case <-ctx.Done():
			return p, context.Cause(ctx)
		case <-ticker.C:
			t.meter.sample(rivals.pids())
			status, took := t.agent.Health(ctx)
			p.slowest = max(p.slowest, took)
			if status != http.StatusOK {
				p.silent++
			}
		}
	}
	settled := p.from
	for settled < len(t.meter.points) && t.meter.points[settled].at.Sub(began) < p.settle {
		settled++
	}
	p.all, p.settled = mean(t.meter.points[p.from:]), mean(t.meter.points[settled:])
	return p, nil
}
