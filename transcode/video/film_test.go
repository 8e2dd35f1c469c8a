package video

import (
	"testing"
	"time"
)

// TestFilms gives the lookahead pictures that change a share of the screen.
func TestFilms(t *testing.T) {
	t.Parallel()
	const macroblocks, short = 64, time.Second / 10
	for _, tt := range []struct {
		name      string
		pictures  int
		each      time.Duration
		changed   func(i int) int // of the macroblocks
		from, to  int             // pictures of the film
		lookahead int             // pictures that it holds; 0 = all
	}{
		{name: "whole screen", pictures: 40, each: short, changed: func(int) int { return 50 }, from: 0, to: 40},
		{name: "too few", pictures: 7, each: short, changed: func(int) int { return 64 }},
		{name: "slides", pictures: 40, each: maxFilmGap + time.Millisecond, changed: func(int) int { return 64 }},
		{name: "half of the screen", pictures: 60, each: short, changed: func(int) int { return 32 }},
		{name: "in a window", pictures: 100, each: short, changed: func(int) int { return 8 }, from: 0, to: 100},
		{name: "in a window, with a short lookahead", pictures: 100, each: short, changed: func(int) int { return 8 }, from: 86, to: 100, lookahead: 3},
		{name: "in a small window", pictures: 200, each: short, changed: func(int) int { return 7 }},
		{name: "not every picture", pictures: 80, each: short, changed: func(i int) int { return 64 * min(i%7, 1) }},
		{name: "after half a second", pictures: 20, each: short, changed: func(i int) int { return 64 * min(i/5, 1) }, from: 5, to: 20},
		{
			name: "until some seconds after it", pictures: 100, each: short,
			changed: func(i int) int {
				if i < 20 {
					return 64
				}
				return 1
			}, from: 0, to: 19 + int(filmPause/short),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLookahead(Options{Width: 128, Height: 128, CRF: 29, FPS: 15})
			if tt.lookahead > 0 {
				l.limit = tt.lookahead
			} else {
				l.limit = tt.pictures
			}
			var films []bool
			for i := range tt.pictures {
				l.add(largePicture{at: time.Duration(i) * tt.each, changed: make([]change, tt.changed(i))})
				if len(l.pictures) > l.limit {
					films = append(films, l.take().film)
				}
			}
			for len(l.pictures) > 0 {
				films = append(films, l.take().film)
			}
			for i, film := range films {
				if want := i >= tt.from && i < tt.to; film != want {
					t.Errorf("picture %d is of a film: %t, want %t", i, film, want)
				}
			}
		})
	}
}
