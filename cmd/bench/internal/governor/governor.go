// Package governor plays a script on this machine's processors and judges
// whether the agent is polite: it runs the real agent against a development
// core, lets competitors come and go beside it, and measures from outside
// what each of them gets.
//
// It wants the machine for itself for two and a half minutes. What others use is
// measured, shown and taken into account, but disturbs the comparison of the
// competitors' speeds.
package governor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// trial is one run of the script.
type trial struct {
	binary, recording string
	target            int // CPU_TARGET, percent
	phase             time.Duration

	meter *meter
	agent *agenttest.Agent // nil while the competitors are alone
	held  []string         // sessions whose tasks were in progress when the host was full
}

// Command is `bench governor`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "governor",
		Short: "Whether the agent leaves the processors to others",
		Long: `Whether the agent leaves the processors to others. Competitors come and go
beside a real agent that converts, and what each of them gets is measured from
outside. It fails when a promise is not kept, and needs two and a half minutes
on a machine that does nothing else.`,
		Example: `  make build && go run ./cmd/bench governor
  go run ./cmd/bench governor --target 50 --phase 30s`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.StringVar(&t.recording, "recording", "testdata/recordings/multipart/v4", "a replay folder with one recording in parts; work is made of it")
	f.IntVar(&t.target, "target", 80, "CPU_TARGET, percent")
	f.DurationVar(&t.phase, "phase", 20*time.Second, "length of a phase")
	cmd.AddCommand(&cobra.Command{
		Use: competeCommand, Short: "Use one processor fully, as a competitor", Hidden: true, Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { compete() },
	})
	return cmd
}

// How a run ends in which a demand was not met.
var (
	errBroken = errors.New("not all demands were met")
	errNoisy  = errors.New("others used the machine too much to tell whether all demands are met; run it again on a quiet one")
)

func (t *trial) run(ctx context.Context) error {
	cores := runtime.NumCPU()
	half := max(1, cores/2)

	// How fast the competitors are without us, before and after: machines that
	// share a processor with others are faster at one time than at another.
	fmt.Printf("%d processors, target %d %%; competitors of %d and %d processors alone, first and last\n", cores, t.target, half, cores)
	t.meter = newMeter()
	before, err := t.alone(ctx, half, cores)
	if err != nil {
		return err
	}
	script, demands, err := t.beside(ctx, half, cores)
	if err != nil {
		return err
	}
	after, err := t.alone(ctx, half, cores)
	if err != nil {
		return err
	}
	for _, p := range script {
		demands = append(demands, t.judge(p, between(before[p.competitors], after[p.competitors]))...)
	}
	return report(os.Stdout, demands)
}
