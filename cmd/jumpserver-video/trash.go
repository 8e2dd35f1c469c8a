package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

func (a *app) trashCommand() *cobra.Command {
	var asJSON bool
	trash := &cobra.Command{
		Use: "trash", Short: "List replaced originals, and restore them",
		Long: `List replaced originals, and restore them.

  jumpserver-video trash list                everything in the trash
  jumpserver-video trash list 0b9d5f1e       originals of one session
  jumpserver-video trash restore 0b9d5f1e    restore the session's original

Originals stay in the trash for ORIGINALS_KEEP_DAYS, or permanently if the MP4
may not show everything. There is a trash on the replay volume, in the bucket, and
in the spool of uploads; the agent lists all of them.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	trash.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	list := &cobra.Command{
		Use: "list [SESSION]", Short: "List the content of the trash", Args: usageArgs(cobra.MaximumNArgs(1)), ValidArgsFunction: a.completeSessions,
		Long: `List the content of the trash: of all sessions, or of one.

  jumpserver-video trash list
  jumpserver-video trash list --json 0b9d5f1e`,
		RunE: func(c *cobra.Command, args []string) error {
			session := ""
			if len(args) > 0 {
				session = args[0]
			}
			return a.listTrash(c.Context(), session, asJSON)
		},
	}
	restore := &cobra.Command{
		Use: "restore SESSION", Short: "Restore a session's original", Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: a.completeSessions,
		Long: `Restore a session's original to its place.

  jumpserver-video trash restore 0b9d5f1e

A recording on the replay volume or in the bucket returns to its place beside the
MP4, and stays there until "jumpserver-video tasks retry" is run for the session.
JumpServer then plays the original; for a recording in parts it still plays the
MP4. An upload returns to the spool, and is converted and published again.
Nothing is overwritten.`,
		RunE: func(c *cobra.Command, args []string) error { return a.restore(c.Context(), args[0], asJSON) },
	}
	trash.AddCommand(list, restore)
	return trash
}

func (a *app) listTrash(ctx context.Context, session string, asJSON bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	items, err := agent.Trash(ctx, session)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(items)
	}
	if len(items) == 0 {
		fmt.Fprintln(a.err, a.lang.T("cli.trash_none"))
		return nil
	}
	t := &table{}
	var head []string
	for _, column := range []string{"session", "kind", "size", "retired", "place", "from"} {
		head = append(head, a.lang.T("cli.col_"+column))
	}
	t.row(head...)
	size := int64(0)
	for _, i := range items {
		size += i.Bytes
		t.row(terminal.Line(i.Session), a.kindInTrash(i), a.lang.Bytes(i.Bytes), i.Day, terminal.Line(i.Place), terminal.Line(i.From))
	}
	if err := t.print(a.out); err != nil {
		return err
	}
	fmt.Fprintln(a.err, a.lang.T("cli.trash_sum", "n", len(items), "size", a.lang.Bytes(size)))
	return nil
}

func (a *app) kindInTrash(i task.Trashed) string {
	switch {
	case i.MP4:
		return a.lang.T("cli.kind_mp4")
	case i.Kept:
		return a.lang.T("cli.kind_kept")
	default:
		return a.lang.T("cli.kind_original")
	}
}

func (a *app) restore(ctx context.Context, session string, asJSON bool) error {
	agent, err := a.agent()
	if err != nil {
		return err
	}
	items, err := agent.Restore(ctx, session)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(items)
	}
	for _, i := range items {
		text := "cli.trash_restored"
		if i.Place == task.PlaceSpool {
			text = "cli.trash_upload"
		}
		fmt.Fprintln(a.out, a.lang.T(text, "path", terminal.Line(i.From), "place", terminal.Line(i.Place)))
	}
	if len(items) > 0 && items[0].Place != task.PlaceSpool {
		fmt.Fprintln(a.out, a.lang.T("cli.trash_alone", "session", terminal.Line(items[0].Session)))
	}
	return nil
}
