// Package governor plays a script on this machine's processors and judges
// whether the agent is polite: it runs the real agent against a development
// core, lets competitors come and go beside it, and measures from outside
// what each of them gets.
//
// How much it slows competitors down is measured in turns of some seconds, in which
// it is paused and works: machines that share their processors with others are faster
// at one time than at another, so that a baseline of other minutes is none.
//
// It wants the machine for itself for five minutes. What others use is measured, shown
// and taken into account.
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
	agent *agenttest.Agent
	held  []string // sessions whose tasks were in progress when the host was full
}

// Command is `bench governor`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "governor",
		Short: "Whether the agent leaves the processors to others",
		Long: `Whether the agent leaves the processors to others. Competitors come and go
beside a real agent that converts, and what each of them gets is measured from
outside. It fails when a promise is not kept, and needs five minutes on a machine
that does nothing else.`,
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

	fmt.Printf("%d processors, target %d %%; competitors on %d and %d processors\n", cores, t.target, half, cores)
	t.meter = newMeter()
	script, demands, err := t.beside(ctx, half, cores)
	if err != nil {
		return err
	}
	for _, p := range script {
		demands = append(demands, t.judge(p)...)
	}
	return report(os.Stdout, demands)
}
