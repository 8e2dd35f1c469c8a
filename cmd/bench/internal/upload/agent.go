package upload

import (
	"context"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// prepare creates the agent. If a large recording is uploaded, the agent's work hours
// ended an hour ago, so it converts nothing for 22 hours.
func (t *trial) prepare() (*agenttest.Agent, error) {
	env := map[string]string{"CPU_TARGET": strconv.Itoa(t.target)}
	if t.large > 0 {
		now := time.Now()
		env["WORK_HOURS_OTHERWISE"] = "pause"
		env["WORK_HOURS"] = now.Add(-2*time.Hour).Format("15:04") + "-" + now.Add(-time.Hour).Format("15:04")
	}
	return agenttest.New(agenttest.Options{Binary: t.binary, Core: &devcore.Options{Version: "4.10.13"}, Env: env})
}

// session makes a finished session known to core.
func (t *trial) session(id string) {
	start, _ := time.Parse(time.DateOnly, day)
	t.agent.Core.AddSession(devcore.Session{
		ID: id, User: "Bench(bench)", Asset: "bench", Account: "bench(bench)", Protocol: "rdp", TerminalType: "lion",
		Start: start.Add(9 * time.Hour), End: start.Add(10 * time.Hour), Finished: true,
	})
}

// waitServed waits until core serves an MP4 of each session, or until ctx ends.
func (t *trial) waitServed(ctx context.Context, ids []string) {
	for _, id := range ids {
		for ctx.Err() == nil {
			if replay, err := t.agent.Core.Served(ctx, id); err == nil && replay.Type == "mp4" {
				break
			}
			_ = agenttest.Pause(ctx, time.Second)
		}
	}
}
