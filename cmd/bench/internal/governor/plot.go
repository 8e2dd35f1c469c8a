package governor

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The height of the plot in rows, and the time that each of its columns shows.
const (
	rows   = 12
	column = time.Second
)

// plot prints the CPU use of the host over time: the agent's above the competitors',
// and that above the others'.
func plot(w io.Writer, points []point, target, cores int) {
	if len(points) == 0 {
		return
	}
	var columns []point
	for from := 0; from < len(points); {
		to := from
		for to < len(points) && points[to].at.Sub(points[from].at) < column {
			to++
		}
		columns = append(columns, mean(points[from:to]))
		from = to
	}
	fmt.Fprintf(w, "\nuse of %d processors, one column per second: █ ours, ▒ competitors, ░ others, ─ target\n\n", cores)
	for row := rows; row > 0; row-- {
		level := (float64(row) - 0.5) * 100 / rows
		var line strings.Builder
		for _, c := range columns {
			switch {
			case level <= c.others:
				line.WriteRune('░')
			case level <= c.others+c.rivals:
				line.WriteRune('▒')
			case level <= c.others+c.rivals+c.ours:
				line.WriteRune('█')
			case row == (target*rows+99)/100:
				line.WriteRune('─')
			default:
				line.WriteRune(' ')
			}
		}
		fmt.Fprintf(w, "%4d%% │%s\n", row*100/rows, line.String())
	}
	fmt.Fprintf(w, "      └%s\n", strings.Repeat("─", len(columns)))
}
