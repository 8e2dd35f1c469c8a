package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal/terminaltest"
)

// word is a string that implements [encoding.TextMarshaler].
type word string

func (w *word) MarshalText() ([]byte, error) { return []byte(*w), nil }

// TestNothingInTheLogActsOnATerminal: no kind of attribute can control a terminal,
// with colour, without it, and in the journal.
func TestNothingInTheLogActsOnATerminal(t *testing.T) {
	write := func(log *slog.Logger) {
		for _, evil := range []string{
			"\x1b]0;pwned\x07", "two words \x1b[2J", `spelled out \x1b[31m`, `\x1b[31m`, "\u009b31m", "\u202egpj", "bell\x07 \x7f", "line\nfeed\rover", "\x9b31m",
		} {
			text := word(evil)
			var none *word
			log.With("with", evil).WithGroup("group").Info(evil, "string", evil, "error", fmt.Errorf("wrapped: %w", errors.New(evil)),
				"bytes", []byte(evil), "list", []string{evil}, "text", &text, "nothing", none, "any", struct{ A string }{evil}, slog.Group("in", "key", evil))
		}
	}
	colour := regexp.MustCompile("\x1b\\[[0-9;]*m") // the only sequences that tint writes
	bad := func(r rune) bool { return r != '\n' && terminal.Line(string(r)) != string(r) }

	t.Setenv("NO_COLOR", "")
	read, out := terminaltest.Open(t)
	write(New(terminal.Wrap(out), slog.LevelInfo))
	shown := read()
	if !colour.MatchString(shown) {
		t.Fatalf("no colour on a terminal: %q", shown)
	}
	// tint's colours may be at the beginning and the end of a text, and nowhere else.
	for _, line := range strings.Split(strings.ReplaceAll(shown, "\r\n", "\n"), "\n") {
		if rest := colour.ReplaceAllString(line, ""); strings.ContainsFunc(rest, bad) {
			t.Errorf("in colour: %q", rest)
		}
		if strings.Contains(line, "\x1b[31m") || strings.Contains(line, "\x1b[2J") {
			t.Errorf("a colour from the text: %q", line)
		}
	}
	if n := strings.Count(shown, "INF"); n != 9 || strings.Count(shown, "\n") != n {
		t.Errorf("%d records of 9 in %d lines", n, strings.Count(shown, "\n"))
	}

	var plain strings.Builder
	write(New(&plain, slog.LevelInfo))
	if strings.ContainsFunc(plain.String(), bad) || strings.Count(plain.String(), "\n") != 9 {
		t.Errorf("without colour: %q", plain.String())
	}
	write(slog.New(&journalHandler{level: slog.LevelInfo, send: func(m string, _ journal.Priority, _ map[string]string) error {
		if strings.ContainsFunc(m, bad) || strings.Contains(m, "\n") {
			t.Errorf("in the journal: %q", m)
		}
		return nil
	}}))
}
