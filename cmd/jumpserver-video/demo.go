//go:build !nodemo

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// demo demonstrates the whole product: a development core, a replay volume seeded with
// recordings, and a real agent process.
type demo struct {
	app        *app
	recordings string
	dir        string
	version    string
	timeout    time.Duration

	core  *devcore.Server
	seeds []seed
}

// demoCommands returns the command demo, which builds with the tag nodemo exclude.
func (a *app) demoCommands() []*cobra.Command {
	d := &demo{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Demonstrate the product with bundled recordings and a built-in development core",
		Long: `Demonstrate the product with bundled recordings and a built-in development core.

It puts recordings of several kinds on a replay volume, starts the agent, and
shows the results. It changes nothing outside the demo's folder.

  jumpserver-video demo                     in the folder of the project
  jumpserver-video demo --core 3.10.9       with JumpServer 3.10.9
  jumpserver-video demo --dir /tmp/demo     MP4s, originals and log are kept there`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&d.recordings, "recordings", "testdata/recordings", "the bundled recordings")
	f.StringVar(&d.dir, "dir", "demo-out", "folder of the demo; files of an earlier demo are removed")
	f.StringVar(&d.version, "core", "4.10.13", "version of JumpServer to imitate")
	f.DurationVar(&d.timeout, "timeout", 5*time.Minute, "give up after this time")
	return []*cobra.Command{cmd}
}

func (d *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	var err error
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	if err := d.clear(); err != nil {
		return err
	}
	if d.core, err = devcore.Start(devcore.Options{Version: d.version, MediaDir: d.media(), BootstrapToken: "demo"}); err != nil {
		return err
	}
	defer func() { _ = d.core.Close() }()
	if d.seeds, err = plant(d.recordings, filepath.Join(d.media(), "replay"), d.core); err != nil {
		return err
	}
	fmt.Fprintf(d.app.out, "JumpServer %s (development core) at %s with %d sessions on its replay volume\n", d.version, d.core.URL, len(d.seeds))

	agent, stop, err := d.startAgent(ctx)
	if err != nil {
		return err
	}
	defer stop()
	start := time.Now()
	views, err := d.watch(ctx, agent)
	if err != nil {
		return fmt.Errorf("%w; the agent's log is %s", err, d.logFile())
	}
	stop()
	return d.result(ctx, views, time.Since(start))
}

func (d *demo) media() string   { return filepath.Join(d.dir, "media") }
func (d *demo) logFile() string { return filepath.Join(d.dir, "agent.log") }

// marker is a file in the demo's folder, so that no other folder is emptied.
const marker = ".jumpserver-video-demo"

func (d *demo) clear() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(d.dir, marker)); err != nil {
			return usage(fmt.Errorf("%s is not empty, and not the folder of a demo; name another folder with --dir", d.dir))
		}
		if err := os.RemoveAll(d.dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(d.media(), "replay"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, marker), nil, 0o644)
}

// startAgent runs this program as an agent, like a service.
func (d *demo) startAgent(ctx context.Context) (*taskapi.Client, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	at, err := loopback.Reserve(1)
	if err != nil {
		return nil, nil, err
	}
	log, err := os.Create(d.logFile())
	if err != nil {
		return nil, nil, errors.Join(err, at.Close())
	}
	cmd := exec.CommandContext(ctx, self, "agent")
	cmd.Env = append(withoutSettings(os.Environ()),
		"NAME=demo", "CPU_TARGET=100", "CORE_HOST="+d.core.URL, "BOOTSTRAP_TOKEN=demo", "BIND_HOST="+at.Host, "HTTPD_PORT="+strconv.Itoa(at.Ports[0]),
		"REPLAY_DIR="+filepath.Join(d.media(), "replay"), "DATA_DIR="+filepath.Join(d.dir, "data"),
		"SETTLE_TIME=2s", "SCAN_INTERVAL=1s", "LOG_LEVEL=DEBUG", "NO_COLOR=1")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, nil, errors.Join(fmt.Errorf("start the agent: %w", err), at.Close())
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		log.Close()
		_ = at.Close() // the demo ends anyway
	}
	return taskapi.Local(at.Host, at.Ports[0], "", ""), stop, nil
}

// watch shows the tasks' progress until all have ended that can end.
func (d *demo) watch(ctx context.Context, agent *taskapi.Client) (map[string]task.View, error) {
	screen := newScreen(terminal.Raw(d.app.out), logging.Terminal(d.app.out))
	defer screen.close()
	for {
		list, err := agent.Tasks(ctx)
		views := map[string]task.View{}
		for _, v := range list {
			views[v.ID] = v
		}
		if err == nil {
			screen.show(d.seeds, views)
			if d.settled(views) {
				return views, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the demo did not finish in time: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// settled reports whether every session that should become a task has ended.
func (d *demo) settled(views map[string]task.View) bool {
	for _, s := range d.seeds {
		if s.foreign {
			continue
		}
		switch views[s.id].State {
		case queue.StateDone, queue.StateFailed, queue.StateSkipped:
		default:
			return false
		}
	}
	return true
}
