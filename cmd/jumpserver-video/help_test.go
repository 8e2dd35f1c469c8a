package main

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

// inEnglish are the commands whose help is only in English: cobra's own, and the demo, which
// packages exclude.
var inEnglish = []string{"completion", "demo"}

// TestHelpIsTranslated: the help of every command and flag, with the same examples and exit
// codes.
func TestHelpIsTranslated(t *testing.T) {
	for _, l := range i18n.Langs {
		if l == i18n.English {
			continue
		}
		help := helpIn(l)
		var visit func(c *cobra.Command)
		visit = func(c *cobra.Command) {
			name := helpName(c)
			if slices.Contains(inEnglish, name) || c.Hidden {
				return
			}
			h, ok := help[name]
			if !ok {
				t.Errorf("%s: there is no help for %s", l, name)
			}
			delete(help, name)
			if diff := cmp.Diff(examples(c.Long), examples(h.long)); diff != "" {
				t.Errorf("%s: examples of %s: %s", l, name, diff)
			}
			if diff := cmp.Diff(codes(c.Long), codes(h.long)); diff != "" {
				t.Errorf("%s: exit codes of %s: %s", l, name, diff)
			}
			var flags []string
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Hidden || f.Name == "help" || f.Name == "version" || c.InheritedFlags().Lookup(f.Name) != nil {
					return
				}
				flags = append(flags, f.Name)
				if h.flags[f.Name] == "" {
					t.Errorf("%s: there is no help for --%s of %s", l, f.Name, name)
				}
			})
			if len(flags) != len(h.flags) {
				t.Errorf("%s: %s has %v, and help for %v", l, name, flags, h.flags)
			}
			for _, sub := range c.Commands() {
				visit(sub)
			}
		}
		visit(newApp(io.Discard, io.Discard).root())
		for name := range help {
			t.Errorf("%s: there is no command %s", l, name)
		}

		var out bytes.Buffer
		a := newApp(&out, io.Discard)
		if code := a.run(t.Context(), []string{"convert", "--help", "--lang", string(l)}); code != exitOK {
			t.Error(code)
		}
		for _, want := range []string{helpIn(l)["convert"].long, helpIn(l)["convert"].flags["force"], helpIn(l)["jumpserver-video"].flags["lang"][:20], l.T("cli.help_usage"), l.T("cli.help_global_flags")} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in %s", l, want, out.String())
			}
		}
		if strings.Contains(out.String(), "Flags:") || strings.Contains(out.String(), "Usage:") {
			t.Errorf("%s: English in %s", l, out.String())
		}
	}
}

// examples returns the commands in a help.
func examples(long string) (all []string) {
	for _, line := range strings.Split(long, "\n") {
		if strings.HasPrefix(line, "  ") {
			command, _ := example(line)
			all = append(all, command)
		}
	}
	return all
}

// codes returns the exit codes in a help: the numbers of its last paragraph.
func codes(long string) []string {
	i := strings.LastIndex(long, "\n\n")
	if last := long[max(i, 0):]; regexp.MustCompile(`\b0 `).MatchString(last) {
		return regexp.MustCompile(`\b\d+\b`).FindAllString(regexp.MustCompile(`MP4`).ReplaceAllString(last, ""), -1)
	}
	return nil
}
