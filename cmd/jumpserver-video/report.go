package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/report"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

func (a *app) reportCommand() *cobra.Command {
	var from, to string
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "report --from DAY --to DAY",
		Short: "Report whether the sessions of a period have their videos",
		Long: `Report whether the sessions of a period have their videos: how many have one,
which do not and why, which videos may be incomplete, and how much was saved.

  jumpserver-video report                                     this month until today
  jumpserver-video report --from 2026-10-01 --to 2026-10-31   both days included
  jumpserver-video report --from 2026-10-01 --to 2026-10-31 --csv > oct.csv

The agent on this host gets the list of sessions from core, and their results
from its queue, its ledger and the replay volume. If core cannot be reached, the
report contains only the agent's tasks, and says so.

Exit codes: 0 all have a video, 1 some do not, or there is no report, 2 wrong
usage or setting.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			now := time.Now()
			if from == "" {
				from = now.AddDate(0, 0, 1-now.Day()).Format(time.DateOnly)
			}
			if to == "" {
				to = now.Format(time.DateOnly)
			}
			begins, ends, err := taskapi.ParsePeriod(url.Values{"from": {from}, "to": {to}})
			switch {
			case err != nil:
				return usage(fmt.Errorf("--%w", err))
			case asJSON && asCSV:
				return usage(errors.New("use --json or --csv, not both"))
			}
			return a.report(c.Context(), begins, ends, asJSON, asCSV)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "first day, YYYY-MM-DD (the first of this month)")
	cmd.Flags().StringVar(&to, "to", "", "last day (today)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print all sessions as CSV; times are in UTC, sizes in bytes")
	return cmd
}

// withoutError means that some sessions have no video.
type withoutError struct{ text string }

func (e *withoutError) Error() string { return e.text }

func (a *app) report(ctx context.Context, from, to time.Time, asJSON, asCSV bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	agent.HTTP.Timeout = 0 // core returns its sessions page by page; ctx is the limit
	var r report.Report
	query := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
	if err := agent.Ask(ctx, "/report?"+query.Encode(), &r); err != nil {
		return err
	}
	switch {
	case asJSON:
		err = a.printJSON(r)
	case asCSV:
		err = r.WriteCSV(a.out)
	default:
		err = a.printReport(r)
	}
	if err == nil && r.Without > 0 {
		err = &withoutError{a.lang.T("cli.without", "n", r.Without)}
	}
	return err
}

// mostRows is the maximum number of sessions in a printed report.
const mostRows = 100

func (a *app) printReport(r report.Report) error {
	if r.Source != report.FromCore {
		fmt.Fprintln(a.err, a.lang.T("report.of_tasks", "error", terminal.Line(r.Problem)))
	}
	t := &table{}
	t.row(a.lang.T("report.sessions"), a.lang.Number(int64(r.Sessions)))
	t.row(a.lang.T("report.video"), a.lang.Number(int64(r.Video)))
	t.row(a.lang.T("report.without"), a.lang.Number(int64(r.Without)))
	t.row(a.lang.T("cli.incomplete"), a.lang.Number(int64(r.Incomplete)))
	t.row(a.lang.T("cli.bytes"), a.lang.T("cli.from_to", "before", i18n.Bytes(r.Before), "after", i18n.Bytes(r.After)))
	if err := t.print(a.out); err != nil {
		return err
	}
	for _, more := range []struct {
		key string
		n   int
	}{{"report.active", r.Active}, {"report.text", r.Text}} {
		if more.n > 0 {
			fmt.Fprintln(a.out, a.lang.T(more.key, "n", more.n))
		}
	}
	if len(r.Why) > 0 {
		fmt.Fprintf(a.out, "\n%s\n", a.lang.T("report.why"))
		why := &table{}
		for _, w := range r.Why {
			why.row(a.lang.Number(int64(w.Count)), terminal.Line(a.reasonText(w.Reason)))
		}
		if err := why.print(a.out); err != nil {
			return err
		}
	}
	rows := &table{}
	rows.row(a.lang.T("cli.col_session"), a.lang.T("cli.col_started"), a.lang.T("cli.col_user"), a.lang.T("cli.col_asset"), a.lang.T("cli.col_detail"))
	shown := 0
	for _, row := range r.Rows {
		if row.Video && !row.Incomplete || shown == mostRows {
			break
		}
		shown++
		user, asset, started := "", "", ""
		if s := row.Session; s != nil {
			user, asset, started = terminal.Line(s.User), terminal.Line(s.Asset), a.lang.Time(s.Start)
		}
		what := a.lang.T("report.row_incomplete")
		if !row.Video {
			what = shorten(terminal.Line(a.reasonText(row.Reason)), 100)
		}
		rows.row(terminal.Line(row.ID), started, user, asset, what)
	}
	if shown == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	if all := r.Without + r.Incomplete; shown < all {
		fmt.Fprintln(a.out, a.lang.T("report.first", "shown", shown, "n", all))
	}
	return rows.print(a.out)
}
