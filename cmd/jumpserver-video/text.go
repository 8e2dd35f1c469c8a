package main

import "fmt"

// megabytes shows a size in decimal units.
func megabytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
}

// saved shows by how much a recording became smaller.
func saved(before, after int64) string {
	if before == 0 {
		return "–"
	}
	percent := 100 * float64(before-after) / float64(before)
	if percent < 0 {
		return fmt.Sprintf("%.0f %% larger", -percent)
	}
	return fmt.Sprintf("%.0f %% smaller", percent)
}

// plural counts things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
