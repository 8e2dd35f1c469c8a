package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
)

// TestManualPages: there is a page for each command, with all sections. In 80 columns, no
// example is filled or broken, and every setting is included.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	app := newApp(io.Discard, io.Discard)
	if code := app.run(t.Context(), []string{"man", dir, "--settings", "../../packaging/config.txt"}); code != 0 {
		t.Fatal(code)
	}
	man, err := exec.LookPath("man")
	if err != nil {
		t.Log("man is not installed: the source of the pages is tested")
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				visit(sub)
			}
		}
		page := manShows(t, man, filepath.Join(dir, manName(c)+".1"))
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"} {
			if !slices.Contains(page, section) {
				t.Errorf("%s: no section %s", manName(c), section)
			}
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if command, _ := example(line); strings.HasPrefix(line, "  ") && !slices.Contains(page, "       "+command) {
				t.Errorf("%s: no line with %q alone", manName(c), command)
			}
		}
		for _, line := range page {
			if len([]rune(line)) > 80 {
				t.Errorf("%s: longer than 80 columns: %s", manName(c), line)
			}
		}
	}
	root := app.root()
	root.InitDefaultCompletionCmd()
	visit(root)

	agent := strings.Join(manShows(t, man, filepath.Join(dir, "jumpserver-video-agent.1")), "\n")
	for _, name := range config.Names() {
		if !strings.Contains(agent, "\n       "+name) {
			t.Errorf("the agent's page lacks %s", name)
		}
	}
	main := strings.Join(manShows(t, man, filepath.Join(dir, "jumpserver-video.1")), "\n")
	for _, want := range []string{"\n       3      not a Guacamole recording\n", "\n       11 to 13\n", "\n       130    interrupted\n"} {
		if !strings.Contains(main, want) {
			t.Errorf("no %q", want)
		}
	}
}

// manShows returns a page as man shows it; without man, a simple conversion of its source.
func manShows(t *testing.T, man, file string) []string {
	t.Helper()
	if man == "" {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\(aq`, "'", `\&`, "").Replace(string(data))
		var lines []string
		for _, line := range strings.Split(text, "\n") {
			line = strings.TrimPrefix(line, ".SH ")
			if rest, ok := strings.CutPrefix(line, `\fB`); ok {
				line = "       " + strings.TrimSuffix(rest, `\fR`)
			}
			lines = append(lines, line)
		}
		return lines
	}
	cmd := exec.CommandContext(t.Context(), man, "--warnings", "-l", file)
	cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=", "MANPAGER=cat", "PAGER=cat")
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("%s: %v: %s", file, err, warnings.String())
	}
	return strings.Split(string(out), "\n")
}
