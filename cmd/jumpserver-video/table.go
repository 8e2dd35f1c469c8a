package main

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// table is text in columns. Unlike package tabwriter, it uses the width of characters on a
// terminal: Chinese ones have a width of two.
type table struct {
	rows  [][]string
	right bool // all columns except the first are right-aligned
}

// row adds a row. A column whose cells are all "" is left out.
func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the rows.
func (t *table) print(w io.Writer) error {
	var widths []int
	for i, row := range t.rows {
		for c, cell := range row {
			if c == len(widths) {
				widths = append(widths, 0)
			}
			if i > 0 || len(t.rows) == 1 || !t.headed() {
				widths[c] = max(widths[c], runewidth.StringWidth(cell))
			}
		}
	}
	if t.headed() {
		for c, head := range t.rows[0] {
			if widths[c] > 0 {
				widths[c] = max(widths[c], runewidth.StringWidth(head))
			}
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for c, cell := range row {
			if widths[c] == 0 {
				continue
			}
			pad := strings.Repeat(" ", widths[c]-runewidth.StringWidth(cell))
			if line.Len() > 0 {
				line.WriteString("  ")
			}
			if t.right && c > 0 {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// headed reports whether the first row is a header: it is in all tables except those of
// names and values.
func (t *table) headed() bool { return len(t.rows) > 1 && len(t.rows[0]) > 2 }
