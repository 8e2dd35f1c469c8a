package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/doctor"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that the agent needs, and say how to mend each problem",
		Long: `Check everything that the agent needs, and say how to mend each problem.

  sudo -u jumpserver-video jumpserver-video doctor     as the agent's user
  jumpserver-video doctor --json                       for scripts

It looks at settings, ffmpeg and its encoder, the data folder, the replay
volume, the way to core and its clock, the registration, the replay storage,
the agent on this host and why tasks of it failed or wait. It changes nothing
and does not register.

Exit codes: 0 no problem (there may be warnings), 1 a problem, 2 wrong usage
or setting.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.examine(c.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) examine(ctx context.Context, asJSON bool) error {
	cfg, err := a.agentConfig()
	if err != nil {
		return err
	}
	d := &doctor.Doctor{Config: cfg, UserAgent: userAgent()}
	found := d.Examine(ctx)
	if ctx.Err() != nil {
		return context.Canceled
	}
	if asJSON {
		if err := a.printJSON(found); err != nil {
			return err
		}
	} else {
		a.printFindings(found)
	}
	return verdict(found)
}

// verdict counts the findings that have been printed, when there is a problem
// among them.
func verdict(found []doctor.Finding) error {
	if doctor.Healthy(found) {
		return nil
	}
	count := map[doctor.Level]int{}
	for _, f := range found {
		count[f.Level]++
	}
	text := plural(count[doctor.Bad], "problem", "problems")
	if n := count[doctor.Warn]; n > 0 {
		text += ", " + plural(n, "warning", "warnings")
	}
	return errors.New(text)
}

func (a *app) printFindings(found []doctor.Finding) {
	colours := map[doctor.Level]string{doctor.OK: "\x1b[32m", doctor.Warn: "\x1b[33m", doctor.Bad: "\x1b[31m"}
	colour := logging.Colour(a.out)
	for _, f := range found {
		level := fmt.Sprintf("%-8s", f.Level)
		if colour {
			level = colours[f.Level] + level + "\x1b[0m"
		}
		fmt.Fprint(terminal.Raw(a.out), level)
		fmt.Fprintf(a.out, " %-14s %s\n", f.Check, terminal.Line(f.Detail))
		if f.Fix != "" {
			fmt.Fprintf(a.out, "%24sfix: %s\n", "", terminal.Line(f.Fix))
		}
	}
}
