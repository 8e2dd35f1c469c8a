package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"jumpserver-video/transcode"
	"jumpserver-video/transcode/queue"
	"jumpserver-video/transcode/taskapi"
)

func (a *app) tasksCommand() *cobra.Command {
	var asJSON bool
	var state string
	list := &cobra.Command{
		Use:   "tasks",
		Short: "What the agent on this host is doing, did, and failed to do and why",
		Long: `What the agent on this host is doing, did, and failed to do and why.

  jumpserver-video tasks                         all tasks, the last change first
  jumpserver-video tasks --state failed          only those in one state
  jumpserver-video tasks show SESSION            one task with its log
  jumpserver-video tasks retry SESSION           try it again now
  jumpserver-video tasks retry --reason encoder  try again all that failed for one reason`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.listTasks(c.Context(), state, asJSON) },
	}
	list.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	list.Flags().StringVar(&state, "state", "", "only tasks in this state")

	show := &cobra.Command{
		Use: "show SESSION", Short: "One task with its log", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.showTask(c.Context(), args[0], asJSON) },
	}
	var reason string
	retry := &cobra.Command{
		Use: "retry [SESSION... | --reason CLASS]", Short: "Try tasks again now", Args: usageArgs(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return a.retryTasks(c.Context(), args, reason) },
	}
	retry.Flags().StringVar(&reason, "reason", "", "all that failed for this reason")
	list.AddCommand(show, retry)
	return list
}

// agent is a client of the agent that runs on this host.
func (a *app) agent() (*taskapi.Client, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	return taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert), nil
}

func (a *app) listTasks(ctx context.Context, state string, asJSON bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	all, err := agent.Tasks(ctx)
	if err != nil {
		return err
	}
	views := []transcode.View{}
	for _, v := range all {
		if state == "" || string(v.State) == state {
			views = append(views, v)
		}
	}
	if asJSON {
		return a.printJSON(views)
	}
	if len(views) == 0 {
		fmt.Fprintln(a.err, "no tasks")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SESSION\tSTATE\tBEFORE\tAFTER\tSAVED\tUPDATED\tDETAIL")
	for _, v := range views {
		after, gain := "", ""
		if v.After > 0 {
			after, gain = megabytes(v.After), fmt.Sprintf("%.0f %%", v.Saved)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, stateText(v), megabytes(v.Before), after, gain,
			v.Updated.Local().Format(time.DateTime), detail(v))
	}
	return w.Flush()
}

func stateText(v transcode.View) string {
	if v.State == queue.StateRendering && v.Progress > 0 {
		return fmt.Sprintf("%s %.0f %%", v.State, 100*v.Progress)
	}
	return string(v.State)
}

// detail is why a task stands where it stands, short enough for a table.
func detail(v transcode.View) string {
	if v.Reason == "" {
		return ""
	}
	text := shorten(string(v.Reason)+": "+v.Error, 100)
	if v.Next != nil {
		text += fmt.Sprintf(" (attempt %d, next %s)", v.Attempt, v.Next.Local().Format(time.TimeOnly))
	}
	return text
}

func (a *app) showTask(ctx context.Context, id string, asJSON bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	v, err := agent.Task(ctx, id)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "session\t%s\nstate\t%s\nrecording\t%s, %s\n", v.ID, stateText(v), v.Path, megabytes(v.Before))
	if v.After > 0 {
		fmt.Fprintf(w, "video\t%s (%s), %d×%d, %s, %d frames\n", megabytes(v.After), saved(v.Before, v.After), v.Width, v.Height,
			(time.Duration(v.Duration) * time.Millisecond).Round(100*time.Millisecond), v.Frames)
	}
	if v.Speed > 0 {
		fmt.Fprintf(w, "speed\t%.1f× real time\n", v.Speed)
	}
	if v.Reason != "" {
		fmt.Fprintf(w, "reason\t%s: %s\n", v.Reason, v.Error)
	}
	if v.Attempt > 0 {
		fmt.Fprintf(w, "attempts\t%d\n", v.Attempt)
	}
	if v.Next != nil {
		fmt.Fprintf(w, "next\t%s\n", v.Next.Local().Format(time.DateTime))
	}
	for _, o := range v.Originals {
		fmt.Fprintf(w, "original\t%s\n", o)
	}
	for _, warning := range v.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
	fmt.Fprintf(w, "found\t%s\nupdated\t%s\n", v.Created.Local().Format(time.DateTime), v.Updated.Local().Format(time.DateTime))
	if err := w.Flush(); err != nil {
		return err
	}
	if text, err := agent.Log(ctx, id); err == nil {
		fmt.Fprintf(a.out, "\n%s", text)
	}
	return nil
}

func (a *app) retryTasks(ctx context.Context, ids []string, reason string) error {
	if (len(ids) == 0) == (reason == "") {
		return usage(errors.New("name sessions, or a reason with --reason"))
	}
	agent, err := a.agent()
	if err != nil {
		return err
	}
	if reason != "" {
		n, err := agent.RetryClass(ctx, queue.Class(reason))
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%d tasks are tried again\n", n)
		return nil
	}
	for _, id := range ids {
		if err := agent.Retry(ctx, id); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		fmt.Fprintf(a.out, "%s is tried again\n", id)
	}
	return nil
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
