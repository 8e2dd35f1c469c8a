package guac

import (
	"fmt"
	"strings"
	"testing"
)

// TestOddClocksAreTold: skipped time and a second clock are always reported.
func TestOddClocksAreTold(t *testing.T) {
	const hour = 3600_000
	for name, tc := range map[string]struct {
		parts [][]int
		want  string
	}{
		"an ordinary day":                   {[][]int{{0, 1000, 23 * hour, 24 * hour}}, ""},
		"some seconds back":                 {[][]int{{10_000, 9000, 11_000}}, ""},
		"25 hours of idling":                {[][]int{{0, 1000, 1000 + 25*hour, 2000 + 25*hour}}, "ahead by 25h0m0s (1 times)"},
		"more than two weeks":               {[][]int{{0, 20 * hour, 40 * hour, 60 * hour, 80 * hour, 100 * hour, 120 * hour, 140 * hour, 160 * hour, 180 * hour, 200 * hour, 220 * hour, 240 * hour, 260 * hour, 280 * hour, 300 * hour, 320 * hour, 340 * hour}}, "ahead by 20h0m0s (1 times)"},
		"a session appended to another":     {[][]int{{500_000, 501_000, 7000, 8000}}, "starts again (1 times)"},
		"a far clock":                       {[][]int{{0, 9e17, 0, 9e17}}, "ahead by 876000h0m0s (2 times)"},
		"parts of one clock":                {[][]int{{0, 1000}, {900, 2000}, {20 * hour, 21 * hour}}, ""},
		"a part of another clock":           {[][]int{{90_000, 91_000}, {10, 20}}, "starts again (1 times)"},
		"a part more than a day later":      {[][]int{{0, hour}, {30 * hour, 31 * hour}}, "ahead by 29h0m0s (1 times)"},
		"a clock that is odd within a part": {[][]int{{0, 1000}, {2000, 30 * hour}}, "ahead by 29h59m58s (1 times)"},
	} {
		t.Run(name, func(t *testing.T) {
			var summaries []Summary
			for _, syncs := range tc.parts {
				summaries = append(summaries, part(t, steps(syncs...)).Summary)
			}
			got := strings.Join(NewTimeline(summaries).Remarks(), "\n")
			if !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
				t.Errorf("remarks %q, want %q", got, tc.want)
			}
		})
	}
}

// TestARestOfAnInstructionIsNoDrawing: guacd leaves it behind when a user joins. An
// unknown instruction is something else.
func TestARestOfAnInstructionIsNoDrawing(t *testing.T) {
	for name, tc := range map[string]struct {
		script  *script
		missing bool
	}{
		"of a sync":                     {screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0).add("4345693").add("sync", 100), false},
		"of a sync of guacd 1.6":        {screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0).add("4345693", 1).add("3").add("sync", 100), false},
		"of an image, at the beginning": {new(script).add("iVBORw0KGgo/+=").add("size", 0, 8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0), false},
		"of what, in the middle":        {screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0).add("iVBORw0KGgo/+=").add("sync", 100), true},
		"an unknown instruction":        {screen(8, 8).add("h264", 0).box(0, 0, 0, 1, 1, red, MaskOver).add("sync", 0), true},
	} {
		_, stats := play(t, Options{}, tc.script.String())
		if missing := len(stats.Missing) > 0; missing != tc.missing || !strings.Contains(fmt.Sprint(stats.Warnings), "skipped") {
			t.Errorf("%s: warnings %q, missing %q", name, stats.Warnings, stats.Missing)
		}
	}
}
