// Package backlog gives a real agent many short recordings at once, as on its first day
// on a replay volume. It measures how many the agent converts per minute, and the CPU
// time that each needs, by purpose.
package backlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
)

// trial is one run of the benchmark: its options, and what it works with.
type trial struct {
	binary, recording string
	sessions, workers int
	agents            int
	ffmpeg            string

	agent  *agenttest.Agent   // the first; all use its core
	others []*agenttest.Agent // on the same volume, with the same queue
	nats   *server.Server     // the server of that queue; nil for one agent
}

// Command returns the command `bench backlog`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "backlog",
		Short: "Measure the conversion of many short recordings on a volume",
		Long: `Measure the conversion of many short recordings that are on a volume when a real
agent starts. The command prints how many the agent converts per minute, and the
CPU time of each, by purpose. The development core runs in this program, so its CPU
time is not included. CPU_TARGET is 100, so the agent is not slowed down. With
--agents, several agents share one queue, whose server also runs in this program.`,
		Example: `  make build && go run ./cmd/bench backlog
  go run ./cmd/bench backlog --sessions 1000 --ffmpeg /usr/lib/jumpserver-video
  go run ./cmd/bench backlog --agents 2 --workers 1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.StringVar(&t.recording, "recording", "testdata/recordings/tiny/v3/*/*.replay.gz", "the recording of all sessions; the first file that matches the pattern")
	f.IntVar(&t.sessions, "sessions", 300, "sessions that wait for conversion")
	f.IntVar(&t.workers, "workers", 0, "VIDEO_WORKER_COUNT; 0 = the agent's default")
	f.IntVar(&t.agents, "agents", 1, "agents that share one queue")
	f.StringVar(&t.ffmpeg, "ffmpeg", "", "a folder with another ffmpeg, which is put first in PATH")
	return cmd
}

const day = "2026-11-22"

func (t *trial) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.prepare(); err != nil {
		return err
	}
	if err := t.fill(); err != nil {
		return err
	}
	for _, a := range t.all() {
		if err := a.Start(); err != nil {
			return err
		}
	}
	for _, a := range t.all() {
		if err := a.WaitHealthy(ctx); err != nil {
			return err
		}
	}
	whole, stop := context.WithTimeout(ctx, time.Hour)
	defer stop()
	// What the agent does only once is not part of the cost of a task. So the
	// measurement begins when the first task is done, and ends with the last.
	if err := t.until(whole, 1); err != nil {
		return err
	}
	first, err := t.measure(whole)
	if err != nil {
		return err
	}
	if err := t.until(whole, t.sessions); err != nil {
		return err
	}
	last, err := t.measure(whole)
	if err != nil {
		return err
	}
	for _, a := range t.all() { // the first one then writes its CPU profile
		if err := a.Stop(); err != nil {
			return err
		}
	}
	parts, err := profiled(t.profile())
	if err != nil {
		return err
	}
	report(first, last, parts)
	t.reportCore(first, last)
	return nil
}

// all returns the agents.
func (t *trial) all() []*agenttest.Agent { return append([]*agenttest.Agent{t.agent}, t.others...) }

// close stops what prepare has started.
func (t *trial) close() error {
	var errs []error
	for _, a := range t.others {
		errs = append(errs, a.Close())
	}
	if t.agent != nil {
		errs = append(errs, t.agent.Close())
	}
	if t.nats != nil {
		t.nats.Shutdown()
		t.nats.WaitForShutdown()
	}
	return errors.Join(errs...)
}

// prepare creates the agents and, for several agents, starts the server of their queue.
// The first agent writes a CPU profile.
func (t *trial) prepare() (err error) {
	env := map[string]string{"CPU_TARGET": "100", "SETTLE_TIME": "1s", "LOG_LEVEL": "WARNING"}
	if t.workers > 0 {
		env["VIDEO_WORKER_COUNT"] = strconv.Itoa(t.workers)
	}
	if t.ffmpeg != "" {
		if _, err := exec.LookPath(filepath.Join(t.ffmpeg, "ffmpeg")); err != nil { // another one would be measured
			return fmt.Errorf("--ffmpeg: %w", err)
		}
		env["PATH"] = t.ffmpeg + string(os.PathListSeparator) + os.Getenv("PATH")
	}
	t.agent, err = agenttest.New(agenttest.Options{Binary: t.binary, Core: &devcore.Options{Version: "4.10.13"}, Env: env})
	if err != nil {
		return err
	}
	if t.agents > 1 {
		if err := t.share(env); err != nil {
			return err
		}
	}
	t.agent.Prepare = func() *exec.Cmd { return t.agent.Command("agent", "--cpu-profile", t.profile()) }
	return nil
}

// fill writes the recordings to the volume, and makes their sessions known to core.
func (t *trial) fill() error {
	files, err := filepath.Glob(t.recording)
	if err != nil || len(files) == 0 {
		return fmt.Errorf("there is no recording at %s", t.recording)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	folder := filepath.Join(t.agent.Replay(), day)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	start, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	start = start.Add(9 * time.Hour)
	old := time.Now().Add(-time.Hour)
	for i := range t.sessions {
		id := fmt.Sprintf("bac10000-0000-4000-8000-%012d", i)
		t.agent.Core.AddSession(devcore.Session{
			ID: id, User: "Bench(bench)", Asset: "bench", Account: "bench(bench)", Protocol: "rdp", TerminalType: "lion",
			Start: start, End: start.Add(31 * time.Second), Finished: true,
		})
		file := filepath.Join(folder, id+".replay.gz")
		if err := errors.Join(os.WriteFile(file, data, 0o644), os.Chtimes(file, old, old)); err != nil {
			return err
		}
	}
	fmt.Printf("%d sessions of %s, %.1f MB each\n", t.sessions, filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(files[0])))), float64(len(data))/1e6)
	return nil
}

// until waits until a number of tasks is done. It returns an error if a task has
// failed.
func (t *trial) until(ctx context.Context, tasks int) error {
	var done, failed float64
	err := t.agent.Until(ctx, fmt.Sprintf("%d tasks are done", tasks), func() bool {
		done, _ = t.agent.Metric(ctx, "jumpserver_video_tasks", `state="done"`)
		failed, _ = t.agent.Metric(ctx, "jumpserver_video_tasks", `state="failed"`)
		return failed > 0 || int(done) >= tasks
	})
	if err == nil && failed > 0 {
		err = t.failure(ctx)
	}
	return err
}

// failure returns an error that names a failed task and the reason.
func (t *trial) failure(ctx context.Context) error {
	tasks, err := t.agent.Tasks(ctx)
	for id, v := range tasks {
		if v.State == queue.StateFailed {
			return fmt.Errorf("task %s has failed: %s: %s", id, v.Reason, v.Error)
		}
	}
	return errors.Join(errors.New("a task has failed, but no failed task is in the list of tasks"), err)
}
