package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

func (a *app) showCommand(asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use: "show SESSION", Short: "Show one task with its log", Args: named(cobra.ExactArgs(1), "one session"), ValidArgsFunction: a.completeSessions,
		Long: `Show one task with its log.

  jumpserver-video tasks show 0b9d5f1e
  jumpserver-video tasks show 0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e70 --json    without its log`,
		RunE: func(c *cobra.Command, args []string) error { return a.showTask(c.Context(), args[0], *asJSON) },
	}
}

// stateName returns the name of a state. In English it is the name that --state uses.
func (a *app) stateName(s queue.State) string {
	if a.lang == i18n.English {
		return string(s)
	}
	return a.lang.T("state." + string(s))
}

// reasonText returns a reason as --reason uses it, and its title.
func (a *app) reasonText(class task.Class) string {
	return fmt.Sprintf("%s: %s", class, a.lang.T("reason."+string(class)))
}

// retriedText returns how a task is retried: automatically or not; "" while it is queued or
// in progress.
func (a *app) retriedText(state queue.State) string {
	switch state {
	case queue.StateRetrying, queue.StateSettling:
		return a.lang.T("cli.alone")
	case queue.StateFailed, queue.StateSkipped:
		return a.lang.T("cli.not_alone")
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
	t := &table{}
	fact := func(name, value string) {
		if value != "" {
			t.row(a.lang.T("cli.fact_"+name), terminal.Line(value))
		}
	}
	fact("session", v.ID)
	if s := v.Session; s != nil {
		fact("user", s.User)
		fact("asset", s.Asset)
		fact("account", s.Account)
		fact("protocol", s.Protocol)
		fact("started", a.lang.Time(s.Start))
		if length := s.Length(); length > 0 {
			fact("length", a.lang.Span(length.Seconds()))
		}
	}
	fact("replay", a.replay(v.ID))
	fact("state", a.stateText(v))
	fact("recording", v.Path+", "+a.lang.Bytes(v.Before))
	if v.After > 0 {
		fact("video", a.lang.T("cli.video", "size", i18n.Bytes(v.After), "saved", a.lang.Percent(v.Saved), "width", strconv.Itoa(v.Width), "height", strconv.Itoa(v.Height),
			"length", i18n.Seconds(float64(v.Duration)/1000), "frames", v.Frames))
	}
	if v.Speed > 0 {
		fact("speed", a.lang.T("cli.real_time", "speed", v.Speed))
	}
	if v.Reason != "" {
		fact("reason", a.reasonText(v.Reason))
		fact("error", v.Error)
		if i18n.Has("hint." + string(v.Reason)) {
			fact("hint", a.lang.T("hint."+string(v.Reason)))
		}
	}
	fact("retried", a.retriedText(v.State))
	if v.Attempt > 0 {
		fact("attempts", strconv.Itoa(v.Attempt))
	}
	if v.Next != nil {
		fact("next", a.lang.Time(*v.Next))
	}
	for _, o := range v.Originals {
		fact("original", o)
	}
	for _, missing := range v.Incomplete {
		fact("incomplete", missing)
	}
	for _, warning := range v.Warnings {
		fact("warning", warning)
	}
	fact("found", a.lang.Time(v.Created))
	fact("updated", a.lang.Time(v.Updated))
	if err := t.print(a.out); err != nil {
		return err
	}
	if text, err := agent.Log(ctx, v.ID); err == nil {
		fmt.Fprintf(a.out, "\n%s", text)
	}
	return nil
}

// replay returns the address at which JumpServer plays a session; "" if JumpServer's
// address for browsers is unknown.
func (a *app) replay(session string) string {
	c, err := a.agentConfig()
	if err != nil || c.PublicJumpServer() == "" {
		return ""
	}
	return c.PublicJumpServer() + "/luna/replay/" + session
}
