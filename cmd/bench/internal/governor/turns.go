package governor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// In each run, the agent is paused and resumed alternately. The speed of competitors
// in a turn is measured from turnBegin on.
const (
	runs      = 5
	turns     = 4 // with the agent paused, and as many with the agent working, in a run
	turn      = 2500 * time.Millisecond
	turnBegin = 500 * time.Millisecond
	slowest   = 10 // how much slower competitors may be, in percent
)

// inTurns measures how much slower n competitors are while the agent works than while
// it is paused. The demand must be met in each run.
func (t *trial) inTurns(ctx context.Context, n int) ([]demand, error) {
	rivals, err := startRivals(n)
	if err != nil {
		return nil, err
	}
	defer rivals.stop()
	var slower []float64
	from := len(t.meter.points)
	for range runs {
		var speeds [2][]float64 // while the agent is paused, and while it works
		for range turns {
			for kind, paused := range []bool{true, false} {
				speed, err := t.turn(ctx, rivals, paused)
				if err != nil {
					return nil, err
				}
				speeds[kind] = append(speeds[kind], speed)
			}
		}
		slower = append(slower, 100*(1-median(speeds[1])/median(speeds[0])))
	}
	others := mean(t.meter.points[from:]).others
	t.meter.points = t.meter.points[:from] // the plot shows only the script
	return []demand{{
		what: fmt.Sprintf("%d competing: slowed down by at most %d %% in each of %d runs", n, slowest, runs),
		held: slices.Max(slower) <= slowest, how: fmt.Sprintf("%.1f %% slower", slower), noisy: others > noise,
	}}, nil
}

// turn pauses or resumes the agent for one turn, and returns the competitors' speed in
// units of work per second.
func (t *trial) turn(ctx context.Context, rivals *rivals, paused bool) (float64, error) {
	if _, err := t.agent.API.Pause(ctx, paused); err != nil {
		return 0, err
	}
	if err := agenttest.Pause(ctx, turnBegin); err != nil {
		return 0, err
	}
	t.meter.sample(rivals.pids())
	units, began := rivals.units(), time.Now()
	if err := agenttest.Pause(ctx, turn-turnBegin); err != nil {
		return 0, err
	}
	t.meter.sample(rivals.pids())
	return (rivals.units() - units) / time.Since(began).Seconds(), nil
}

// median returns the median of values, of which there must be at least one.
func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
