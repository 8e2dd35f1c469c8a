package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/doctor"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, fix, dryRun, notify bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that the agent needs, and say how to fix each problem",
		Long: `Check everything that the agent needs, and say how to fix each problem.

  sudo -u jumpserver-video jumpserver-video doctor     as the agent's user
  jumpserver-video doctor --json                       for scripts, in English
  jumpserver-video doctor --lang zh-CN                 in another language
  sudo jumpserver-video doctor --fix --dry-run         what --fix would write
  sudo jumpserver-video doctor --notify                send a test message to NOTIFY_URL

It checks settings, ffmpeg and its encoder, the data folder, the replay volume,
the connection to core and core's clock, the registration, the replay storage,
the agent on this host, and why its tasks failed or wait. It changes nothing
and does not register.

With --fix it writes drop-ins of the service's unit, if the unit does not fit
the settings. They allow the service to write to REPLAY_DIR or DATA_DIR in other
places, make it wait for the mount, and give it rights to core's files on a
local file system.

With --notify it only sends a test message to each service of NOTIFY_URL, and
says whether the service has accepted it.

Exit codes: 0 no problem (there may be warnings), 1 a problem, 2 wrong usage
or setting.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if fix || dryRun {
				return a.fixUnit(c.Context(), dryRun)
			}
			if notify {
				return a.examine(c.Context(), asJSON, a.testNotifications)
			}
			return a.examine(c.Context(), asJSON, (*doctor.Doctor).Examine)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&fix, "fix", false, "write the missing drop-ins of the service's unit")
	cmd.Flags().BoolVar(&notify, "notify", false, "only send a test message to each service of NOTIFY_URL")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what --fix would write")
	return cmd
}

// testNotifications sends test messages with the agent's settings.
func (a *app) testNotifications(d *doctor.Doctor, ctx context.Context) []doctor.Finding {
	name := d.Config.Name
	if name == "" {
		name, _ = os.Hostname() // "" is fine
	}
	return d.Notify(ctx, notifyLang(d.Config), name)
}

func (a *app) examine(ctx context.Context, asJSON bool, look func(*doctor.Doctor, context.Context) []doctor.Finding) error {
	cfg, err := a.agentConfig()
	if err != nil {
		return err
	}
	d := &doctor.Doctor{Config: cfg, UserAgent: userAgent()}
	found := look(d, ctx)
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
	return a.verdict(found)
}

// verdict returns an error with the numbers of problems and warnings, if there is a
// problem.
func (a *app) verdict(found []doctor.Finding) error {
	if doctor.Healthy(found) {
		return nil
	}
	count := map[doctor.Level]int{}
	for _, f := range found {
		count[f.Level]++
	}
	text := a.lang.T("cli.problems", "n", count[doctor.Bad])
	if n := count[doctor.Warn]; n > 0 {
		text += ", " + a.lang.T("cli.warnings", "n", n)
	}
	return errors.New(text)
}

// fixUnit writes the missing drop-ins of the service's unit, or prints them.
func (a *app) fixUnit(ctx context.Context, dryRun bool) error {
	cfg, err := a.agentConfig()
	if err != nil {
		return err
	}
	d := &doctor.Doctor{Config: cfg, UserAgent: userAgent()}
	missing, err := d.DropIns(ctx)
	if errors.Is(err, doctor.ErrNoUnit) {
		return errors.New(a.lang.T("doctor.no_unit", "unit", "jumpserver-video.service"))
	}
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		fmt.Fprintln(a.out, a.lang.T("cli.unit_fits"))
		return nil
	}
	for _, f := range missing {
		fmt.Fprintf(a.out, "# %s: %s\n%s\n", f.Path, terminal.Line(a.lang.Say(f.Why)), f.Content)
		if dryRun {
			continue
		}
		err := f.Write()
		var foreign *doctor.ForeignError
		if errors.As(err, &foreign) {
			return errors.New(a.lang.Say(foreign.Text()))
		}
		if err != nil {
			return err
		}
	}
	const apply = "systemctl daemon-reload && systemctl restart jumpserver-video"
	if dryRun {
		fmt.Fprintln(a.out, a.lang.T("cli.unit_dry_run", "command", apply))
	} else {
		fmt.Fprintln(a.out, a.lang.T("cli.unit_written", "command", apply))
	}
	return nil
}

func (a *app) printFindings(found []doctor.Finding) {
	colours := map[doctor.Level]string{doctor.OK: "\x1b[32m", doctor.Warn: "\x1b[33m", doctor.Bad: "\x1b[31m"}
	colour := logging.Colour(a.out)
	var levels, checks int
	for level := range colours {
		levels = max(levels, runewidth.StringWidth(a.lang.T("cli.level_"+string(level))))
	}
	for _, check := range doctor.Checks {
		checks = max(checks, runewidth.StringWidth(a.lang.Say(check.Name())))
	}
	for _, f := range found {
		level := runewidth.FillRight(a.lang.T("cli.level_"+string(f.Level)), levels)
		if colour {
			level = colours[f.Level] + level + "\x1b[0m"
		}
		fmt.Fprint(terminal.Raw(a.out), level)
		fmt.Fprintf(a.out, "  %s  %s\n", runewidth.FillRight(a.lang.Say(f.Check.Name()), checks), terminal.Line(a.lang.Say(f.Detail)))
		if !f.Fix.IsZero() {
			fmt.Fprintf(a.out, "%*s%s\n", levels+checks+4, "", a.lang.T("cli.fix", "fix", terminal.Line(a.lang.Say(f.Fix))))
		}
	}
}
