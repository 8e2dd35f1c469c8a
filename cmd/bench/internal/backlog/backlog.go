// Package backlog gives a real agent many short recordings at once, as it finds
// them on its first day on a replay volume. It measures how many it converts a
// minute, and what each costs, by what the processor was used for.
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

	agent  *agenttest.Agent   // the first, whose core it is
	others []*agenttest.Agent // on the same volume, with the same queue
	nats   *server.Server     // of that queue; nil for one agent
}

// Command is `bench backlog`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "backlog",
		Short: "Many short recordings on a volume, and what each costs",
		Long: `Many short recordings that lie on a volume when a real agent begins: how many it
converts a minute, and the processor time of each, by what it was used for. The
development core runs in this program, so that its time does not count. The agent
is not held back: CPU_TARGET is 100. With --agents, several share one queue, whose
server runs in this program as well.`,
		Example: `  make build && go run ./cmd/bench backlog
  go run ./cmd/bench backlog --sessions 1000 --ffmpeg /usr/lib/jumpserver-video
  go run ./cmd/bench backlog --agents 2 --workers 1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.StringVar(&t.recording, "recording", "testdata/recordings/tiny/v3/*/*.replay.gz", "the recording that all sessions have; a pattern's first file")
	f.IntVar(&t.sessions, "sessions", 300, "sessions that wait")
	f.IntVar(&t.workers, "workers", 0, "VIDEO_WORKER_COUNT; 0 = the agent's default")
	f.IntVar(&t.agents, "agents", 1, "agents that share one queue")
	f.StringVar(&t.ffmpeg, "ffmpeg", "", "a folder with another ffmpeg, which is looked at first")
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
	// What the agent does once is none of a task's: it counts from the first one
	// that is done to the last.
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
	for _, a := range t.all() { // which writes the profile of the first
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

// close ends what prepare has begun.
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

// prepare makes the agents, which are in no hurry with anything but their tasks.
func (t *trial) prepare() (err error) {
	env := map[string]string{"CPU_TARGET": "100", "SETTLE_TIME": "1s", "LOG_LEVEL": "WARNING"}
	if t.workers > 0 {
		env["VIDEO_WORKER_COUNT"] = strconv.Itoa(t.workers)
	}
	if t.ffmpeg != "" {
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

// fill lays the recordings on the volume and makes their sessions known to core.
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

// until waits until so many tasks are done. One that has ended in another way is
// an error.
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

// failure says which task has failed, and why.
func (t *trial) failure(ctx context.Context) error {
	tasks, err := t.agent.Tasks(ctx)
	for id, v := range tasks {
		if v.State == queue.StateFailed {
			return fmt.Errorf("%s has failed: %s: %s", id, v.Reason, v.Error)
		}
	}
	return errors.Join(errors.New("a task has failed, and it is not known which"), err)
}
