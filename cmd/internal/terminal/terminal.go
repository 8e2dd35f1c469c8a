// Package terminal keeps text of others from acting on the terminal that it is
// printed on: what core, recordings, file names or other agents say may hold
// escape sequences, which set titles, move the cursor, hide lines or, on some
// terminals, type.
//
// All that the program prints goes through [Wrap]. What it draws itself, with
// colours and moves of the cursor, goes to [Raw], and has no text of others in
// it that did not go through [Line].
//
// A character that acts is shown as \u and four hexadecimal digits. In a string
// of JSON that stands for the very same character, so JSON goes the same way
// and means what it did.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Text returns s with line breaks and tabs and no other character that acts.
func Text(s string) string {
	return escape(s, func(r rune) bool { return acts(r) && r != '\n' && r != '\t' })
}

// Line returns s without characters that act, line breaks and tabs among them.
// It is for names and messages within a line or a table: what they are followed
// by is ours.
func Line(s string) string { return escape(s, acts) }

// acts reports whether a terminal may do something at a character other than
// draw it: control characters of both sets, DEL, and those that turn the order
// of others round.
func acts(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// escape shows the characters that must not be printed, and bytes that are no
// UTF-8: some terminals take those for control characters.
func escape(s string, must func(rune) bool) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, must) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case must(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// writer prints what [Text] makes of what is written to it. A character must
// not be cut between two writes: its bytes would be shown.
type writer struct{ to io.Writer }

// Wrap returns a writer for text of others to w.
func Wrap(w io.Writer) io.Writer { return writer{Raw(w)} }

// Raw returns what is behind a writer that [Wrap] returned; any other writer is
// returned as it is.
func Raw(w io.Writer) io.Writer {
	if w, ok := w.(writer); ok {
		return w.to
	}
	return w
}

// Write implements [io.Writer].
func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
