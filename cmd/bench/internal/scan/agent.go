package scan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// prepare makes an agent that sees its volume through FUSE, beside a core with
// the narrowest rate limit.
func (t *trial) prepare() (err error) {
	if t.agent, err = agenttest.New(agenttest.Options{Binary: t.binary, Core: &devcore.Options{Version: "4.10.16"}}); err != nil {
		return err
	}
	point := filepath.Join(t.agent.Dir, "mounted")
	if err = os.Mkdir(point, 0o755); err == nil {
		t.volume, err = volumetest.MountCounted(t.agent.Replay(), point)
	}
	if err != nil {
		return errors.Join(err, t.agent.Close())
	}
	t.agent.Env["REPLAY_DIR"] = point
	return nil
}

// close stops the agent, takes the volume away, and removes everything: in this
// order, as the agent uses the volume, which is mounted in what is removed.
func (t *trial) close() error {
	err := t.agent.Stop()
	t.volume.Vanish()
	return errors.Join(err, t.agent.Close())
}

// start starts the agent and begins to measure it.
func (t *trial) start(ctx context.Context) (*meter, error) {
	if err := t.agent.Start(); err != nil {
		return nil, err
	}
	m := t.measure()
	err := t.agent.Until(ctx, "the volume is seen", func() bool {
		up, err := t.agent.Metric(ctx, "jumpserver_video_volume_up")
		return err == nil && up == 1
	})
	return m, err
}

// judged is how many recordings have come to an end.
func (t *trial) judged(ctx context.Context) int {
	n, _ := t.agent.Metric(ctx, "jumpserver_video_tasks", `state="skipped"`)
	return int(n)
}

// swept is when all days had last been looked at.
func (t *trial) swept(ctx context.Context) time.Time {
	seconds, _ := t.agent.Metric(ctx, "jumpserver_video_volume_last_scan_timestamp_seconds", `scan="all"`)
	return time.UnixMilli(int64(1000 * seconds))
}

// sweepWithin bounds the wait for a sweep of all days.
const sweepWithin = 30 * time.Minute

// until waits for what a sweep brings about.
func (t *trial) until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, sweepWithin)
	defer cancel()
	return t.agent.Until(ctx, what, ok)
}

// requests counts what core was asked, and what it refused for being too much.
func (t *trial) requests() string {
	counts := map[string]int{}
	for _, r := range t.agent.Core.Requests() {
		what := r.Method + " " + r.Path
		if i := strings.Index(what, "/sessions/"); i >= 0 && len(what) > i+len("/sessions/") {
			what = what[:i] + "/sessions/ID" + what[i+len("/sessions/")+36:]
		}
		counts[what]++
		if r.Status == http.StatusTooManyRequests {
			counts["429"]++
		}
	}
	var all []string
	for what, n := range counts {
		all = append(all, fmt.Sprintf("%d × %s", n, what))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
