package main

import (
	"embed"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

// helpFiles have the help of all commands in all languages except English, whose help is
// in the code. "= COMMAND" begins a command: its short help, an empty line, and the rest
// of the long one; "-- FLAG" begins the help of a flag.
//
//go:embed help
var helpFiles embed.FS

// commandHelp is the help of a command.
type commandHelp struct {
	short, long string
	flags       map[string]string
}

// helpIn returns the help in a language, by the command without the program's name.
func helpIn(l i18n.Lang) map[string]commandHelp {
	all := map[string]commandHelp{}
	text, err := helpFiles.ReadFile("help/" + string(l) + ".txt")
	if err != nil {
		return all // English
	}
	for _, part := range strings.Split("\n"+string(text), "\n= ")[1:] {
		name, part, _ := strings.Cut(part, "\n")
		pieces := strings.Split("\n"+part, "\n-- ")
		h := commandHelp{long: strings.TrimSpace(pieces[0]), flags: map[string]string{}}
		h.short, _, _ = strings.Cut(h.long, "\n")
		for _, piece := range pieces[1:] {
			flag, usage, _ := strings.Cut(piece, "\n")
			h.flags[flag] = strings.TrimSpace(usage)
		}
		all[name] = h
	}
	return all
}

// helpName returns the name of a command in the files of help.
func helpName(c *cobra.Command) string {
	if !c.HasParent() {
		return c.Name()
	}
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// translateHelp translates the help of a command and of its subcommands.
func translateHelp(c *cobra.Command, l i18n.Lang, help map[string]commandHelp) {
	h, ok := help[helpName(c)]
	if ok {
		c.Short, c.Long = h.short, h.long
	}
	c.SetUsageTemplate(usageTemplate(c.UsageTemplate(), l))
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch usage := h.flags[f.Name]; {
		case usage != "":
			f.Usage = usage
		case f.Name == "help":
			f.Usage = l.T("cli.help_help")
		case f.Name == "version":
			f.Usage = l.T("cli.help_version")
		}
	})
	for _, sub := range c.Commands() {
		switch sub.Name() {
		case "help":
			sub.Short = l.T("cli.help_command")
		case "completion":
			sub.Short = l.T("cli.help_completion")
		}
		translateHelp(sub, l, help)
	}
}

// usageTemplate translates cobra's template.
func usageTemplate(template string, l i18n.Lang) string {
	return strings.NewReplacer(
		"Usage:", l.T("cli.help_usage"), "Global Flags:", l.T("cli.help_global_flags"), "Available Commands:", l.T("cli.help_commands"), "Flags:", l.T("cli.help_flags"),
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`, l.T("cli.help_more", "command", "{{.CommandPath}}"),
	).Replace(template)
}

// localHelp translates help to the requested language, which is known only after the
// command line was parsed.
func (a *app) localHelp(root *cobra.Command) {
	english := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if a.lang != i18n.English {
			translateHelp(c.Root(), a.lang, helpIn(a.lang))
		}
		english(c, args)
	})
}
