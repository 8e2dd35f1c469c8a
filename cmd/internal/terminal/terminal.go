// Package terminal protects the terminal from untrusted text. What core, recordings,
// file names or other agents say may contain escape sequences. They set titles, move
// the cursor, hide lines or, on some terminals, type.
//
// Everything that the program prints goes through [Wrap]. Its own colours and cursor
// movements go to [Raw]; untrusted text in them must go through [Line] first.
//
// A control character is shown as \u and four hexadecimal digits. In a string of JSON
// that means the same character, so that JSON keeps its meaning.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Text returns s with all control characters escaped, except line breaks and tabs.
func Text(s string) string {
	return escape(s, func(r rune) bool { return isControl(r) && r != '\n' && r != '\t' })
}

// Line returns s with all control characters escaped, including line breaks and tabs.
// It is for names and messages within a line or a table.
func Line(s string) string { return escape(s, isControl) }

// isControl reports whether a terminal may do something other than draw a character:
// control characters of both sets, DEL, and characters that change the direction of
// text.
func isControl(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// escape escapes the characters for which must returns true, and bytes that are not
// valid UTF-8: some terminals treat those as control characters.
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

// writer writes [Text] of what is written to it. A character must not be split
// between two writes, because its bytes would be escaped.
type writer struct{ to io.Writer }

// Wrap returns a writer that passes untrusted text to w, escaped.
func Wrap(w io.Writer) io.Writer { return writer{Raw(w)} }

// Raw returns the writer behind one that [Wrap] returned. Any other writer is
// returned unchanged.
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
