package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

func (a *app) tasksCommand() *cobra.Command {
	var asJSON, incomplete bool
	var state string
	list := &cobra.Command{
		Use:   "tasks",
		Short: "What the agent on this host is doing, did, and failed to do and why",
		Long: `What the agent on this host is doing, did, and failed to do and why.

  jumpserver-video tasks                         all tasks, the last change first
  jumpserver-video tasks --state failed          only those in one state
  jumpserver-video tasks --incomplete            MP4s that may be less than what was recorded
  jumpserver-video tasks show SESSION            one task with its log
  jumpserver-video tasks retry SESSION           try it again now
  jumpserver-video tasks retry --reason encoder  try again all that failed for one reason`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if state != "" && !slices.Contains(queue.States, queue.State(state)) {
				return usage(fmt.Errorf("--state %q: there are %s", state, strings.Join(stateNames(), ", ")))
			}
			return a.listTasks(c.Context(), state, incomplete, asJSON)
		},
	}
	list.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	list.Flags().StringVar(&state, "state", "", "only tasks in this state: "+strings.Join(stateNames(), ", "))
	list.Flags().BoolVar(&incomplete, "incomplete", false, "only tasks whose MP4 may not show everything, or is much shorter than the session")
	complete(list, "state", func(context.Context) []string { return stateNames() })

	show := &cobra.Command{
		Use: "show SESSION", Short: "One task with its log", Args: named(cobra.ExactArgs(1), "one session"), ValidArgsFunction: a.completeSessions,
		Long: `One task with its log.

  jumpserver-video tasks show 0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e70
  jumpserver-video tasks show 0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e70 --json    without its log`,
		RunE: func(c *cobra.Command, args []string) error { return a.showTask(c.Context(), args[0], asJSON) },
	}
	var reason string
	var dryRun bool
	retry := &cobra.Command{
		Use: "retry [SESSION... | --reason CLASS]", Short: "Try tasks again now", Args: usageArgs(cobra.ArbitraryArgs), ValidArgsFunction: a.completeSessions,
		Long: `Try tasks again now: those named, or all that failed, wait or were skipped for one reason.

  jumpserver-video tasks retry 0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e70
  jumpserver-video tasks retry --reason encoder --dry-run    only tell which
  jumpserver-video tasks retry --reason encoder`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.retryTasks(c.Context(), args, reason, asJSON, dryRun)
		},
	}
	retry.Flags().StringVar(&reason, "reason", "", "all that failed for this reason")
	retry.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "only tell which tasks would be tried again")
	complete(retry, "reason", func(ctx context.Context) (words []string) {
		for _, class := range a.reasons(ctx) {
			words = append(words, class+"\t"+task.ReasonOf(task.Class(class)).Title)
		}
		return words
	})
	list.AddCommand(show, retry)
	return list
}

// agent is a client of the agent that runs on this host.
func (a *app) agent() (*taskapi.Client, error) {
	c, err := a.agentConfig()
	if err != nil {
		return nil, err
	}
	return taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert), nil
}

func (a *app) listTasks(ctx context.Context, state string, incomplete, asJSON bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	all, err := agent.Tasks(ctx)
	if err != nil {
		return err
	}
	views := []task.View{}
	for _, v := range all {
		if (state == "" || string(v.State) == state) && (!incomplete || len(v.Incomplete) > 0) {
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", terminal.Line(v.ID), stateText(v), megabytes(v.Before), after, gain,
			v.Updated.Local().Format(time.DateTime), detail(v))
	}
	return w.Flush()
}

func stateText(v task.View) string {
	if (v.State == queue.StateRendering || v.State == queue.StateUploading) && v.Progress > 0 {
		return fmt.Sprintf("%s %.0f %%", v.State, 100*v.Progress)
	}
	return terminal.Line(string(v.State))
}

// detail is why a task stands where it stands, short enough for a table.
func detail(v task.View) string {
	if v.Reason == "" {
		return ""
	}
	text := shorten(terminal.Line(reasonText(v.Reason)+"; "+v.Error), 100)
	if v.Next != nil {
		text += fmt.Sprintf(" (attempt %d, next %s)", v.Attempt, v.Next.Local().Format(time.TimeOnly))
	}
	return text
}

// reasonText is a reason by the name that --reason takes, and in words.
func reasonText(class task.Class) string {
	return fmt.Sprintf("%s: %s", class, task.ReasonOf(class).Title)
}

