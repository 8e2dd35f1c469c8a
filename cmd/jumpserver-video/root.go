package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
)

// app is what all subcommands share.
type app struct {
	out, err io.Writer // through package terminal, because output may contain untrusted text
	file     string    // --config
	// installed is the path of the packages' settings. Commands about the agent on this
	// host read it if there is no --config.
	installed string
	options   options // of the agent
	lang      i18n.Lang
}

// newApp returns the released program.
func newApp(out, errOut io.Writer) *app {
	return &app{out: terminal.Wrap(out), err: terminal.Wrap(errOut), installed: "/etc/jumpserver-video/config.txt", options: defaultOptions(), lang: i18n.FromEnv(os.Getenv)}
}

// run executes one command line and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	command, err := root.ExecuteContextC(ctx)
	if err != nil {
		var use *usageError
		if errors.As(err, &use) {
			use.command = command.CommandPath()
		}
		a.complain(err)
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "jumpserver-video",
		Short: "Turn JumpServer session recordings into small MP4s that play anywhere",
		Long: `Turn JumpServer session recordings into small MP4s that play anywhere.

  jumpserver-video convert session.replay.gz       one recording, no JumpServer needed
  jumpserver-video agent --config config.txt       the service: find, convert, replace
  jumpserver-video tasks                           what the agent is doing and has done
  jumpserver-video report                          whether sessions have their videos
  jumpserver-video scan                            what would be converted, and what would not
  jumpserver-video pause, resume, limits           pause, continue or limit the agent
  jumpserver-video trash                           list and restore replaced originals
  jumpserver-video verify S.replay.mp4             what an MP4 was made from, and whether it is untouched
  jumpserver-video doctor                          what is wrong, and how to fix it
  source <(jumpserver-video completion bash)       completion; also for zsh and fish

` + exitCodeHelp,
		Version:       fmt.Sprintf("%s (%s, %s)", version, commit, date),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&a.file, "config", "", "config.txt in JumpServer's format; the environment takes precedence\n(tasks, scan, verify and doctor: "+a.installed+", if it exists)")
	root.PersistentFlags().Var(&langFlag{&a.lang}, "lang", "language of the output: en, zh-CN or ru\n(default: from the environment: LANGUAGE, LC_ALL, LANG)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(a.agentCommand(), a.convertCommand(), a.tasksCommand(), a.reportCommand(), a.scanCommand(), a.verifyCommand(), a.doctorCommand(), a.trashCommand(), a.manCommand())
	root.AddCommand(a.steerCommands()...)
	root.AddCommand(a.demoCommands()...)
	a.localHelp(root)
	return root
}

// langFlag is the flag --lang.
type langFlag struct{ lang *i18n.Lang }

func (f *langFlag) String() string { return "" }
func (f *langFlag) Type() string   { return "lang" }
func (f *langFlag) Set(name string) (err error) {
	*f.lang, err = i18n.Parse(name)
	return err
}

// named checks the number of arguments. If that is wrong, its error says what the
// arguments must name.
func named(check cobra.PositionalArgs, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check(c, args) != nil {
			return usage(fmt.Errorf("%s: name %s", strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" "), what))
		}
		return nil
	}
}

// usageArgs turns a wrong number of arguments into a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage(err)
		}
		return nil
	}
}

// agentConfig loads the settings of the agent on this host: from --config or else the
// package's file, and from the environment.
func (a *app) agentConfig() (config.Config, error) {
	if a.file == "" {
		f, err := os.Open(a.installed)
		switch {
		case err == nil:
			f.Close()
			a.file = a.installed
		case !errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(a.err, "%v: its settings are ignored; run this as root or as the agent's user\n", err)
		}
	}
	return a.config()
}

// config loads the settings from the environment and the file of --config.
func (a *app) config() (config.Config, error) {
	c, err := config.Load(a.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, advise(usage(err), "create it, or name another file with --config")
	case errors.Is(err, fs.ErrPermission):
		return c, advise(usage(err), "run this as root or as the agent's user")
	case err != nil:
		return c, usage(err)
	}
	return c, nil
}
