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

// prepare creates an agent that sees its volume through FUSE, and a core of a version
// with the lowest rate limit: 300 requests per minute.
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

// close stops the agent, unmounts the volume, and removes all files, in this order: the
// agent uses the volume, and the volume is mounted in the folder that is removed.
func (t *trial) close() error {
	err := t.agent.Stop()
	t.volume.Vanish()
	return errors.Join(err, t.agent.Close())
}

// start starts the agent, begins to measure it, and waits until it sees the volume.
func (t *trial) start(ctx context.Context) (*meter, error) {
	if err := t.agent.Start(); err != nil {
		return nil, err
	}
	m := t.measure()
	err := t.agent.Until(ctx, "the agent sees the volume", func() bool {
		up, err := t.agent.Metric(ctx, "jumpserver_video_volume_up")
		return err == nil && up == 1
	})
	return m, err
}

// judged returns the number of recordings that were skipped; 0 if the agent does not
// respond.
func (t *trial) judged(ctx context.Context) int {
	n, _ := t.agent.Metric(ctx, "jumpserver_video_tasks", `state="skipped"`)
	return int(n)
}

// swept returns the time of the last full scan.
func (t *trial) swept(ctx context.Context) time.Time {
	seconds, _ := t.agent.Metric(ctx, "jumpserver_video_volume_last_scan_timestamp_seconds", `scan="all"`)
	return time.UnixMilli(int64(1000 * seconds))
}

// sweepWithin limits the wait for a full scan.
const sweepWithin = 30 * time.Minute

// until waits for something that a full scan causes.
func (t *trial) until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, sweepWithin)
	defer cancel()
	return t.agent.Until(ctx, what, ok)
}

// requests returns a text with the number of requests to core by method and path, and
// of those that core refused because of its rate limit (429). Core logs only the latest
// 10,000 requests.
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
