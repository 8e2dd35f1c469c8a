package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand writes the manual pages; packaging uses it.
func (a *app) manCommand() *cobra.Command {
	var settings string
	cmd := &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual pages to a folder",
		Hidden: true,
		Args:   named(cobra.ExactArgs(1), "one folder"),
		RunE: func(c *cobra.Command, args []string) error {
			var reference []byte
			if settings != "" {
				var err error
				if reference, err = os.ReadFile(settings); err != nil {
					return fmt.Errorf("%w: %w", errFiles, err)
				}
			}
			if err := writeManual(c.Root(), args[0], string(reference)); err != nil {
				return fmt.Errorf("%w: %w", errFiles, err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&settings, "settings", "", "commented reference of the settings, for the agent's page")
	return cmd
}

// writeManual writes the pages of a command and of its subcommands.
func writeManual(c *cobra.Command, dir, settings string) error {
	if !c.IsAvailableCommand() && c.HasParent() {
		return nil
	}
	page := manPage{command: c}
	page.write(settings)
	if err := os.WriteFile(filepath.Join(dir, manName(c)+".1"), []byte(page.String()), 0o644); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if err := writeManual(sub, dir, settings); err != nil {
			return err
		}
	}
	return nil
}

// manName returns the name of a command's page.
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is a page in man's roff format, made from a command's help.
type manPage struct {
	strings.Builder
	command *cobra.Command
	exit    string // the exit codes in the help
}

// roff escapes text, so that no part of it is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

func (p *manPage) section(name string) { fmt.Fprintf(p, ".SH %s\n", name) }

// item writes a term with its description.
func (p *manPage) item(term, text string) {
	fmt.Fprintf(p, ".TP\n\\fB%s\\fR\n", roff(term))
	p.paragraph(text)
}

func (p *manPage) paragraph(text string) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fmt.Fprintln(p, roff(strings.TrimSpace(line)))
	}
}

func (p *manPage) write(settings string) {
	c := p.command
	// The date does not depend on the time of the build, so that builds are reproducible.
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		day = time.Unix(0, 0).UTC()
	}
	fmt.Fprintf(p, ".TH %s 1 \"%s\" \"jumpserver\\-video %s\" \"jumpserver\\-video\"\n.nh\n.ad l\n", strings.ToUpper(roff(manName(c))), day.Format(time.DateOnly), roff(version))
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", roff(manName(c)), roff(c.Short))
	p.section("SYNOPSIS")
	fmt.Fprintf(p, ".B %s\n", roff(c.CommandPath()))
	if _, rest, _ := strings.Cut(c.Use, " "); rest != "" {
		fmt.Fprintf(p, "%s\n", roff(rest))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintln(p, `\fIcommand\fR`)
	}
	fmt.Fprintln(p, `[\fIoptions\fR]`)
	p.description()
	p.commands()
	p.options("OPTIONS", c.NonInheritedFlags())
	p.options("OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	p.exitStatus()
	p.environment(settings)
	p.files()
	p.seeAlso()
}

// description writes the long help: paragraphs and examples.
func (p *manPage) description() {
	p.section("DESCRIPTION")
	var examples []string
	begun := false
	for _, text := range strings.Split(strings.TrimSpace(p.command.Long), "\n\n") {
		switch {
		case strings.HasPrefix(text, "Exit codes: "):
			p.exit = strings.TrimPrefix(text, "Exit codes: ")
		case strings.HasPrefix(text, "  "):
			examples = append(examples, strings.Split(text, "\n")...)
		default:
			if begun {
				fmt.Fprintln(p, ".PP")
			}
			begun = true
			p.paragraph(text)
		}
	}
	if !begun {
		p.paragraph(p.command.Short + ".")
	}
	if len(examples) == 0 {
		return
	}
	p.section("EXAMPLES")
	for _, line := range examples {
		command, what := example(line)
		fmt.Fprintf(p, ".TP\n.nf\n\\fB%s\\fR\n.fi\n", roff(command))
		if what != "" {
			p.paragraph(what)
		}
	}
}

// example splits an example of the help: into the command, and its description after two
// or more spaces.
func example(line string) (command, what string) {
	parts := regexp.MustCompile(`\s{2,}`).Split(strings.TrimSpace(line), 2)
	if len(parts) == 2 {
		return parts[0], parts[1]
	}
	return parts[0], ""
}

