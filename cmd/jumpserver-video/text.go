package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

// megabytes formats a size in decimal units.
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

// megabytes formats a size in the app's language. The English format must not change,
// because scripts parse it.
func (a *app) megabytes(n int64) string {
	if a.lang == i18n.English {
		return megabytes(n)
	}
	return a.lang.Bytes(n)
}

// fixed formats a number with one decimal.
func fixed(l i18n.Lang, v float64) string {
	text := fmt.Sprintf("%.1f", v)
	if l == i18n.Russian {
		return strings.Replace(text, ".", ",", 1)
	}
	return text
}

func (a *app) fixed(v float64) string { return fixed(a.lang, v) }

// span formats a duration: in English as Go does, such as 4m33.2s.
func span(l i18n.Lang, d, to time.Duration) string {
	if l == i18n.English {
		return d.Round(to).String()
	}
	return l.Span(d.Seconds())
}

func (a *app) span(d time.Duration) string { return span(a.lang, d, 100*time.Millisecond) }

// saved formats the reduction in size of a recording.
func (a *app) saved(before, after int64) string {
	if before == 0 {
		return "–"
	}
	key, percent := "cli.smaller", 100*float64(before-after)/float64(before)
	if percent < 0 {
		key, percent = "cli.larger", -percent
	}
	return a.lang.T(key, "percent", fmt.Sprintf("%.0f", percent))
}
