package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

func (a *app) retryCommand(asJSON *bool) *cobra.Command {
	var filter taskFilter
	var dryRun, accept bool
	retry := &cobra.Command{
		Use: "retry [SESSION... | --reason CLASS | FILTERS]", Short: "Retry tasks now", Args: usageArgs(cobra.ArbitraryArgs), ValidArgsFunction: a.completeSessions,
		Long: `Retry tasks now: the given ones, or all that the filters select.

  jumpserver-video tasks retry 0b9d5f1e
  jumpserver-video tasks retry --reason encoder --dry-run    only print which
  jumpserver-video tasks retry --reason encoder
  jumpserver-video tasks retry --state failed --user ivanov
  jumpserver-video tasks retry --accept-incomplete 0b9d5f1e
  jumpserver-video tasks retry --accept-incomplete --reason incomplete

Filters select from the tasks that failed or wait. Skipped tasks are included
only if --reason or --state select them. Done tasks are never selected: to retry
one, give its id.

With --accept-incomplete, recordings that are cut, damaged or lack parts are
converted as they are. Their originals are kept permanently.`,
		RunE: func(c *cobra.Command, args []string) error {
			accepted := ""
			if accept {
				accepted = taskapi.Incomplete
			}
			if err := filter.read(); err != nil {
				return usage(err)
			}
			if (len(args) == 0) != filter.given() {
				return usage(errors.New("give ids of sessions, or --reason, or other filters"))
			}
			return a.retryTasks(c.Context(), args, filter, accepted, *asJSON, dryRun)
		},
	}
	filter.addTo(retry, a, "all")
	retry.Flags().BoolVar(&accept, "accept-incomplete", false, "convert incomplete recordings as they are")
	retry.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "only print which tasks would be retried")
	return retry
}

func (a *app) nextCommand(asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use: "next SESSION...", Short: "Convert tasks before all others", Args: usageArgs(cobra.MinimumNArgs(1)), ValidArgsFunction: a.completeSessions,
		Long: `Convert tasks before all others, as soon as a worker is free.

  jumpserver-video tasks next 0b9d5f1e

Tasks that failed, wait or were skipped are retried.`,
		RunE: func(c *cobra.Command, args []string) error { return a.firstTasks(c.Context(), args, *asJSON) },
	}
}

// retried is the output of --json for a retry.
type retried struct {
	Retried  int      `json:"retried"`
	Sessions []string `json:"sessions,omitempty"` // if they were given, and in a dry run
	DryRun   bool     `json:"dry_run,omitempty"`
}

func (a *app) retryTasks(ctx context.Context, ids []string, filter taskFilter, accept string, asJSON, dryRun bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	result := retried{DryRun: dryRun}
	switch {
	case dryRun:
		if result.Sessions, err = wouldRetry(ctx, agent, ids, filter); err != nil {
			return err
		}
		result.Retried = len(result.Sessions)
	case filter.given():
		if result.Retried, err = agent.RetryAll(ctx, filter.Filter, accept); err != nil {
			return err
		}
	default:
		result.Sessions, err = eachTask(ctx, agent, ids, func(id string) error { return agent.Retry(ctx, id, accept) })
		if err != nil {
			return err
		}
		result.Retried = len(result.Sessions)
	}
	if asJSON {
		return a.printJSON(result)
	}
	text := "cli.is_retried"
	if dryRun {
		text = "cli.would_retry"
	}
	a.printEach(text, result.Sessions)
	switch {
	case result.Retried == 0:
		fmt.Fprintln(a.err, a.lang.T("cli.no_reason", "reasons", cmp.Or(strings.Join(a.reasons(ctx), ", "), a.lang.T("cli.none"))))
	case filter.given() && !dryRun:
		fmt.Fprintln(a.out, a.lang.T("cli.retried", "n", result.Retried))
	}
	return nil
}

// printEach prints one line for each session.
func (a *app) printEach(text string, sessions []string) {
	for _, id := range sessions {
		fmt.Fprintln(a.out, a.lang.T(text, "session", terminal.Line(id)))
	}
}

// firstTasks makes tasks the next ones, in the order in which they are given.
func (a *app) firstTasks(ctx context.Context, ids []string, asJSON bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	sessions, err := eachTask(ctx, agent, ids, func(id string) error { return agent.First(ctx, id) })
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(retried{Retried: len(sessions), Sessions: sessions})
	}
	a.printEach("cli.is_next", sessions)
	return nil
}

// eachTask calls do for each given task until it fails, and returns the tasks' ids. named
// are ids or beginnings of ids.
func eachTask(ctx context.Context, agent *taskapi.Client, named []string, do func(id string) error) (ids []string, err error) {
	for _, name := range named {
		v, err := agent.Task(ctx, name)
		if err == nil {
			err = do(v.ID)
		}
		if err != nil {
			return ids, fmt.Errorf("%s: %w", name, err)
		}
		ids = append(ids, v.ID)
	}
	return ids, nil
}

// wouldRetry returns the tasks that would be retried.
func wouldRetry(ctx context.Context, agent *taskapi.Client, ids []string, filter taskFilter) (found []string, err error) {
	if !filter.given() {
		return eachTask(ctx, agent, ids, func(string) error { return nil })
	}
	all, err := agent.All(ctx, filter.Filter)
	for _, v := range all {
		if filter.Retries(v.State, v.Owner != "") {
			found = append(found, v.ID)
		}
	}
	return found, err
}
