// Package logging creates the logger of the program: coloured on a terminal, with
// fields in systemd's journal, plain text otherwise.
package logging

import (
	"encoding"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
)

// New returns a logger that writes records of at least level to w. It uses colour if
// w is a terminal and NO_COLOR is not set. If w is standard error and systemd has
// connected that to the journal, records go to the journal with their priority and
// fields.
func New(w io.Writer, level slog.Leveler) *slog.Logger {
	w = terminal.Raw(w) // colours are our own, and printable escapes the texts
	if w == os.Stderr && journal.Enabled() {
		if ours, err := journal.StderrIsJournalStream(); err == nil && ours {
			return slog.New(&journalHandler{level: level, send: journal.Send})
		}
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !Colour(w), ReplaceAttr: printable}))
}

// printable escapes control characters in untrusted text. tint writes messages
// unchanged. When it writes colour it also lets ESC through in attributes, even if it
// is spelled \x1b.
func printable(groups []string, a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	case encoding.TextMarshaler:
		text = marshalled(v)
	default:
		text = a.Value.String()
	}
	safe := terminal.Text(text)
	if len(groups) == 0 && a.Key == slog.MessageKey {
		safe = terminal.Line(text)
	}
	if safe = strings.ReplaceAll(safe, `\x1b`, `\u001b`); safe != text {
		a.Value = slog.StringValue(safe)
	}
	return a
}

// marshalled returns what tint writes for v. It returns nothing if marshalling
// panics, for example on a nil pointer: tint then writes an error of its own.
func marshalled(v encoding.TextMarshaler) string {
	defer func() { _ = recover() }()
	b, err := v.MarshalText()
	if err != nil {
		return ""
	}
	return string(b)
}

// Terminal reports whether w is a terminal.
func Terminal(w io.Writer) bool {
	f, ok := terminal.Raw(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colour reports whether to write colour to w: to terminals, unless NO_COLOR is set.
func Colour(w io.Writer) bool { return Terminal(w) && os.Getenv("NO_COLOR") == "" }