// retriedText says whether a task is tried again without help; empty while it
// waits for its turn or is in progress.
func retriedText(state queue.State) string {
	switch state {
	case queue.StateRetrying, queue.StateSettling:
		return "without help"
	case queue.StateFailed, queue.StateSkipped:
		return "not without help"
	default:
		return ""
	}
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
	fmt.Fprintf(w, "session\t%s\nstate\t%s\nrecording\t%s, %s\n", terminal.Line(v.ID), stateText(v), terminal.Line(v.Path), megabytes(v.Before))
	if v.After > 0 {
		fmt.Fprintf(w, "video\t%s (%s), %d×%d, %s, %d frames\n", megabytes(v.After), saved(v.Before, v.After), v.Width, v.Height,
			(time.Duration(v.Duration) * time.Millisecond).Round(100*time.Millisecond), v.Frames)
	}
	if v.Speed > 0 {
		fmt.Fprintf(w, "speed\t%.1f× real time\n", v.Speed)
	}
	if v.Reason != "" {
		fmt.Fprintf(w, "reason\t%s\nerror\t%s\n", terminal.Line(reasonText(v.Reason)), terminal.Line(v.Error))
		if hint := task.ReasonOf(v.Reason).Hint; hint != "" {
			fmt.Fprintf(w, "hint\t%s\n", hint)
		}
	}
	if retried := retriedText(v.State); retried != "" {
		fmt.Fprintf(w, "retried\t%s\n", retried)
	}
	if v.Attempt > 0 {
		fmt.Fprintf(w, "attempts\t%d\n", v.Attempt)
	}
	if v.Next != nil {
		fmt.Fprintf(w, "next\t%s\n", v.Next.Local().Format(time.DateTime))
	}
	for _, o := range v.Originals {
		fmt.Fprintf(w, "original\t%s\n", terminal.Line(o))
	}
	for _, warning := range v.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", terminal.Line(warning))
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

// retried is what --json prints of a retry.
type retried struct {
	Retried  int      `json:"retried"`
	Sessions []string `json:"sessions,omitempty"` // where they were named, and in a dry run
	DryRun   bool     `json:"dry_run,omitempty"`
}

func (a *app) retryTasks(ctx context.Context, ids []string, reason string, asJSON, dryRun bool) error {
	if (len(ids) == 0) == (reason == "") {
		return usage(errors.New("name sessions, or a reason with --reason"))
	}
	agent, err := a.agent()
	if err != nil {
		return err
	}
	result := retried{Sessions: ids, DryRun: dryRun}
	switch {
	case dryRun:
		if result.Sessions, err = wouldRetry(ctx, agent, ids, reason); err != nil {
			return err
		}
		result.Retried = len(result.Sessions)
	case reason != "":
		if result.Retried, err = agent.RetryClass(ctx, queue.Class(reason)); err != nil {
			return err
		}
	default:
		for _, id := range ids {
			if err := agent.Retry(ctx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			result.Retried++
		}
	}
	if asJSON {
		return a.printJSON(result)
	}
	verb := "is tried again"
	if dryRun {
		verb = "would be tried again"
	}
	for _, id := range result.Sessions {
		fmt.Fprintf(a.out, "%s %s\n", terminal.Line(id), verb)
	}
	switch {
	case result.Retried == 0:
		fmt.Fprintf(a.err, "no tasks; reasons at present: %s\n", cmp.Or(strings.Join(a.reasons(ctx), ", "), "none"))
	case reason != "" && !dryRun:
		fmt.Fprintf(a.out, "%s tried again\n", plural(result.Retried, "task is", "tasks are"))
	}
	return nil
}

// wouldRetry lists the tasks that a retry would concern.
func wouldRetry(ctx context.Context, agent *taskapi.Client, ids []string, reason string) ([]string, error) {
	if reason == "" {
		for _, id := range ids {
			if _, err := agent.Task(ctx, id); err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
		}
		return ids, nil
	}
	all, err := agent.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, v := range all {
		if string(v.Reason) == reason && v.State != queue.StateDone {
			found = append(found, v.ID)
		}
	}
	return found, nil
}

func stateNames() (names []string) {
	for _, s := range queue.States {
		names = append(names, string(s))
	}
	return names
}

// reasons are those of the agent's tasks; none when it does not answer.
func (a *app) reasons(ctx context.Context) (all []string) {
	for _, v := range a.tasksNow(ctx) {
		if reason := terminal.Line(string(v.Reason)); reason != "" && v.State != queue.StateDone && !slices.Contains(all, reason) {
			all = append(all, reason)
		}
	}
	return all
}

func (a *app) completeSessions(c *cobra.Command, _ []string, _ string) (all []string, _ cobra.ShellCompDirective) {
	for _, v := range a.tasksNow(c.Context()) {
		all = append(all, terminal.Line(v.ID)+"\t"+stateText(v))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// tasksNow are the agent's tasks; none when it does not answer.
func (a *app) tasksNow(ctx context.Context) []task.View {
	agent, err := a.agent()
	if err != nil {
		return nil
	}
	all, err := agent.Tasks(ctx)
	if err != nil {
		return nil
	}
	return all
}

// complete lets the shell complete a flag by words.
func complete(c *cobra.Command, flag string, words func(context.Context) []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return words(c.Context()), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil { // there is no such flag
		panic(err)
	}
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
