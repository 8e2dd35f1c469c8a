// Package scan lets the real agent look after a large replay volume on which
// there is little to do, and measures what that costs: the first sweep, the
// steady state, a restart, and a restart in the middle of a sweep. The volume
// is seen through FUSE, where every call is counted.
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
	most                   float64 // percent of one processor

	agent  *agenttest.Agent
	volume *volumetest.Volume
}

// Command is `bench scan`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "What it costs to look after a large volume",
		Long: `What it costs to look after a large volume on which there is little to do: a
real agent's first look at all days, cut in half by a restart, the steady state,
and another restart. It fails when the steady state costs more than it may.
As it is by default it takes ten minutes. It needs FUSE.`,
		Example: `  make build && go run ./cmd/bench scan
  go run ./cmd/bench scan --files 20000 --days 40 --steady 20s`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.IntVar(&t.files, "files", 200_000, "files on the volume")
	f.IntVar(&t.days, "days", 400, "days that they lie on")
	f.IntVar(&t.originals, "originals", 20, "one file of so many is a recording that is to be looked at and left alone")
	f.DurationVar(&t.steady, "steady", 2*time.Minute, "how long the steady state is measured")
	f.Float64Var(&t.most, "most", 1, "percent of one processor that the steady state may take")
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
	fmt.Printf("%d files over %d days, %d of them recordings of terminals that are to be left alone\n\n", t.files, t.days, originals)
	// Folders that have changed just now are read again.
	if err := agenttest.Pause(ctx, time.Minute); err != nil {
		return err
	}
	fmt.Printf("%-32s %8s %8s %8s %9s %9s %9s %9s\n", "", "wall s", "CPU s", "CPU %", "RSS MB", "folders", "look-ups", "reads")

	began := time.Now()
	// A first sweep, cut in half by a restart.
	m, err := t.start(ctx)
	if err != nil {
		return err
	}
	half := func() bool { return t.judged(ctx) >= originals/2 }
	if err := t.until(ctx, "half of the recordings are judged", half); err != nil {
		return err
	}
	m.print("first half of the first sweep")
	first := m.volume
	if err := t.agent.Stop(); err != nil {
		return err
	}
	if m, err = t.start(ctx); err != nil {
		return err
	}
	if err := t.until(ctx, "all days are looked at", func() bool { return t.swept(ctx).After(began) && t.judged(ctx) >= originals }); err != nil {
		return err
	}
	m.print("the rest, after a restart")
	if again := m.volume["list"]; again > 2*t.days+t.days/2 {
		return fmt.Errorf("the sweep did not go on where it was: %d folders, after %d", again, first["list"])
	}

	before := t.steadily(ctx, "steady state")
	if err := t.agent.Stop(); err != nil {
		return err
	}
	again := time.Now()
	if m, err = t.start(ctx); err != nil {
		return err
	}
	if err := t.until(ctx, "all days are looked at", func() bool { return t.swept(ctx).After(again) }); err != nil {
		return err
	}
	m.print("restart, with a sweep")
	after := t.steadily(ctx, "steady state after it")
	fmt.Printf("\nrequests to core: %s\n", t.requests())
	return errors.Join(before, after)
}

// steadily measures the steady state, and judges it.
func (t *trial) steadily(ctx context.Context, what string) error {
	if err := agenttest.Pause(ctx, 10*time.Second); err != nil { // the last ones settle
		return err
	}
	m := t.measure()
	if err := agenttest.Pause(ctx, t.steady); err != nil {
		return err
	}
	percent := m.print(what)
	var errs []error
	if percent > t.most {
		errs = append(errs, fmt.Errorf("%s: %.2f %% of a processor, more than %.2f %%", what, percent, t.most))
	}
	if m.old > 0 {
		errs = append(errs, fmt.Errorf("%s: %d calls in old days", what, m.old))
	}
	// From outside each is looked at once in ten polls.
	if most := t.days * (1 + int(t.steady/(5*time.Minute))); m.looks > most {
		errs = append(errs, fmt.Errorf("%s: %d look-ups of old days, more than %d", what, m.looks, most))
	}
	return errors.Join(errs...)
}