func (p *manPage) commands() {
	if !p.command.HasAvailableSubCommands() {
		return
	}
	p.section("COMMANDS")
	for _, sub := range p.command.Commands() {
		if sub.IsAvailableCommand() {
			p.item(sub.Name(), sub.Short+".")
		}
	}
}

func (p *manPage) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := `\fB` + roff("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + name
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			name += ` \fI` + roff(value) + `\fR`
		}
		fmt.Fprintf(p, ".TP\n%s\n", name)
		if zero := f.DefValue == "" || f.DefValue == "false" || f.DefValue == "[]" || f.DefValue == "0" || f.DefValue == "0s"; !zero {
			usage += " (default " + f.DefValue + ")"
		}
		p.paragraph(usage)
	})
}

// code matches the beginning of an exit code in the help.
var code = regexp.MustCompile(`(?:^|, )(\d+(?: to \d+)?) `)

func (p *manPage) exitStatus() {
	p.section("EXIT STATUS")
	text, more, _ := strings.Cut(strings.TrimSuffix(strings.ReplaceAll(p.exit, "\n", " "), "."), "; ")
	if text == "" {
		p.item("0", "Success.")
		p.item("1", "Failure.")
		p.item("2", "Wrong usage, or an invalid setting.")
		return
	}
	at := code.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		p.item(text[m[2]:m[3]], text[m[1]:end])
	}
	if more != "" {
		fmt.Fprintln(p, ".PP")
		p.paragraph(strings.ToUpper(more[:1]) + more[1:] + ".")
	}
}

// setting matches a setting in the reference, which may be commented out.
var setting = regexp.MustCompile(`^#? ?([A-Z][A-Z0-9_]+)=(.*)$`)

// environment lists the settings on the agent's page. Other pages refer to it.
func (p *manPage) environment(settings string) {
	p.section("ENVIRONMENT")
	if p.command.Name() != "agent" || settings == "" {
		p.paragraph("Settings are those of the agent, see jumpserver-video-agent(1). They can be set in the environment, which takes precedence, or in the file of --config.")
		p.item("LANGUAGE, LC_ALL, LANG", "The language of the output: English, Chinese or Russian.")
		return
	}
	p.paragraph("Each can be set in the environment, which takes precedence, or in the file of --config. An empty value is the same as none.")
	var text, terms []string
	flush := func() {
		for i, term := range terms {
			fmt.Fprintf(p, ".T%c\n\\fB%s\\fR\n", "PQ"[min(i, 1)], roff(term))
		}
		if len(terms) > 0 {
			p.paragraph(strings.Join(text, "\n"))
		}
		text, terms = nil, nil
	}
	for _, line := range strings.Split(settings, "\n") {
		m := setting.FindStringSubmatch(line)
		switch {
		case m != nil:
			terms = append(terms, strings.TrimSuffix(m[1]+"="+m[2], "="))
		case strings.HasPrefix(line, "##") || strings.TrimSpace(line) == "":
			flush()
			text = nil
		case strings.HasPrefix(line, "#"):
			if len(terms) > 0 {
				flush()
			}
			text = append(text, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		}
	}
	flush()
}

func (p *manPage) files() {
	p.section("FILES")
	for _, f := range [][2]string{
		{"/etc/jumpserver-video/config.txt", "The settings of the packaged service. Commands about the agent on this host read it if there is no --config."},
		{"/opt/video-worker/data", "DATA_DIR: keys, the queue, logs of tasks, uploads, the ledger."},
		{"/opt/jumpserver/core/data/media/replay", "REPLAY_DIR: core's replay folder. Originals are moved to its folder .jumpserver-video-trash."},
		{"/usr/share/doc/jumpserver-video", "The documentation, and the reference of the settings."},
	} {
		p.item(f[0], f[1])
	}
}

func (p *manPage) seeAlso() {
	p.section("SEE ALSO")
	var pages []string
	add := func(c *cobra.Command) {
		if c != p.command && (c.IsAvailableCommand() || !c.HasParent()) {
			pages = append(pages, `\fB`+roff(manName(c))+`\fR(1)`)
		}
	}
	if p.command.HasParent() {
		add(p.command.Parent())
		if p.command.Name() != "agent" && p.command.Parent() == p.command.Root() {
			if agent, _, err := p.command.Root().Find([]string{"agent"}); err == nil {
				add(agent)
			}
		}
	}
	for _, sub := range p.command.Commands() {
		add(sub)
	}
	pages = append(pages, `\fBffmpeg\fR(1)`, `\fBsystemctl\fR(1)`)
	fmt.Fprintln(p, strings.Join(pages, ",\n"))
}
