// Package logging makes the one logger that every part of the program
// writes to: colour on a terminal, plain text otherwise.
package logging

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// New returns a logger that writes records of at least level to w. Colour is
// used when w is a terminal and NO_COLOR is not set. Under systemd
// (JOURNAL_STREAM) lines have no time, because the journal adds its own.
func New(w io.Writer, level slog.Leveler) *slog.Logger {
	options := &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !Colour(w)}
	if os.Getenv("JOURNAL_STREAM") != "" {
		options.ReplaceAttr = dropTime
	}
	return slog.New(tint.NewTextHandler(w, options))
}

// Terminal tells whether w is a terminal.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colour tells whether to write colour to w: to terminals, unless NO_COLOR is set.
func Colour(w io.Writer) bool { return Terminal(w) && os.Getenv("NO_COLOR") == "" }

func dropTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
