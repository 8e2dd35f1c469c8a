package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// taskList selects the tasks of a list, and its format.
type taskList struct {
	filter        taskFilter
	all           bool
	limit         int
	asJSON, asCSV bool
}

func (a *app) tasksCommand() *cobra.Command {
	var l taskList
	list := &cobra.Command{
		Use:   "tasks",
		Short: "List the tasks of the agent on this host, with their states and reasons",
		Long: `List the tasks of the agent on this host, with their states and reasons.

  jumpserver-video tasks                         all tasks, last changed first
  jumpserver-video tasks --state failed          only those in one state
  jumpserver-video tasks --user ivanov --from 2026-10-01 --to 2026-10-31
  jumpserver-video tasks --search accounting     search in user, asset, account, id and path
  jumpserver-video tasks --incomplete            MP4s that may lack a part of the recording
  jumpserver-video tasks --csv > tasks.csv       for spreadsheets
  jumpserver-video tasks show SESSION            one task with its log
  jumpserver-video tasks retry SESSION           retry it now
  jumpserver-video tasks retry --reason encoder  retry all that failed for one reason
  jumpserver-video tasks next SESSION            convert it before all others

A session is given by its id, or by at least the first four characters of it, if
no other id begins with them. The table omits skipped tasks, unless --all, --state
or --reason select them; --json and --csv omit nothing.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := l.filter.read(); err != nil {
				return usage(err)
			}
			if l.asJSON && l.asCSV {
				return usage(errors.New("use --json or --csv, not both"))
			}
			return a.listTasks(c.Context(), l)
		},
	}
	list.PersistentFlags().BoolVar(&l.asJSON, "json", false, "print JSON")
	f := list.Flags()
	f.BoolVar(&l.asCSV, "csv", false, "print CSV; times are in UTC, sizes in bytes")
	l.filter.addTo(list, a, "only tasks")
	f.BoolVar(&l.all, "all", false, "also skipped tasks")
	f.IntVar(&l.limit, "limit", 0, "maximum number of tasks; 0 = all")
	list.AddCommand(a.showCommand(&l.asJSON), a.retryCommand(&l.asJSON), a.nextCommand(&l.asJSON))
	return list
}

// agent returns a client of the agent on this host.
func (a *app) agent() (*taskapi.Client, error) {
	c, err := a.agentConfig()
	if err != nil {
		return nil, err
	}
	return taskapi.Local(c.BindHost, int(c.Port), string(c.StatusToken), c.TLSCert), nil
}

func (a *app) listTasks(ctx context.Context, l taskList) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	views, err := fetchTasks(ctx, agent, l.filter.Filter, l.limit)
	if err != nil {
		return err
	}
	switch {
	case l.asJSON:
		return a.printJSON(views)
	case l.asCSV:
		return printCSV(a.out, views)
	}
	left := len(views)
	if !l.all && len(l.filter.states) == 0 && l.filter.reason == "" {
		views = slices.DeleteFunc(views, func(v task.View) bool { return v.State == queue.StateSkipped })
	}
	left -= len(views)
	if len(views) > 0 {
		err = a.printTasks(views)
	} else {
		fmt.Fprintln(a.err, a.lang.T("cli.no_tasks"))
	}
	if left > 0 {
		fmt.Fprintln(a.err, a.lang.T("cli.skipped_hidden", "n", left))
	}
	return err
}

// fetchTasks returns the tasks that a filter selects, at most limit unless that is 0.
func fetchTasks(ctx context.Context, agent *taskapi.Client, f taskapi.Filter, limit int) ([]task.View, error) {
	if limit <= 0 {
		views, err := agent.All(ctx, f)
		if views == nil {
			views = []task.View{}
		}
		return views, err
	}
	views, cursor := []task.View{}, ""
	for {
		page, err := agent.List(ctx, f, cursor, min(limit-len(views), 500))
		if err != nil {
			return nil, err
		}
		views = append(views, page.Tasks...)
		if cursor = page.Next; cursor == "" || len(views) >= limit {
			return views, nil
		}
	}
}

func printCSV(to io.Writer, views []task.View) error {
	w := csv.NewWriter(to)
	_ = w.Write(taskapi.CSVColumns) // w.Error returns the error
	for _, v := range views {
		_ = w.Write(taskapi.CSVRow(v))
	}
	w.Flush()
	return w.Error()
}

func (a *app) printTasks(views []task.View) error {
	t := &table{}
	var head []string
	for _, column := range []string{"session", "state", "user", "asset", "started", "before", "after", "saved", "updated", "detail"} {
		head = append(head, a.lang.T("cli.col_"+column))
	}
	t.row(head...)
	for _, v := range views {
		after, gain, user, asset, started := "", "", "", "", ""
		if v.After > 0 {
			after, gain = a.lang.Bytes(v.After), a.lang.Percent(v.Saved)
		}
		if s := v.Session; s != nil {
			user, asset, started = terminal.Line(s.User), terminal.Line(s.Asset), a.lang.Time(s.Start)
		}
		t.row(terminal.Line(v.ID), a.stateText(v), user, asset, started, a.lang.Bytes(v.Before), after, gain, a.lang.Time(v.Updated), a.detail(v))
	}
	return t.print(a.out)
}

// stateText returns a task's state. In English it is the name that --state uses.
func (a *app) stateText(v task.View) string {
	name := terminal.Line(a.stateName(v.State))
	if (v.State == queue.StateRendering || v.State == queue.StateUploading) && v.Progress > 0 {
		return name + " " + a.lang.Percent(100*v.Progress)
	}
	return name
}

// detail returns the reason or error of a task, short enough for a table.
func (a *app) detail(v task.View) string {
	if v.Reason == "" {
		return ""
	}
	text := shorten(terminal.Line(a.reasonText(v.Reason)+"; "+v.Error), 100)
	if v.Next != nil {
		text += " " + a.lang.T("cli.attempt", "attempt", v.Attempt, "next", v.Next.Local().Format(time.TimeOnly))
	}
	return text
}

func stateNames() (names []string) {
	for _, s := range queue.States {
		names = append(names, string(s))
	}
	return names
}

// reasons returns the reasons of the agent's tasks; none if the agent does not respond.
func (a *app) reasons(ctx context.Context) (all []string) {
	for _, v := range a.tasksNow(ctx) {
		if reason := terminal.Line(string(v.Reason)); reason != "" && v.State != queue.StateDone && !slices.Contains(all, reason) {
			all = append(all, reason)
		}
	}
	slices.Sort(all)
	return all
}

// reasonWords returns the reasons for the shell's completion, with their meaning.
func (a *app) reasonWords(ctx context.Context) (words []string) {
	for _, class := range a.reasons(ctx) {
		words = append(words, class+"\t"+a.lang.T("reason."+class))
	}
	return words
}

func (a *app) completeSessions(c *cobra.Command, _ []string, _ string) (all []string, _ cobra.ShellCompDirective) {
	for _, v := range a.tasksNow(c.Context()) {
		all = append(all, terminal.Line(v.ID)+"\t"+a.stateText(v))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// tasksNow returns the agent's tasks; none if the agent does not respond.
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

// complete lets the shell complete the values of a flag.
func complete(c *cobra.Command, flag string, words func(context.Context) []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return words(c.Context()), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil { // impossible: the flag exists
		panic(err)
	}
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
