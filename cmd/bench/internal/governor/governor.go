// Package governor checks that the agent leaves the processors to other processes. It
// runs a real agent against a development core, and starts and stops competing
// processes beside it. From outside, it measures the CPU time that each of them gets.
//
// To measure how much the agent slows competitors down, it is paused and resumed in
// turns of some seconds. On a host that shares its processors with other guests, the
// speed changes over time. So a baseline that was measured minutes before is not valid.
//
// A run needs five minutes on a machine that does nothing else. The CPU time of other
// processes is measured, shown and taken into account.
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
	held  []string // sessions whose tasks were in progress while competitors used all processors
}

// Command returns the command `bench governor`.
func Command() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use:   "governor",
		Short: "Check that the agent leaves the processors to other processes",
		Long: `Check that the agent leaves the processors to other processes. Competing processes
are started and stopped beside a real agent that converts. The CPU time of each is
measured from outside. The command fails if a promise is not kept. It needs five
minutes on a machine that does nothing else.`,
		Example: `  make build && go run ./cmd/bench governor
  go run ./cmd/bench governor --target 50 --phase 30s`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&t.binary, "binary", "bin/jumpserver-video", "the agent's program")
	f.StringVar(&t.recording, "recording", "testdata/recordings/multipart/v4", "a replay folder with one recording in parts, which is repeated to make work")
	f.IntVar(&t.target, "target", 80, "CPU_TARGET, percent")
	f.DurationVar(&t.phase, "phase", 20*time.Second, "length of each phase")
	cmd.AddCommand(&cobra.Command{
		Use: competeCommand, Short: "Use one processor fully, as a competitor", Hidden: true, Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { compete() },
	})
	return cmd
}

// Errors of a run in which a demand was not met.
var (
	errBroken = errors.New("not all demands were met")
	errNoisy  = errors.New("other processes used too much CPU time to decide whether all demands are met; run it again on a quiet machine")
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
