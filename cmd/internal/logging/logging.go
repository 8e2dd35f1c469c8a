// Package logging makes the one logger that every part of the program
// writes to: colour on a terminal, fields in systemd's journal, plain text
// otherwise.
package logging

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// New returns a logger that writes records of at least level to w. Colour is
// used when w is a terminal and NO_COLOR is not set. When w is standard error
// and systemd has connected that to the journal, records go there with
// their priority and fields.
func New(w io.Writer, level slog.Leveler) *slog.Logger {
	if w == os.Stderr && journal.Enabled() {
		if ours, err := journal.StderrIsJournalStream(); err == nil && ours {
			return slog.New(&journalHandler{level: level, send: journal.Send})
		}
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !Colour(w)}))
}

// Terminal tells whether w is a terminal.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colour tells whether to write colour to w: to terminals, unless NO_COLOR is set.
func Colour(w io.Writer) bool { return Terminal(w) && os.Getenv("NO_COLOR") == "" }
