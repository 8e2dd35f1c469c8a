package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/steering"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// steerCommands return the commands that change what the agent does at run time.
func (a *app) steerCommands() []*cobra.Command {
	return []*cobra.Command{a.pauseCommand(true), a.pauseCommand(false), a.limitsCommand()}
}

func (a *app) pauseCommand(pause bool) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "pause", Short: "Stop converting until resume, even after restarts",
		Long: `Stop converting until "jumpserver-video resume", even after restarts.

  jumpserver-video pause

Recordings in progress stop where they are. Uploads are still accepted, and
recordings are still found. If several agents share one queue, only the agent on
this host pauses.`,
		Args: usageArgs(cobra.NoArgs),
	}
	if !pause {
		c.Use, c.Short = "resume", "Continue after pause"
		c.Long = `Continue after "jumpserver-video pause", from where the agent stopped.

  jumpserver-video resume`
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.steer(asJSON, func(agent *taskapi.Client) (steering.Status, error) { return agent.Pause(c.Context(), pause) })
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) limitsCommand() *cobra.Command {
	var asJSON bool
	var target, workers string
	c := &cobra.Command{
		Use: "limits", Short: "Show or change at run time how much of the host the agent may use",
		Long: `Show how much of the host the agent may use, and change it at run time.

  jumpserver-video limits                                the current limits
  jumpserver-video limits --cpu-target 40 --workers 1    lower limits, until they are changed again
  jumpserver-video limits --cpu-target default --workers default

Changes take effect at once, and are kept over restarts. "default" restores
CPU_TARGET and VIDEO_WORKER_COUNT of the configuration.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			percent, err := numberOf("cpu-target", target, 100)
			if err != nil {
				return usage(err)
			}
			count, err := numberOf("workers", workers, 0)
			if err != nil {
				return usage(err)
			}
			return a.steer(asJSON, func(agent *taskapi.Client) (steering.Status, error) {
				if percent == nil && count == nil {
					return agent.Steering(c.Context())
				}
				return agent.Limit(c.Context(), percent, count)
			})
		},
	}
	c.Flags().StringVar(&target, "cpu-target", "", "percentage of the host's CPU that all processes together may use, 1 to 100, or default")
	c.Flags().StringVar(&workers, "workers", "", "recordings that are converted at once, or default")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	words := func(context.Context) []string { return []string{"default"} }
	complete(c, "cpu-target", words)
	complete(c, "workers", words)
	return c
}

// numberOf parses a flag: a number from 1 to most (0 = no limit), or default, which
// returns 0. It returns nil if the flag is not set.
func numberOf(flag, text string, most int) (*int, error) {
	if text == "" {
		return nil, nil
	}
	if text == "default" {
		return new(int), nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1:
		return nil, fmt.Errorf("--%s %q: must be a number from 1, or default", flag, text)
	case most > 0 && n > most:
		return nil, fmt.Errorf("--%s %d: must be from 1 to %d, or default", flag, n, most)
	}
	return &n, nil
}

// steer sends a request to the agent, and prints the settings after it.
func (a *app) steer(asJSON bool, ask func(*taskapi.Client) (steering.Status, error)) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	status, err := ask(agent)
	var p *taskapi.Problem
	if errors.As(err, &p) && p.Code == taskapi.CodeRange {
		return usage(err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(status)
	}
	text := a.lang.T("cli.running")
	if p := status.Paused; p != nil {
		text = a.lang.T("cli.paused", "since", p.Since.Local().Format(time.DateTime), "by", terminal.Line(p.By))
	}
	fmt.Fprintln(a.out, text)
	percent := func(n int) string { return a.lang.T("cli.limit_cpu", "percent", a.lang.Percent(float64(n))) }
	count := func(n int) string { return a.lang.T("cli.limit_workers", "n", n) }
	fmt.Fprintln(a.out, a.limit(percent, a.lang.Percent(float64(status.ConfiguredCPUTarget)), status.CPUTarget, status.ConfiguredCPUTarget))
	fmt.Fprintln(a.out, a.limit(count, strconv.Itoa(status.ConfiguredWorkers), status.Workers, status.ConfiguredWorkers))
	return nil
}

// limit returns the text of a limit, and the configured value if that does not apply.
func (a *app) limit(say func(int) string, configuredText string, set, configured int) string {
	if set == 0 {
		return say(configured)
	}
	return a.lang.T("cli.limit_instead", "limit", say(set), "configured", configuredText)
}
