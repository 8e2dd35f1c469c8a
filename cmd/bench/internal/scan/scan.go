// Package scan lets a real agent monitor a large replay volume on which there is little
// to do. It measures the cost of the first full scan with a restart in its middle, of
// the steady state, and of a restart. The agent sees the volume through FUSE, where
// each call is counted.
package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// trial is one run of the benchmark: its options, and what it works with.
type trial struct {
	binary                 string
	files, days, originals int
	steady                 time.Duration
	most                   float64 // highest permitted use of one processor in the steady state, percent

	agent  *agenttest.Agent
	volume *volumetest.Volume
}

// Command returns the command `bench scan`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Measure the cost of monitoring a large volume",
		Long: `Measure the cost of monitoring a large volume on which there is little to do. A
real agent makes its first full scan, with a restart in the middle. Then the steady
state, another restart, and the steady state after it are measured. The command
fails if the steady state costs more than --most. With the default options, it takes
ten minutes. It needs FUSE.`,
		Example: `  make build && go run ./cmd/bench scan
  go run ./cmd/bench scan --files 20000 --days 40 --steady 20s`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.IntVar(&t.files, "files", 200_000, "files on the volume")
	f.IntVar(&t.days, "days", 400, "days to which these files belong")
	f.IntVar(&t.originals, "originals", 20, "one of this many files is an old recording of a terminal, which must be checked but not converted")
	f.DurationVar(&t.steady, "steady", 2*time.Minute, "how long to measure the steady state")
	f.Float64Var(&t.most, "most", 1, "highest permitted CPU use in the steady state, in percent of one processor")
	return cmd
}

func (t *trial) run(ctx context.Context) (err error) {
	if err := t.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	originals, err := t.fill()
	if err != nil {
		return err
	}
	fmt.Printf("%d files on %d days; %d are old recordings of terminals, which must not be converted\n\n", t.files, t.days, originals)
	// The agent reads recently changed folders again. This wait avoids that.
	if err := agenttest.Pause(ctx, time.Minute); err != nil {
		return err
	}
	fmt.Printf("%-32s %8s %8s %8s %9s %9s %9s %9s\n", "", "wall s", "CPU s", "CPU %", "RSS MB", "folders", "look-ups", "reads")

	began := time.Now()
	// The first full scan, with a restart in its middle.
	m, err := t.start(ctx)
	if err != nil {
		return err
	}
	half := func() bool { return t.judged(ctx) >= originals/2 }
	if err := t.until(ctx, "half of the old recordings are skipped", half); err != nil {
		return err
	}
	m.print("first full scan, first half")
	first := m.volume
	if err := t.agent.Stop(); err != nil {
		return err
	}
	if m, err = t.start(ctx); err != nil {
		return err
	}
	if err := t.until(ctx, "the full scan is complete", func() bool { return t.swept(ctx).After(began) && t.judged(ctx) >= originals }); err != nil {
		return err
	}
	m.print("restart, and the second half")
	if again := m.volume["list"]; again > 2*t.days+t.days/2 {
		return fmt.Errorf("the full scan did not continue where it had stopped: it read %d folders, after %d before the restart", again, first["list"])
	}

	before := t.steadily(ctx, "steady state")
	if err := t.agent.Stop(); err != nil {
		return err
	}
	again := time.Now()
	if m, err = t.start(ctx); err != nil {
		return err
	}
	if err := t.until(ctx, "the full scan is complete", func() bool { return t.swept(ctx).After(again) }); err != nil {
		return err
	}
	m.print("restart, with a full scan")
	after := t.steadily(ctx, "steady state after the restart")
	fmt.Printf("\nrequests to core: %s\n", t.requests())
	return errors.Join(before, after)
}

// steadily measures the steady state, and returns an error if it costs too much.
func (t *trial) steadily(ctx context.Context, what string) error {
	if err := agenttest.Pause(ctx, 10*time.Second); err != nil { // until the last recordings are done
		return err
	}
	m := t.measure()
	if err := agenttest.Pause(ctx, t.steady); err != nil {
		return err
	}
	percent := m.print(what)
	var errs []error
	if percent > t.most {
		errs = append(errs, fmt.Errorf("%s: %.2f %% of one processor, more than %.2f %%", what, percent, t.most))
	}
	if m.old > 0 {
		errs = append(errs, fmt.Errorf("%s: %d calls in folders of old days, which must not be read", what, m.old))
	}
	// Each old folder is looked up once in ten polls (five minutes), without reading it.
	if most := t.days * (1 + int(t.steady/(5*time.Minute))); m.looks > most {
		errs = append(errs, fmt.Errorf("%s: %d look-ups of old days, more than %d", what, m.looks, most))
	}
	return errors.Join(errs...)
}
