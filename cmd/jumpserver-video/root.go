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
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
)

// app is what every subcommand shares.
type app struct {
	out, err io.Writer // through package terminal: what is printed may be of others
	file     string    // --config
	// installed is where packages put the settings. Commands about the agent
	// of this host look there when no --config is given.
	installed string
	options   options // of the agent
}

// newApp is the program as it is shipped.
func newApp(out, errOut io.Writer) *app {
	return &app{out: terminal.Wrap(out), err: terminal.Wrap(errOut), installed: "/etc/jumpserver-video/config.txt", options: defaultOptions()}
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
		complain(a.err, err)
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
  jumpserver-video tasks                           what the agent is doing and did
  jumpserver-video scan                            what would be converted, and what never
  jumpserver-video verify S.replay.mp4             what an MP4 was made from, and that it is untouched
  jumpserver-video doctor                          what is missing, and how to mend it
  source <(jumpserver-video completion bash)       completion; zsh and fish likewise

` + exitCodeHelp,
		Version:       fmt.Sprintf("%s (%s, %s)", version, commit, date),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&a.file, "config", "", "config.txt in JumpServer's format; the environment wins over it\n(tasks, scan, verify and doctor: "+a.installed+", if there)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(a.agentCommand(), a.convertCommand(), a.tasksCommand(), a.scanCommand(), a.verifyCommand(), a.doctorCommand(), a.manCommand())
	root.AddCommand(a.demoCommands()...)
	return root
}

// named checks the number of arguments, and says what is to be named when it is
// wrong.
func named(check cobra.PositionalArgs, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check(c, args) != nil {
			return usage(fmt.Errorf("%s: name %s", strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" "), what))
		}
		return nil
	}
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage(err)
		}
		return nil
	}
}

// agentConfig loads the settings that the agent of this host has: of the file
// given or else of the package's, and of the environment.
func (a *app) agentConfig() (config.Config, error) {
	if a.file == "" {
		f, err := os.Open(a.installed)
		switch {
		case err == nil:
			f.Close()
			a.file = a.installed
		case !errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(a.err, "%v: its settings are left out; run this as root or as the agent's user\n", err)
		}
	}
	return a.config()
}

// config loads the settings of the environment and the file given.
func (a *app) config() (config.Config, error) {
	c, err := config.Load(a.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, advise(usage(err), "create it, or name another with --config")
	case errors.Is(err, fs.ErrPermission):
		return c, advise(usage(err), "run this as root or as the agent's user")
	case err != nil:
		return c, usage(err)
	}
	return c, nil
}
